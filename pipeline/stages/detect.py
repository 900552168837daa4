"""Detection: fills `Chunk.detections` from a detector (one or two stages) or a keypoint file."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.flow.line import Snapshot, Stage
from pipeline.stages.pace import is_looked_at
from pipeline.types import Chunk
from trackers.detector import PeopleFinder
from trackers.types import no_detections

if TYPE_CHECKING:  # networks are imported when a stage opens: a run that is refused or up to date needs none
    from trackers.second_stage import SecondStage


class Sizer(Protocol):
    """Chooses how large the detector's input is."""

    def choose(self) -> Snapshot:
        """Return the choice, as arrays that last over a restart."""

    def apply(self, choice: Snapshot) -> PeopleFinder:
        """Return the detector with the input that was chosen."""


class DetectStage(Stage):
    """Finds the people in every frame of a chunk."""

    name = "detect"

    def __init__(
        self,
        make_finder: Callable[[], PeopleFinder],
        make_second_stage: "Callable[[], SecondStage | None]",
        sizer: Sizer | None = None,
        every: int = 1,
    ) -> None:
        """
        Args:
            make_finder: loads the detector or reads the keypoint file; called in `open`.
            make_second_stage: loads the second stage of keypoint estimation, or returns None if it is off.
            sizer: chooses the size of the detector's input before the first frame, and remembers it; None: nothing is
                to be chosen.
            every: nobody is looked for between every k-th frame and the next.
        """
        self._make_finder, self._every = make_finder, every
        self._make_second_stage = make_second_stage
        self._finder: PeopleFinder | None = None
        self._second_stage: SecondStage | None = None
        self._sizer, self._choice = sizer, dict[str, np.ndarray]()
        self._sized: PeopleFinder | None = None

    def open(self) -> None:
        """Load the networks."""
        self._finder = self._make_finder()
        self._second_stage = self._make_second_stage()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with one `Detections` per frame."""
        if self._finder is None:
            raise ValueError("detect: the stage was not opened")
        if self._sizer is not None and self._sized is None:
            self._choice = self._choice or self._sizer.choose()
            self._sized = self._sizer.apply(self._choice)
        looked = [frame for frame in chunk.frames if is_looked_at(frame.index, self._every)]
        images = [frame.image for frame in looked]
        found = (self._sized or self._finder).find(images, [frame.index for frame in looked])
        if self._second_stage is not None:
            found = self._second_stage.refine(images, found)
        nobody = no_detections()
        by_frame = {frame.index: people for frame, people in zip(looked, found, strict=True)}
        return replace(chunk, detections=tuple(by_frame.get(frame.index, nobody) for frame in chunk.frames))

    def close(self) -> None:
        """Release the networks."""
        self._finder = self._second_stage = self._sized = None

    def snapshot(self) -> Snapshot:
        """Return the size that was chosen."""
        return self._choice

    def restore(self, snapshot: Snapshot) -> None:
        """Go on with the size that was chosen."""
        self._choice = snapshot
