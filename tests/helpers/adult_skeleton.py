"""A skeleton to move."""

import numpy as np

from dpmesh.training.mocap.skeleton import JOINT_NAMES

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
