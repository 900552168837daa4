"""The two pose layouts of AMASS files, and where the joints of SMPL lie in them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from configs.checks import check_shape

LayoutName = Literal["smplh", "smplx"]
BODY_JOINTS = 22  # the root and joints 1 to 21, in the same order in SMPL, SMPL-H and SMPL-X
SMPL_JOINTS = 24  # 22 and 23 are the hands, which the other two models replace by fingers


@dataclass(frozen=True, slots=True)
class Layout:
    """How a row of `poses` is cut, in numbers (three per joint)."""

    name: LayoutName
    width: int
    hands: slice


SMPLH = Layout("smplh", 156, slice(66, 156))
SMPLX = Layout("smplx", 165, slice(75, 165))
LAYOUTS: dict[str, Layout] = {"smplh": SMPLH, "smplx": SMPLX}


def find_layout(width: int) -> Layout | None:
    """Return the layout whose rows have this many numbers, or None."""
    return next((layout for layout in LAYOUTS.values() if layout.width == width), None)


def full_poses(pose: np.ndarray, layout: Layout) -> np.ndarray:
    """Return rows of `poses` (N, width) float32 for SMPL poses (N, 24, 3); fingers, jaw and eyes are at rest."""
    check_shape("pose", pose, ("N", SMPL_JOINTS, 3))
    poses = np.zeros((len(pose), layout.width), np.float32)
    poses[:, : 3 * BODY_JOINTS] = pose[:, :BODY_JOINTS].reshape(len(pose), -1)
    return poses


def smpl_pose(poses: np.ndarray) -> np.ndarray:
    """Return SMPL poses (N, 24, 3) of rows of `poses` (N, 156 or 165); the hands are at rest."""
    pose = np.zeros((len(poses), SMPL_JOINTS, 3), poses.dtype)
    pose[:, :BODY_JOINTS] = poses[:, : 3 * BODY_JOINTS].reshape(-1, BODY_JOINTS, 3)
    return pose
