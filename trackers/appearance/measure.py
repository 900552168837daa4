"""Who can be looked at in a frame, and by what."""

from typing import Protocol

import numpy as np

from trackers.types import Detections, select_detections

SCORE_MIN = 0.4  # of the person
OTHERS_SCORE_MIN = 0.25  # of those who may stand before the person; weaker ones are mostly the person again
HEIGHT_MIN_PX = 32.0
KEYPOINT_SCORE_MIN = 0.3
TRUNK = (5, 6, 11, 12)  # shoulders and hips, COCO
FARTHER_RATIO = 0.03  # of the height: whose feet are so much higher in the image stands behind
SAME_RATIO = 0.7  # IoU from which two boxes are one person, found twice


class LooksMeter(Protocol):
    """Turns people in an image into vectors that are alike where the people look alike."""

    rate_hz: float  # how often it is worth its time

    @property
    def size(self) -> int:
        """Length D of a vector."""
        ...

    def measure(self, image: np.ndarray, people: Detections, covers: np.ndarray) -> np.ndarray:
        """Return vectors (N, D) float32 of people in an image RGB uint8 (H, W, 3); NaN where a part is not seen.

        Args:
            covers: (N, M, 4) boxes of others who may stand before each of them, in pixels; NaN where there are fewer.
        """
        ...


def measure_looks(meter: LooksMeter, image: np.ndarray, people: Detections) -> np.ndarray:
    """Return the looks (N, D) float32 of the people of a frame; NaN of whoever cannot be looked at."""
    looks = np.full((len(people), meter.size), np.nan, np.float32)
    rows = np.flatnonzero(_is_measurable(people))
    if len(rows):
        looks[rows] = meter.measure(image, select_detections(people, rows), find_covers(people)[rows])
    return looks


def _is_measurable(people: Detections) -> np.ndarray:
    """Return who (N,) bool is large and sure enough to be looked at."""
    is_trunk_seen = (people.keypoints[:, TRUNK, 2] >= KEYPOINT_SCORE_MIN).all(axis=1)
    is_large = people.boxes_xyxy[:, 3] - people.boxes_xyxy[:, 1] >= HEIGHT_MIN_PX
    found: np.ndarray = (people.scores >= SCORE_MIN) & is_trunk_seen & is_large
    return found


def find_covers(people: Detections) -> np.ndarray:
    """Return the boxes (N, N, 4) of those who may stand before each of N people; NaN for all others.

    Who stands lower in the image is nearer to the camera; whose feet are as high, may be.
    """
    boxes = people.boxes_xyxy.astype(np.float64)
    feet, heights = boxes[:, 3], np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    is_before = feet[None, :] > (feet - FARTHER_RATIO * heights)[:, None]
    is_before &= (people.scores >= OTHERS_SCORE_MIN)[None, :] & ~np.eye(len(boxes), dtype=bool)
    is_before &= _overlaps(boxes) < SAME_RATIO
    return np.where(is_before[..., None], boxes[None], np.nan)


def covered_points(points: np.ndarray, covers: np.ndarray) -> np.ndarray:
    """Return which points (N, ..., 2) lie in one of the boxes (N, M, 4) of their row, (N, ...) bool."""
    spread = covers.reshape(len(covers), *(1,) * (points.ndim - 2), -1, 4)
    with np.errstate(invalid="ignore"):
        is_in = (points[..., None, :] >= spread[..., :2]) & (points[..., None, :] <= spread[..., 2:])
    return np.asarray(is_in.all(axis=-1).any(axis=-1))


def _overlaps(boxes_xyxy: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes_xyxy[:, None, :2], boxes_xyxy[None, :, :2])
    shared = np.maximum(np.minimum(boxes_xyxy[:, None, 2:], boxes_xyxy[None, :, 2:]) - low, 0).prod(axis=-1)
    areas = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0).prod(axis=1)
    return np.asarray(shared / np.maximum(areas[:, None] + areas[None] - shared, 1e-9))
