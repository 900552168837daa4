"""The joint sets of the published data loaders and the ways between them, by name as they do it.

Source: github.com/EternalEvan/DPMesh, common/utils/smpl.py (30 joints) and dataloader/ (the sets of each data set).
"""

import numpy as np

from configs.checks import check_shape

SMPL30 = (
    "Pelvis", "L_Hip", "R_Hip", "Torso", "L_Knee", "R_Knee", "Spine", "L_Ankle", "R_Ankle", "Chest", "L_Toe", "R_Toe",
    "Neck", "L_Thorax", "R_Thorax", "Head", "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist",
    "L_Hand", "R_Hand", "Nose", "L_Eye", "R_Eye", "L_Ear", "R_Ear", "Head_top",
)  # fmt: skip
COCO19 = (
    "Nose", "L_Eye", "R_Eye", "L_Ear", "R_Ear", "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist",
    "L_Hip", "R_Hip", "L_Knee", "R_Knee", "L_Ankle", "R_Ankle", "Pelvis", "Neck",
)  # fmt: skip
OPENPOSE19 = (
    "Nose", "Neck", "R_Shoulder", "R_Elbow", "R_Wrist", "L_Shoulder", "L_Elbow", "L_Wrist", "R_Hip", "R_Knee",
    "R_Ankle", "L_Hip", "L_Knee", "L_Ankle", "R_Eye", "L_Eye", "R_Ear", "L_Ear", "Pelvis",
)  # fmt: skip
H36M17 = (
    "Pelvis", "R_Hip", "R_Knee", "R_Ankle", "L_Hip", "L_Knee", "L_Ankle", "Torso", "Neck", "Nose", "Head_top",
    "L_Shoulder", "L_Elbow", "L_Wrist", "R_Shoulder", "R_Elbow", "R_Wrist",
)  # fmt: skip
MUCO21 = (
    "Head_top", "Thorax", "R_Shoulder", "R_Elbow", "R_Wrist", "L_Shoulder", "L_Elbow", "L_Wrist", "R_Hip", "R_Knee",
    "R_Ankle", "L_Hip", "L_Knee", "L_Ankle", "Pelvis", "Spine", "Head", "R_Hand", "L_Hand", "R_Toe", "L_Toe",
)  # fmt: skip
CROWDPOSE15 = (
    "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist", "L_Hip", "R_Hip", "L_Knee", "R_Knee",
    "L_Ankle", "R_Ankle", "Head_top", "Neck", "Pelvis",
)  # fmt: skip
JOINT_SETS: dict[str, tuple[str, ...]] = {
    "smpl30": SMPL30,
    "coco19": COCO19,
    "openpose19": OPENPOSE19,
    "h36m17": H36M17,
    "muco21": MUCO21,
    "crowdpose15": CROWDPOSE15,
}


def convert_joints(joints: np.ndarray, source: str, target: str) -> np.ndarray:
    """Return joints (R, K', C) of one set as another (R, K, C) by name; what the source lacks is 0 in every channel.

    Args:
        joints: (R, K', C), for instance x, y in pixels and a score.
        source: the set they are in, a key of `JOINT_SETS`.
        target: the set wanted.
    """
    names, wanted = JOINT_SETS[source], JOINT_SETS[target]
    rows = check_shape("joints", joints, ("R", len(names), "C"))["R"]
    out = np.zeros((rows, len(wanted), joints.shape[-1]), dtype=joints.dtype)
    shared = [(place, names.index(name)) for place, name in enumerate(wanted) if name in names]
    targets, sources = zip(*shared, strict=True)
    out[:, list(targets)] = joints[:, list(sources)]
    return out


def with_middle(joints: np.ndarray, left: int, right: int) -> np.ndarray:
    """Return joints (R, K + 1, 3), x, y, score, with the middle of two of them appended, scored by their product."""
    middle = 0.5 * (joints[:, left] + joints[:, right])
    middle[:, 2] = joints[:, left, 2] * joints[:, right, 2]
    return np.concatenate([joints, middle[:, None]], axis=1)


def coco17_to_19(joints: np.ndarray) -> np.ndarray:
    """Return COCO joints (R, 17, 3), x, y, score, with pelvis and neck between hips and shoulders, (R, 19, 3)."""
    check_shape("joints", joints, ("R", 17, 3))
    joints = with_middle(joints, COCO19.index("L_Hip"), COCO19.index("R_Hip"))
    return with_middle(joints, COCO19.index("L_Shoulder"), COCO19.index("R_Shoulder"))
