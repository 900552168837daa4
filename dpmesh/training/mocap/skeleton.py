"""The 24 SMPL joints as a skeleton: names, parents, forward kinematics."""

import numpy as np

from configs.skeletons import SMPL24, SMPL_PARENTS

JOINT_NAMES, PARENTS = SMPL24, SMPL_PARENTS
JOINT_COUNT = len(JOINT_NAMES)
JOINT_INDEX: dict[str, int] = {name: index for index, name in enumerate(JOINT_NAMES)}


def global_from_local(local: np.ndarray) -> np.ndarray:
    """Chain local rotations down the tree: (..., 24, 3, 3) to (..., 24, 3, 3)."""
    out = np.empty_like(local)
    for joint, parent in enumerate(PARENTS):
        own = local[..., joint, :, :]
        out[..., joint, :, :] = own if parent < 0 else out[..., parent, :, :] @ own
    return out


def local_from_global(world: np.ndarray) -> np.ndarray:
    """Undo `global_from_local`: (..., 24, 3, 3) to (..., 24, 3, 3)."""
    out = world.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            out[..., joint, :, :] = np.swapaxes(world[..., parent, :, :], -1, -2) @ world[..., joint, :, :]
    return out


def joint_positions(world: np.ndarray, rest_m: np.ndarray) -> np.ndarray:
    """Return joint positions (..., 24, 3) in metres, pelvis at the origin.

    Args:
        world: (..., 24, 3, 3) global rotation of every joint.
        rest_m: (24, 3) rest positions.
    """
    out = np.zeros(world.shape[:-1])
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            bone = rest_m[joint] - rest_m[parent]
            out[..., joint, :] = out[..., parent, :] + world[..., parent, :, :] @ bone
    return out
