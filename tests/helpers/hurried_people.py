"""A crowd that asks all of a tracker: people hurry past each other, flicker and fade, and some frames are late."""

from dataclasses import replace

import numpy as np

from trackers.flip_test import SIDE_DOUBT, exchange_sides
from trackers.types import Detections, select_detections

FRAMES = 26
TIMES_S = np.cumsum(np.random.default_rng(4).choice([0.04, 0.08, 0.4, 2.5], FRAMES, p=[0.6, 0.2, 0.1, 0.1]))
CUT = 18  # the frame from which on everybody is somebody else; the first of a chunk of three
COUNT = 7
SIZE = np.array([80.0, 200.0])
LEGS = np.isin(np.arange(17), range(11, 17))


def hurried_people(frame: int) -> Detections:
    """Return the people found in a frame; detectors dispute which leg of some of them is the left one."""
    constant, rng = np.random.default_rng(7), np.random.default_rng(1000 + frame)
    pose, starts = constant.uniform(0.1, 0.9, (17, 2)), constant.uniform(0, 900, COUNT)
    across = (starts + constant.uniform(-500, 500, COUNT) * TIMES_S[frame]) % 900
    low = np.stack([across, 200.0 + 8 * np.arange(COUNT)], axis=1)
    points = low[:, None] + pose * SIZE + rng.normal(0, 6, (COUNT, 17, 2))
    keypoints = np.concatenate([points, np.full((COUNT, 17, 1), 0.9)], axis=2)
    is_disputed = LEGS & (rng.random(COUNT) < 0.4)[:, None]
    for row in np.flatnonzero(rng.random(COUNT) < 0.5):
        keypoints[row] = exchange_sides(keypoints[row], is_disputed[row])
    keypoints[..., 2] *= np.where(is_disputed, SIDE_DOUBT, 1.0)
    people = Detections(
        np.concatenate([low, low + SIZE], axis=1).astype(np.float32),
        rng.uniform(0.15, 0.95, COUNT).astype(np.float32),
        keypoints.astype(np.float32),
        track_ids=np.arange(COUNT) + 30,
    )
    people = replace(people, is_side_disputed=is_disputed)
    return select_detections(people, rng.random(COUNT) > 0.2)
