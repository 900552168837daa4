"""What a body is told: pose, shape and place. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from configs.checks import check_shape

JOINT_COUNT = 24
BETA_COUNT = 10


@dataclass(frozen=True, slots=True)
class BodyParams:
    """SMPL parameters of many person rows."""

    pose: np.ndarray  # (R, 24, 3) float32 axis-angle, radians, SMPL joint order, the root first
    betas: np.ndarray  # (R, 10) float32 shape
    trans: np.ndarray  # (R, 3) float32 metres, added to the posed body

    def __post_init__(self) -> None:
        check_shape("pose", self.pose, ("R", JOINT_COUNT, 3))
        rows = len(self.pose)
        check_shape("betas", self.betas, (rows, BETA_COUNT))
        check_shape("trans", self.trans, (rows, 3))

    def __len__(self) -> int:
        return len(self.pose)

    @classmethod
    def rest(cls, rows: int) -> BodyParams:
        """Return `rows` bodies of mean shape in the rest pose at the origin."""
        return cls(
            pose=np.zeros((rows, JOINT_COUNT, 3), dtype=np.float32),
            betas=np.zeros((rows, BETA_COUNT), dtype=np.float32),
            trans=np.zeros((rows, 3), dtype=np.float32),
        )

    def rows(self, index: np.ndarray | slice) -> BodyParams:
        """Return the rows that `index` selects, in its order."""
        return BodyParams(self.pose[index], self.betas[index], self.trans[index])
