"""Detection: fills `Chunk.detections` from a detector or from a keypoint file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from pipeline.line import Stage
from pipeline.types import Chunk
from trackers.types import Detections


class ImageDetector(Protocol):
    """Finds people in pictures."""

    def detect(self, images: list[np.ndarray]) -> list[Detections]: ...


class KeypointSource(Protocol):
    """Knows the people of each frame beforehand."""

    def detect_indices(self, frame_indices: Sequence[int]) -> list[Detections]: ...


class DetectStage(Stage):
    """Runs a detector over the frames of a chunk, a few at a time."""

    name = "detect"

    def __init__(self, detector: ImageDetector, batch_frames: int) -> None:
        self._detector = detector
        self._batch_frames = batch_frames

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with one `Detections` per frame."""
        found: list[Detections] = []
        for start in range(0, len(chunk.frames), self._batch_frames):
            batch = chunk.frames[start : start + self._batch_frames]
            found += self._detector.detect([frame.image for frame in batch])
        return replace(chunk, detections=tuple(found))


class LookUpStage(Stage):
    """Takes the people of each frame from a file of keypoints."""

    name = "detect"

    def __init__(self, source: KeypointSource) -> None:
        self._source = source

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with one `Detections` per frame."""
        found = self._source.detect_indices([frame.index for frame in chunk.frames])
        return replace(chunk, detections=tuple(found))
