"""How far the lines of sight of two cameras miss each other, as an angle, and who is who among the people they see."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.capture import Camera

MATCH_RAD = 0.12  # mean error above which two tracks are two people, usually: half a metre at 4 m
INSTANTS_MAX = 15  # that matching looks at
SAMPLES_MIN = 12  # of all joints, for a match


@dataclass(frozen=True, slots=True)
class Meeting:
    """Lines of sight of two cameras (..., 3) that should meet; source: the epipolar constraint by Sampson's distance.

    An error of one line alone, across the plane through both cameras, keeps its size.
    """

    miss: np.ndarray  # (...) radians, with a sign
    by_first: np.ndarray  # (..., 3) how it grows as the first camera's line moves
    by_second: np.ndarray  # (..., 3) and the second one's


def meet(cameras: tuple[Camera, Camera], first: np.ndarray, second: np.ndarray) -> Meeting:
    """Return how far lines of sight (..., 3) of two cameras, of length 1, miss each other; NaN where one is."""
    apart = cameras[1].centre_m - cameras[0].centre_m
    apart = apart / np.linalg.norm(apart)
    by_second, by_first = np.cross(apart, first), np.cross(second, apart)
    along = [(line @ apart)[..., None] for line in (first, second)]
    square = (2.0 - along[0] ** 2 - along[1] ** 2).clip(1e-12)  # lines have the length 1
    size = np.sqrt(square)
    miss = (by_second * second).sum(axis=-1, keepdims=True) / size
    # Without the change of the length, noise of a line would be taken for a change of the miss.
    by_first = by_first / size - miss / square * (first - along[0] * apart)
    by_second = by_second / size - miss / square * (second - along[1] * apart)
    return Meeting(miss[..., 0], by_first, by_second)


def miss_of(cameras: tuple[Camera, Camera], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the miss (...) of `meet` alone."""
    apart = cameras[1].centre_m - cameras[0].centre_m
    apart = apart / np.linalg.norm(apart)
    across = np.cross(apart, first)
    square = 2.0 - (first @ apart) ** 2 - (second @ apart) ** 2  # lines have the length 1
    return (across * second).sum(axis=-1) / np.sqrt(square.clip(1e-12))


def match_tracks(
    cameras: tuple[Camera, Camera], first: np.ndarray, second: np.ndarray, gate_rad: float = MATCH_RAD
) -> list[tuple[int, int]]:
    """Return which tracks (P, T, J, 3) and (Q, T, J, 3) of two cameras are the same people, each at most once.

    Args:
        gate_rad: mean error above which two tracks are two people.
    """
    some = slice(None, None, max(1, first.shape[1] // INSTANTS_MAX))
    off = np.abs(miss_of(cameras, first[:, None, some], second[None, :, some]))  # (P, Q, T, J)
    given = np.isfinite(off)
    count = given.sum(axis=(2, 3))
    total = np.where(given, np.minimum(off, 2 * gate_rad), 0.0).sum(axis=(2, 3))
    cost = np.where(count >= SAMPLES_MIN, total / np.maximum(count, 1), 2 * gate_rad)
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(row), int(column)) for row, column in pairs if cost[row, column] < gate_rad]
