"""The 24 SMPL joints as a skeleton: names, parents, rest positions, forward kinematics."""

import numpy as np

JOINT_NAMES: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
PARENTS: tuple[int, ...] = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
JOINT_COUNT = len(JOINT_NAMES)
JOINT_INDEX: dict[str, int] = {name: index for index, name in enumerate(JOINT_NAMES)}

# Rest positions of an adult of about 1.7 m in the T-pose (Y up, facing +Z, left = +X), pelvis at the origin,
# rounded to a centimetre and made symmetric: only bone directions and the leg length are used.
_CENTRE_M = {
    "pelvis": (0.0, 0.0, 0.0), "spine1": (0.0, 0.11, -0.03), "spine2": (0.0, 0.24, -0.03), "spine3": (0.0, 0.30, 0.0),
    "neck": (0.0, 0.51, -0.04), "head": (0.0, 0.58, 0.01),
}  # fmt: skip
_LEFT_M = {
    "hip": (0.07, -0.09, 0.0), "knee": (0.10, -0.47, 0.0), "ankle": (0.09, -0.87, -0.05), "foot": (0.12, -0.93, 0.07),
    "collar": (0.08, 0.42, -0.03), "shoulder": (0.17, 0.45, -0.04), "elbow": (0.43, 0.44, -0.07),
    "wrist": (0.68, 0.45, -0.07), "hand": (0.77, 0.44, -0.08),
}  # fmt: skip


def rest_joints() -> np.ndarray:
    """Return the rest positions of the joints, (24, 3) float64 metres, pelvis at the origin."""
    rows = []
    for name in JOINT_NAMES:
        side, _, part = name.partition("_")
        if part:
            x, y, z = _LEFT_M[part]
            rows.append((x if side == "left" else -x, y, z))
        else:
            rows.append(_CENTRE_M[name])
    return np.array(rows, dtype=np.float64)


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
