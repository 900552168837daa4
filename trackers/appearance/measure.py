"""Who can be looked at in a frame, and by what."""

from typing import Protocol

import numpy as np

from trackers.appearance.silhouettes import KEYPOINT_SCORE_MIN, TRUNK, Covers, find_covers
from trackers.types import Detections, select_detections

SCORE_MIN = 0.4  # of the person
HEIGHT_MIN_PX = 32.0


class LooksMeter(Protocol):
    """Turns people in an image into vectors that are alike where the people look alike."""

    rate_hz: float  # how often it is worth its time

    @property
    def size(self) -> int:
        """Length D of a vector."""
        ...

    def measure(self, image: np.ndarray, people: Detections, covers: Covers) -> np.ndarray:
        """Return vectors (N, D) float32 of people in an image RGB uint8 (H, W, 3); NaN where a part is not seen.

        Args:
            covers: who may stand before each of them.
        """
        ...


def measure_looks(meter: LooksMeter, image: np.ndarray, people: Detections) -> np.ndarray:
    """Return the looks (N, D) float32 of the people of a frame; NaN of whoever cannot be looked at."""
    looks = np.full((len(people), meter.size), np.nan, np.float32)
    rows = np.flatnonzero(_is_measurable(people))
    if len(rows):
        looks[rows] = meter.measure(image, select_detections(people, rows), find_covers(people).of(rows))
    return looks


def _is_measurable(people: Detections) -> np.ndarray:
    """Return who (N,) bool is large and sure enough to be looked at."""
    is_trunk_seen = (people.keypoints[:, TRUNK, 2] >= KEYPOINT_SCORE_MIN).all(axis=1)
    is_large = people.boxes_xyxy[:, 3] - people.boxes_xyxy[:, 1] >= HEIGHT_MIN_PX
    found: np.ndarray = (people.scores >= SCORE_MIN) & is_trunk_seen & is_large
    return found
