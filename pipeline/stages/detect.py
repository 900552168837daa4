"""Detection: fills `Chunk.detections` from a detector (one or two stages) or a keypoint file."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.flow.line import Stage
from pipeline.types import Chunk
from trackers.detector import PeopleFinder

if TYPE_CHECKING:  # networks are imported when a stage opens: a run that is refused or up to date needs none
    from trackers.second_stage import SecondStage


class DetectStage(Stage):
    """Finds the people in every frame of a chunk."""

    name = "detect"

    def __init__(
        self, make_finder: Callable[[], PeopleFinder], make_second_stage: "Callable[[], SecondStage | None]"
    ) -> None:
        """
        Args:
            make_finder: loads the detector or reads the keypoint file; called in `open`.
            make_second_stage: loads the second stage of keypoint estimation, or returns None if it is off.
        """
        self._make_finder = make_finder
        self._make_second_stage = make_second_stage
        self._finder: PeopleFinder | None = None
        self._second_stage: SecondStage | None = None

    def open(self) -> None:
        """Load the networks."""
        self._finder = self._make_finder()
        self._second_stage = self._make_second_stage()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with one `Detections` per frame."""
        if self._finder is None:
            raise ValueError("detect: the stage was not opened")
        images = [frame.image for frame in chunk.frames]
        found = self._finder.find(images, [frame.index for frame in chunk.frames])
        if self._second_stage is not None:
            found = self._second_stage.refine(images, found)
        return replace(chunk, detections=tuple(found))

    def close(self) -> None:
        """Release the networks."""
        self._finder = self._second_stage = None
