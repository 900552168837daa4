"""What every motion capture format is read into."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped, check_shape


@dataclass(frozen=True, slots=True)
class SourceMotion(Shaped):
    """A recorded motion in the joints of its own rig; bone ends are joints too.

    Rotations are global and count from the rig's zero pose, in which every joint has the identity; lengths
    are in the file's own unit.
    """

    names: tuple[str, ...]  # J names, parents before children
    parents: Annotated[np.ndarray, "J"]  # int, -1 for the root
    rest: Annotated[np.ndarray, "J", 3]  # joint positions in the zero pose, root at the origin
    rotation: Annotated[np.ndarray, "T", "J", 3, 3]  # global rotations, column vectors
    position: Annotated[np.ndarray, "T", "J", 3]  # joint positions in the world
    rate_hz: float

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        check_shape("parents", self.parents, (len(self.names),))
        if not self.rate_hz > 0:
            raise ValueError(f"rate_hz is {self.rate_hz}, expected above 0")

    def joint(self, name: str) -> int:
        """Return the row of a joint; raises ValueError with the rig's names when it has none of that name."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ValueError(f"the rig has no joint {name!r}; it has {', '.join(self.names)}") from None


def chain(
    parents: np.ndarray, local: np.ndarray, offset: np.ndarray, root: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return global rotations (T, J, 3, 3) and positions (T, J, 3) of a tree.

    Args:
        parents: (J,) int, parents first.
        local: (T, J, 3, 3) rotations relative to the parent.
        offset: (J, 3) or (T, J, 3) joint position in the parent's frame; the root's is ignored.
        root: (T, 3) position of the root.
    """
    rotation = local.copy()
    position = np.empty((*local.shape[:2], 3))
    offset = np.broadcast_to(offset, position.shape)
    for joint, parent in enumerate(parents):
        if parent < 0:
            position[:, joint] = root
            continue
        rotation[:, joint] = rotation[:, parent] @ local[:, joint]
        position[:, joint] = position[:, parent] + np.einsum("tij,tj->ti", rotation[:, parent], offset[:, joint])
    return rotation, position


def rest_positions(parents: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return joint positions of the zero pose (J, 3), root at the origin, from offsets (J, 3)."""
    rest = np.zeros_like(offset)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            rest[joint] = rest[parent] + offset[joint]
    return rest
