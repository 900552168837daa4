"""From the 17 COCO keypoints of a detector to the 30 joints of the network and the 24 joints of the body.

Pelvis and neck are the means of hips and shoulders with the product of their confidences, as in the published test
loader (DPMesh, dataloader/PW3D.py).
"""

import numpy as np

from configs.checks import check_shape
from configs.skeletons import COCO_NAMES, COCO_OF_30, DPMESH30, SMPL24

DPMESH30_PELVIS, DPMESH30_NECK = DPMESH30.index("pelvis"), DPMESH30.index("neck")
DPMESH30_FROM_COCO = {joint: COCO_OF_30.index(joint) for joint in sorted(COCO_OF_30)}
DPMESH30_GIVEN = (DPMESH30_PELVIS, DPMESH30_NECK, *DPMESH30_FROM_COCO)  # the 19 joints that COCO keypoints determine

_HIPS, _SHOULDERS = (
    (COCO_NAMES.index(f"left_{part}"), COCO_NAMES.index(f"right_{part}")) for part in ("hip", "shoulder")
)
_OF_TRUNK = {
    **{"pelvis": _HIPS, "spine1": _HIPS, "spine2": (*_HIPS, *_SHOULDERS), "spine3": _SHOULDERS, "neck": _SHOULDERS},
    "head": tuple(range(5)),  # nose, eyes, ears
}
_NEAREST = {"foot": "ankle", "collar": "shoulder", "hand": "wrist"}


def _supporting(name: str) -> tuple[int, ...]:
    side, _, part = name.partition("_")
    return _OF_TRUNK.get(name) or (COCO_NAMES.index(f"{side}_{_NEAREST.get(part, part)}"),)


# For each SMPL joint the keypoints that tell whether it was seen; the best of them counts.
SMPL24_SUPPORTING_KEYPOINTS = tuple(_supporting(name) for name in SMPL24)


def to_dpmesh30(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (R, 30, 2) in pixels and their confidence (R, 30); joints COCO lacks are 0 with confidence 0.

    Args:
        keypoints: (R, 17, 3) x, y, confidence.
    """
    check_shape("keypoints", keypoints, ("R", 17, 3))
    keypoints = keypoints.astype(np.float32)
    joints = np.zeros((len(keypoints), len(DPMESH30), 3), np.float32)
    joints[:, COCO_OF_30] = keypoints
    for joint, (left, right) in ((DPMESH30_PELVIS, _HIPS), (DPMESH30_NECK, _SHOULDERS)):
        joints[:, joint] = 0.5 * (keypoints[:, left] + keypoints[:, right])
        joints[:, joint, 2] = keypoints[:, left, 2] * keypoints[:, right, 2]
    return joints[..., :2], joints[..., 2]


def smpl24_confidence(keypoints: np.ndarray) -> np.ndarray:
    """Return the confidence (R, 24) of each SMPL joint, 0 to 1: the highest among its supporting keypoints."""
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
