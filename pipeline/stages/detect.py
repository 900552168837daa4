"""Detection: fills `Chunk.detections` from a detector (one or two stages) or a keypoint file."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.flow.line import Stage
from pipeline.stages.second_stage import refine_keypoints
from pipeline.types import Chunk
from trackers.detector import PeopleFinder

if TYPE_CHECKING:  # networks are imported when a stage opens: a run that is refused or up to date needs none
    from dpmesh.recovery.keypoint_refiner import KeypointRefiner


class DetectStage(Stage):
    """Finds the people in every frame of a chunk."""

    name = "detect"

    def __init__(
        self, make_finder: Callable[[], PeopleFinder], make_refiner: "Callable[[], KeypointRefiner | None]"
    ) -> None:
        """
        Args:
            make_finder: loads the detector or reads the keypoint file; called in `open`.
            make_refiner: loads the keypoint refiner of the second stage, or returns None if it is off.
        """
        self._make_finder = make_finder
        self._make_refiner = make_refiner
        self._finder: PeopleFinder | None = None
        self._refiner: KeypointRefiner | None = None

    def open(self) -> None:
        """Load the networks."""
        self._finder = self._make_finder()
        self._refiner = self._make_refiner()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with one `Detections` per frame."""
        if self._finder is None:
            raise ValueError("detect: the stage was not opened")
        images = [frame.image for frame in chunk.frames]
        found = self._finder.find(images, [frame.index for frame in chunk.frames])
        if self._refiner is not None:
            found = refine_keypoints(self._refiner, images, found)
        return replace(chunk, detections=tuple(found))

    def close(self) -> None:
        """Release the networks."""
        self._finder = self._refiner = None
