"""The camera: how the background moves from time to time, for the verdict in `scene.json`."""

from collections.abc import Mapping

import numpy as np

from pipeline.flow.line import Stage
from pipeline.stages.pace import is_looked_at
from pipeline.types import Chunk
from trackers.camera_motion import CAMERA_STAGE, CameraMotion


class CameraStage(Stage):
    """Looks at the background of some frames; what it saw is all in its snapshot."""

    name = CAMERA_STAGE

    def __init__(self, every: int = 1) -> None:
        """
        Args:
            every: people were looked for in every k-th frame alone; they must not pass for background.
        """
        self._every = every
        self._motion = CameraMotion()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk as it is."""
        for frame, tracks in zip(chunk.frames, chunk.tracks or (), strict=True):
            if is_looked_at(frame.index, self._every):
                self._motion.update(frame.image, tracks.boxes_xyxy, frame.time_s)
        return chunk

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return what was seen so far."""
        return self._motion.snapshot()

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Continue where another process stopped."""
        self._motion.restore(snapshot)
