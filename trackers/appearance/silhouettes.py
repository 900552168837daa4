"""Where the bodies of others cover points of somebody, by their keypoints."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from trackers.types import Detections

KEYPOINT_SCORE_MIN = 0.3
TRUNK = (5, 6, 11, 12)  # shoulders and hips, COCO
# From and to which keypoints limbs go, and their half widths over the length of the trunk, clothes and an error of the
# keypoints with them. "Neck" and "head" are the means of shoulders and of nose, eyes and ears.
NECK, HEAD = 17, 18
LIMBS = (
    *((5, 11, 0.3), (6, 12, 0.3), (5, 12, 0.3), (6, 11, 0.3)),  # trunk
    *((NECK, HEAD, 0.35), (HEAD, HEAD, 0.45)),
    *((5, 7, 0.25), (6, 8, 0.25), (7, 9, 0.25), (8, 10, 0.25)),  # arms
    *((11, 13, 0.3), (12, 14, 0.3), (13, 15, 0.3), (14, 16, 0.3)),  # legs
)
FROM, TO = (np.array([limb[k] for limb in LIMBS], np.int64) for k in (0, 1))
HALF_WIDTHS = np.array([limb[2] for limb in LIMBS])
TRUNK_MIN = 0.2  # of the height of the box: whoever bends towards the camera has a short trunk
HAND_REACH = 1.3  # a forearm goes on beyond the wrist
FARTHER_RATIO = 0.03  # of the height: whose feet are so much higher in the image stands behind
OTHERS_SCORE_MIN = 0.25  # of those who may stand before the person; weaker ones are mostly the person again
SAME_RATIO = 0.55  # IoU from which two boxes are one person, found twice


@dataclass(frozen=True, slots=True)
class Covers(Shaped):
    """Who may stand before whom, and where the bodies of those are."""

    is_before: Annotated[np.ndarray, "N", "M"]  # bool, whether M may stand before N
    boxes_xyxy: Annotated[np.ndarray, "M", 4]  # float64, pixels
    starts: Annotated[np.ndarray, "M", 14, 2]  # float64, pixels: where limbs begin; NaN of whoever has no pose
    ends: Annotated[np.ndarray, "M", 14, 2]
    half_widths: Annotated[np.ndarray, "M", 14]

    def of(self, rows: np.ndarray) -> "Covers":
        """Return what covers some of the people."""
        return Covers(self.is_before[rows], self.boxes_xyxy, self.starts, self.ends, self.half_widths)


def find_covers(people: Detections) -> Covers:
    """Return who of N people may stand before whom.

    Who stands lower in the image is nearer to the camera; whose feet are as high, may be.
    """
    boxes = people.boxes_xyxy.astype(np.float64)
    feet, heights = boxes[:, 3], np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    shared = np.maximum(np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - low, 0).prod(axis=-1)
    areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1)
    is_before = feet[None, :] > (feet - FARTHER_RATIO * heights)[:, None]
    is_before &= (people.scores >= OTHERS_SCORE_MIN)[None, :] & ~np.eye(len(boxes), dtype=bool)
    is_before &= shared < SAME_RATIO * np.maximum(areas[:, None] + areas[None] - shared, 1e-9)
    points = people.keypoints[..., :2].astype(np.float64)
    points = np.concatenate([points, points[:, 5:7].mean(axis=1)[:, None], points[:, :5].mean(axis=1)[:, None]], axis=1)
    trunk = np.linalg.norm(points[:, 5:7].mean(axis=1) - points[:, 11:13].mean(axis=1), axis=1)
    points[(people.keypoints[:, TRUNK, 2] < KEYPOINT_SCORE_MIN).any(axis=1)] = np.nan
    starts, ends = points[:, FROM], points[:, TO]
    ends[:, 8:10] = starts[:, 8:10] + HAND_REACH * (ends[:, 8:10] - starts[:, 8:10])
    half_widths = np.maximum(trunk, TRUNK_MIN * heights)[:, None] * HALF_WIDTHS
    return Covers(is_before, boxes, starts, ends, half_widths)


def covered_points(points: np.ndarray, covers: Covers) -> np.ndarray:
    """Return which points (N, ..., 2) lie in the body of somebody who may stand before their row, (N, ...) bool.

    Who has no pose covers all of the box.
    """
    flat = points.reshape(len(points), -1, 2)
    found = np.zeros(flat.shape[:2], bool)
    low, high = flat.min(axis=1), flat.max(axis=1)
    boxes = covers.boxes_xyxy
    reach = covers.half_widths.max(axis=1, initial=0.0)[:, None]
    is_near = (low[:, None] <= boxes[None, :, 2:] + reach).all(axis=2)
    is_near &= (high[:, None] >= boxes[None, :, :2] - reach).all(axis=2)
    for row, other in np.argwhere(covers.is_before & is_near).tolist():
        if np.isnan(covers.starts[other]).any():
            box = boxes[other]
            found[row] |= ((flat[row] >= box[:2]) & (flat[row] <= box[2:])).all(axis=1)
        else:
            found[row] |= _in_limbs(flat[row], covers.starts[other], covers.ends[other], covers.half_widths[other])
    return found.reshape(points.shape[:-1])


def _in_limbs(points: np.ndarray, starts: np.ndarray, ends: np.ndarray, half_widths: np.ndarray) -> np.ndarray:
    """Return which points (P, 2) are at most a half width from one of the lines (L, 2) to (L, 2), (P,) bool."""
    along = ends - starts
    off = points[:, None] - starts
    share = np.clip((off * along).sum(axis=-1) / np.maximum((along**2).sum(axis=-1), 1e-9), 0.0, 1.0)
    apart = ((off - share[..., None] * along) ** 2).sum(axis=-1)
    return np.asarray((apart <= half_widths**2).any(axis=1))
