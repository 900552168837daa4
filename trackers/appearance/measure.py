"""Who can be looked at in a frame, and by what."""

from typing import Protocol

import numpy as np

from trackers.association import covered_fractions
from trackers.types import Detections

COVERED_MAX = 0.1  # share of the box that another one covers
SCORE_MIN = 0.4  # of the person
OTHERS_SCORE_MIN = 0.25  # of those who may stand before the person; weaker ones are mostly the person again
HEIGHT_MIN_PX = 32.0
KEYPOINT_SCORE_MIN = 0.3
TRUNK = (5, 6, 11, 12)  # shoulders and hips, COCO


class LooksMeter(Protocol):
    """Turns people in an image into vectors that are alike where the people look alike."""

    rate_hz: float  # how often it is worth its time

    @property
    def size(self) -> int:
        """Length D of a vector."""
        ...

    def measure(self, image: np.ndarray, boxes_xyxy: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
        """Return vectors (N, D) float32 of people in an image RGB uint8 (H, W, 3); NaN where a part is not seen."""
        ...


def find_clear(people: Detections) -> np.ndarray:
    """Return who of N people (N,) bool stands clear of the others, large and sure enough to be looked at."""
    boxes = people.boxes_xyxy
    is_other = people.scores >= OTHERS_SCORE_MIN
    covered = np.ones(len(people))
    covered[is_other] = covered_fractions(boxes[is_other])
    is_trunk_seen = (people.keypoints[:, TRUNK, 2] >= KEYPOINT_SCORE_MIN).all(axis=1)
    is_large = boxes[:, 3] - boxes[:, 1] >= HEIGHT_MIN_PX
    clear: np.ndarray = (covered <= COVERED_MAX) & (people.scores >= SCORE_MIN) & is_trunk_seen & is_large
    return clear


def measure_looks(meter: LooksMeter, image: np.ndarray, people: Detections) -> np.ndarray:
    """Return the looks (N, D) float32 of the people of a frame; NaN of whoever is not clear of others."""
    looks = np.full((len(people), meter.size), np.nan, np.float32)
    clear = np.flatnonzero(find_clear(people))
    if len(clear):
        looks[clear] = meter.measure(image, people.boxes_xyxy[clear], people.keypoints[clear])
    return looks
