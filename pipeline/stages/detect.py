"""Detection: fills `Chunk.detections` from a detector (one or two stages) or a keypoint file."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.flow.line import Snapshot, Stage
from pipeline.types import Chunk
from trackers.detector import PeopleFinder

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
    ) -> None:
        """
        Args:
            make_finder: loads the detector or reads the keypoint file; called in `open`.
            make_second_stage: loads the second stage of keypoint estimation, or returns None if it is off.
            sizer: chooses the size of the detector's input before the first frame, and remembers it; None: nothing is
                to be chosen.
        """
        self._make_finder = make_finder
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
        images = [frame.image for frame in chunk.frames]
        found = (self._sized or self._finder).find(images, [frame.index for frame in chunk.frames])
        if self._second_stage is not None:
            found = self._second_stage.refine(images, found)
        return replace(chunk, detections=tuple(found))

    def close(self) -> None:
        """Release the networks."""
        self._finder = self._second_stage = self._sized = None

    def snapshot(self) -> Snapshot:
        """Return the size that was chosen."""
        return self._choice

    def restore(self, snapshot: Snapshot) -> None:
        """Go on with the size that was chosen."""
        self._choice = snapshot
