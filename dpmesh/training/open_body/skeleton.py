"""SMPL's 24 joints on the source body's rig: where they are, which skin follows them, which vertices give them."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from configs.skeletons import SMPL24

# A joint as a blend of bone starts. SMPL's joints are not anatomical: hips low and close to the middle, collars below
# the collar bones, the head's pivot at the jaw. The shares were chosen so that bones have SMPL's proportions.
CENTRE_JOINTS: dict[str, dict[str, float]] = {
    "pelvis": {"spine05": 0.85, "spine04": 0.15},
    "spine1": {"spine04": 0.45, "spine03": 0.55},
    "spine2": {"spine02": 0.86, "spine01": 0.14},
    "spine3": {"spine02": 0.48, "spine01": 0.52},
    "neck": {"spine01": 0.2, "neck01": 0.8},
    "head": {"neck02": 0.75, "neck03": 0.25},
}
SIDE_JOINTS: dict[str, dict[str, float]] = {
    "hip": {"upperleg01": 0.3, "upperleg02": 0.7},
    "knee": {"lowerleg01": 0.78, "lowerleg02": 0.22},  # the rig bends above the kneecap
    "ankle": {"foot": 1.0},
    "foot": {"foot": 0.15, "toe2-1": 0.45, "toe3-1": 0.4},
    "collar": {"clavicle": 0.12, "shoulder01": 0.63, "spine01": 0.25},
    "shoulder": {"upperarm01": 1.0},
    "elbow": {"lowerarm01": 1.0},
    "wrist": {"wrist": 1.0},
    "hand": {"wrist": 0.25, "finger3-1": 0.75},
}
HIP_INWARD = 0.66  # SMPL's hip joint is at this share of the thigh bone's distance from the middle

SKIN_OF_BONE = {
    "pelvis": "pelvis", "upperleg": "hip", "lowerleg": "knee", "foot": "ankle", "toe": "foot", "breast": "spine3",
    "clavicle": "collar", "shoulder": "collar", "upperarm": "shoulder", "lowerarm": "elbow", "wrist": "wrist",
    "metacarpal": "wrist", "finger1-1": "wrist", "finger": "hand", "neck01": "neck",
}  # fmt: skip
MOST_JOINTS_PER_VERTEX = 5
SPINE_BLEND_M = 0.06  # half the height over which skin passes from one spine joint to the next

RING_VERTICES = 1500
REGRESSOR_MIN = 1e-3


def place_joints(heads: np.ndarray, bone_names: tuple[str, ...]) -> np.ndarray:
    """Return SMPL's joints (..., 24, 3) from bone starts (..., B, 3) of bodies in the T-pose."""

    def blend(bone_weights: dict[str, float], side: str) -> np.ndarray:
        names = {name if name in bone_names else f"{name}.{side}": weight for name, weight in bone_weights.items()}
        return sum(
            (weight * heads[..., bone_names.index(name), :] for name, weight in names.items()),
            np.zeros_like(heads[..., 0, :]),
        )

    joints = []
    for name in SMPL24:
        side, _, part = name.partition("_")
        if name in CENTRE_JOINTS:
            joints.append(blend(CENTRE_JOINTS[name], ""))
        else:
            position = blend(SIDE_JOINTS[part], side[0].upper())
            joints.append(position * [HIP_INWARD, 1.0, 1.0] if part == "hip" else position)
    return np.stack(joints, axis=-2)


def gather_weights(
    source_weights: np.ndarray, bone_names: tuple[str, ...], vertices: np.ndarray, joints: np.ndarray
) -> np.ndarray:
    """Return skinning weights (V, 24) from those of the source's bones (V, B).

    The source's five spine bones start elsewhere than SMPL's three, so what follows them is divided anew by height.

    Args:
        vertices: (V, 3), joints: (24, 3): the mean body in the T-pose.
    """
    weights = np.zeros((len(vertices), len(SMPL24)))
    spine = np.zeros(len(vertices))
    for bone, name in enumerate(bone_names):
        stem, _, side = name.partition(".")
        if stem.startswith("spine") or stem == "root":
            spine += source_weights[:, bone]
        elif stem == "neck02":
            weights[:, SMPL24.index("neck")] += 0.5 * source_weights[:, bone]
            weights[:, SMPL24.index("head")] += 0.5 * source_weights[:, bone]
        else:
            fits = [key for key in SKIN_OF_BONE if stem.startswith(key)]
            part = SKIN_OF_BONE[max(fits, key=len)] if fits else "head"
            if part in ("hip", "knee", "ankle", "foot") or f"left_{part}" in SMPL24:
                part = ("left_" if side == "L" else "right_") + part
            weights[:, SMPL24.index(part)] += source_weights[:, bone]
    above = np.ones(len(vertices))
    for lower, upper in (("pelvis", "spine1"), ("spine1", "spine2"), ("spine2", "spine3")):
        blend_m = min(SPINE_BLEND_M, 0.9 * (joints[SMPL24.index(upper), 1] - joints[SMPL24.index(lower), 1]))
        rise = np.clip(0.5 + (vertices[:, 1] - joints[SMPL24.index(upper), 1]) / (2 * blend_m), 0.0, 1.0)
        weight = above * rise * rise * (3 - 2 * rise)
        weights[:, SMPL24.index(lower)] += spine * (above - weight)
        above = weight
    weights[:, SMPL24.index("spine3")] += spine * above
    least = np.sort(weights, axis=1)[:, -MOST_JOINTS_PER_VERTEX, None]
    weights[weights < least] = 0.0
    return weights / weights.sum(1, keepdims=True)


def fit_regressor(vertices: np.ndarray, joints: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return `J_regressor` (24, V): sparse shares of nearby vertices, at least 0, summing to 1, best over many shapes.

    Args:
        vertices: (S, V, 3), joints: (S, 24, 3): the same symmetric bodies in the T-pose.
        mirror: (V,) the vertex at the other side.
    """
    count = vertices.shape[1]
    regressor = np.zeros((len(SMPL24), count))
    mean_vertices = vertices.mean(0)
    for joint, name in enumerate(SMPL24):
        if name.startswith("right_"):
            regressor[joint] = regressor[joint - 1][mirror]
            continue
        target = joints[:, joint]
        ring = np.argsort(np.linalg.norm(mean_vertices - target.mean(0), axis=1))[:RING_VERTICES]
        heavy = 100.0 * np.sqrt(len(target))
        rows = vertices[:, ring].transpose(0, 2, 1).reshape(-1, len(ring))
        weights, _ = nnls(
            np.concatenate([rows, np.full((1, len(ring)), heavy)]), np.append(target.reshape(-1), heavy), maxiter=5000
        )
        weights[weights < REGRESSOR_MIN] = 0.0
        regressor[joint, ring] = weights / weights.sum()
        if not name.startswith("left_"):
            regressor[joint] = (regressor[joint] + regressor[joint][mirror]) / 2
    return regressor
