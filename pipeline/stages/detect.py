"""Detection: fills `Chunk.detections` from a detector or from a keypoint file."""

from collections.abc import Callable
from dataclasses import replace

from pipeline.line import Stage
from pipeline.types import Chunk
from trackers.detector import PeopleFinder


class DetectStage(Stage):
    """Finds the people in every frame of a chunk."""

    name = "detect"

    def __init__(self, make_finder: Callable[[], PeopleFinder]) -> None:
        """
        Args:
            make_finder: loads the detector or reads the keypoint file; called in `open`.
        """
        self._make_finder = make_finder
        self._finder: PeopleFinder | None = None

    def open(self) -> None:
        """Load the detector."""
        self._finder = self._make_finder()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with one `Detections` per frame."""
        if self._finder is None:
            raise ValueError("detect: the stage was not opened")
        found = self._finder.find([frame.image for frame in chunk.frames], [frame.index for frame in chunk.frames])
        return replace(chunk, detections=tuple(found))

    def close(self) -> None:
        """Let go of the detector."""
        self._finder = None
