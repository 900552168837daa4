"""Names, order and mirror of the joint sets, and how each named point follows from SMPL's joints and from vertices.

A point is a joint of the body, a blend of joints, or a landmark: a blend of vertices that belongs to a topology (the
open body's file carries its own; SMPL's are the vertices below).
"""

from collections.abc import Sequence

SMPL24 = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)

COCO17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_outer_hip", "right_outer_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle",
)  # fmt: skip
OPENPOSE25 = (
    "nose", "mid_shoulder", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "mid_outer_hip", "right_outer_hip", "right_knee", "right_ankle", "left_outer_hip", "left_knee",
    "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel",
    "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
DPMESH30 = (*SMPL24, "nose", "left_eye", "right_eye", "left_ear", "right_ear", "head_top")
DPMESH15 = (
    "pelvis", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "neck", "head_top",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
H36M17 = (
    "mid_outer_hip", "right_outer_hip", "right_knee", "right_ankle", "left_outer_hip", "left_knee", "left_ankle",
    "spine2", "neck", "nose", "head_top", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder",
    "right_elbow", "right_wrist",
)  # fmt: skip

JOINT_SETS: dict[str, tuple[str, ...]] = {
    "smpl24": SMPL24,
    "coco17": COCO17,
    "openpose25": OPENPOSE25,
    "dpmesh30": DPMESH30,
    "dpmesh15": DPMESH15,
    "h36m17": H36M17,
}

COCO_NAMES = tuple(name.replace("outer_", "") for name in COCO17)
"""COCO's keypoints as they are called; the hips are those that people mark."""
COCO_OF_30 = tuple(DPMESH30.index(name) for name in COCO_NAMES)


def mirrored(names: Sequence[str]) -> tuple[int, ...]:
    """Return what each of some points becomes mirrored, as places in `names`."""
    sides = {"left": "right", "right": "left"}
    return tuple(names.index("_".join(sides.get(word, word) for word in name.split("_"))) for name in names)


MIRRORED_17, MIRRORED_15, MIRRORED_24, MIRRORED_30 = (mirrored(s) for s in (COCO17, DPMESH15, SMPL24, DPMESH30))

# SMPL's hip joints lie closer together and lower than the hips that people mark in images. The marked hip is taken
# 1.5 times as far from the middle and 0.3 of the way up to the pelvis joint.
JOINT_BLENDS: dict[str, dict[str, float]] = {
    "left_outer_hip": {"left_hip": 1.1, "right_hip": -0.4, "pelvis": 0.3},
    "right_outer_hip": {"right_hip": 1.1, "left_hip": -0.4, "pelvis": 0.3},
    "mid_outer_hip": {"left_hip": 0.35, "right_hip": 0.35, "pelvis": 0.3},
    "mid_shoulder": {"left_shoulder": 0.5, "right_shoulder": 0.5},
}

LANDMARKS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "head_top", "left_big_toe", "left_small_toe",
    "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip

# Vertices of SMPL's 6890. Face: DPMesh's 30-joint regressor; feet: smplx's vertex list for OpenPose; top of the head:
# the vertex in use where the regressor for it is not at hand.
SMPL_LANDMARK_VERTICES: dict[str, int] = {
    "nose": 331,
    "left_eye": 2802,
    "right_eye": 6262,
    "left_ear": 3489,
    "right_ear": 3990,
    "head_top": 411,
    "left_big_toe": 3216,
    "left_small_toe": 3226,
    "left_heel": 3387,
    "right_big_toe": 6617,
    "right_small_toe": 6624,
    "right_heel": 6787,
}
