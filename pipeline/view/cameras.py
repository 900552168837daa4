"""The cameras of a run in the world axes of its motion files."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from pipeline.results import Run


@dataclass(frozen=True, slots=True)
class SceneCamera(Shaped):
    """Where a camera stands and how wide it sees."""

    name: str  # empty: the only one
    world_from_cam: Annotated[np.ndarray, 4, 4]  # float64; camera axes: x right, y down, z forward
    focal_px: float
    size_px: tuple[float, float]  # width and height that the focal length is for

    @property
    def half_extent(self) -> tuple[float, float]:
        """Half of the width and of the height that it sees a metre away, in metres."""
        return self.size_px[0] / 2 / self.focal_px, self.size_px[1] / 2 / self.focal_px


def find_cameras(run: Run) -> tuple[SceneCamera, ...]:
    """Return the cameras that a run says where they are; none where it does not."""
    if run.record.capture.poses:
        return tuple(
            SceneCamera(name, np.array(pose.world_from_cam), pose.focal_px, pose.size_px)
            for name, pose in run.record.capture.poses.items()
        )
    for person in run.people:
        motion = person.motion
        if motion.camera_k is not None and motion.world_from_cam is not None and len(motion.camera_k):
            matrix = motion.camera_k[len(motion.camera_k) // 2]
            size = (2.0 * float(matrix[0, 2]), 2.0 * float(matrix[1, 2]))  # the principal point is the middle
            return (SceneCamera("", motion.world_from_cam.astype(np.float64), float(matrix[0, 0]), size),)
    return ()
