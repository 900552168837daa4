"""From the 17 COCO keypoints of a detector to the 30 joints of the network and the 24 joints of the body.

Pelvis and neck are the means of hips and shoulders with the product of their confidences, as in the published test
loader (DPMesh, dataloader/PW3D.py).
"""

import numpy as np

from dpmesh.published_joints import coco17_to_19, convert_joints

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = range(5)
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(5, 11)
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = range(11, 17)

DPMESH30_FROM_COCO = {
    1: LEFT_HIP,
    2: RIGHT_HIP,
    4: LEFT_KNEE,
    5: RIGHT_KNEE,
    7: LEFT_ANKLE,
    8: RIGHT_ANKLE,
    16: LEFT_SHOULDER,
    17: RIGHT_SHOULDER,
    18: LEFT_ELBOW,
    19: RIGHT_ELBOW,
    20: LEFT_WRIST,
    21: RIGHT_WRIST,
    24: NOSE,
    25: LEFT_EYE,
    26: RIGHT_EYE,
    27: LEFT_EAR,
    28: RIGHT_EAR,
}
DPMESH30_PELVIS, DPMESH30_NECK = 0, 12
DPMESH30_GIVEN = (DPMESH30_PELVIS, DPMESH30_NECK, *DPMESH30_FROM_COCO)  # the 19 joints that COCO keypoints determine

MIRRORED_17 = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
MIRRORED_15 = (0, 2, 1, 4, 3, 6, 5, 7, 8, 10, 9, 12, 11, 14, 13)
MIRRORED_24 = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22)
MIRRORED_30 = (*MIRRORED_24, 24, 26, 25, 28, 27, 29)
"""What each COCO keypoint, and each joint of `dpmesh15`, `smpl24` and `dpmesh30`, becomes in a mirror."""

# For each SMPL joint the keypoints that tell whether it was seen; the best of them counts.
SMPL24_SUPPORTING_KEYPOINTS: tuple[tuple[int, ...], ...] = (
    (LEFT_HIP, RIGHT_HIP),  # pelvis
    (LEFT_HIP,),
    (RIGHT_HIP,),
    (LEFT_HIP, RIGHT_HIP),  # spine1
    (LEFT_KNEE,),
    (RIGHT_KNEE,),
    (LEFT_HIP, RIGHT_HIP, LEFT_SHOULDER, RIGHT_SHOULDER),  # spine2
    (LEFT_ANKLE,),
    (RIGHT_ANKLE,),
    (LEFT_SHOULDER, RIGHT_SHOULDER),  # spine3
    (LEFT_ANKLE,),  # left foot
    (RIGHT_ANKLE,),  # right foot
    (LEFT_SHOULDER, RIGHT_SHOULDER),  # neck
    (LEFT_SHOULDER,),  # left collar
    (RIGHT_SHOULDER,),  # right collar
    (NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR),  # head
    (LEFT_SHOULDER,),
    (RIGHT_SHOULDER,),
    (LEFT_ELBOW,),
    (RIGHT_ELBOW,),
    (LEFT_WRIST,),
    (RIGHT_WRIST,),
    (LEFT_WRIST,),  # left hand
    (RIGHT_WRIST,),  # right hand
)


def to_dpmesh30(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (R, 30, 2) in pixels and their confidence (R, 30); joints COCO lacks are 0 with confidence 0.

    Args:
        keypoints: (R, 17, 3) x, y, confidence.
    """
    joints = convert_joints(coco17_to_19(keypoints.astype(np.float32)), "coco19", "smpl30")
    return joints[..., :2], joints[..., 2]


def smpl24_confidence(keypoints: np.ndarray) -> np.ndarray:
    """Return how surely each SMPL joint was seen (R, 24), 0 to 1: the best confidence among its witnesses."""
    return np.stack([keypoints[:, list(seen), 2].max(axis=1) for seen in SMPL24_SUPPORTING_KEYPOINTS], axis=1).astype(
        np.float32
    )


def square_box(keypoints: np.ndarray, boxes_xyxy: np.ndarray, score_min: float, scale: float) -> np.ndarray:
    """Return the square to crop per person, (R, 3): centre x, centre y, side, in pixels of the full image.

    The square is centred on the bounds of the confident keypoints; where fewer than four are confident, on the box.

    Args:
        keypoints: (R, 17, 3) x, y, confidence.
        boxes_xyxy: (R, 4) pixels.
        score_min: keypoints from this confidence on count.
        scale: side of the square over the longer side of the bounds.
    """
    good = keypoints[..., 2] >= score_min
    low = np.where(good[..., None], keypoints[..., :2], np.inf).min(axis=1)
    high = np.where(good[..., None], keypoints[..., :2], -np.inf).max(axis=1)
    enough = (good.sum(axis=1) >= 4)[:, None]
    low, high = np.where(enough, low, boxes_xyxy[:, :2]), np.where(enough, high, boxes_xyxy[:, 2:])
    side = np.maximum((high - low).max(axis=1), 4.0) * scale
    return np.concatenate([0.5 * (low + high), side[:, None]], axis=1).astype(np.float32)
