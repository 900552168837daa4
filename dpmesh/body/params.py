"""Parameters of a body: pose, shape and translation. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped

JOINT_COUNT = 24
BETA_COUNT = 10


@dataclass(frozen=True, slots=True)
class BodyParams(Shaped):
    """SMPL parameters of many person rows."""

    pose: Annotated[np.ndarray, "R", 24, 3]  # float32 axis-angle, radians, SMPL joint order, the root first
    betas: Annotated[np.ndarray, "R", 10]  # float32 shape
    trans: Annotated[np.ndarray, "R", 3]  # float32 metres, added to the posed body

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
