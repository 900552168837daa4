"""How many seconds apart the clocks of two cameras are, roughly: every lag is tried, and people are matched at each.

At the right lag, the lines of sight of the same joints meet in all frames; at a wrong one they do only where people
stand still.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.capture import Camera
from pipeline.multiview.sight_lines import Lines

STEP_S = 1 / 15
RANGE_S = 10.0  # largest lag that is looked for
SAMPLES_MAX = 450  # instants that are compared: half a minute
TRACKS_MAX = 8  # of a view: the longest
JOINTS_MIN = 4
MEET_RAD = 0.03  # between two lines at which they are as likely of one joint as not: 12 cm at 4 m
DOUBT = 0.25  # weight of what any lag would give, as a share of the largest overlap: little overlap tells little


@dataclass(frozen=True, slots=True)
class LagCurve:
    """How well two cameras agree at each lag: the second one's offset less the first one's."""

    lags_s: np.ndarray  # (L,) evenly spaced
    fit: np.ndarray  # (L,) 0 to 1; the same everywhere where nothing tells the lag

    def at(self, lag_s: np.ndarray) -> np.ndarray:
        """Return the fit at any lags; beyond the range that of the worst."""
        low = float(self.fit.min())
        return np.interp(lag_s, self.lags_s, self.fit, left=low, right=low)

    @property
    def height(self) -> float:
        """How far the best lag stands out."""
        return float(self.fit.max() - np.median(self.fit))


def search_lag(
    cameras: tuple[Camera, Camera], tracks: tuple[Mapping[int, Lines], Mapping[int, Lines]]
) -> LagCurve | None:
    """Return how well the tracks of two cameras agree at each lag; None where there are none to compare."""
    if not all(tracks):
        return None
    chosen = [sorted(each.values(), key=lambda lines: -len(lines.time_s))[:TRACKS_MAX] for each in tracks]
    first = min(lines.time_s[0] for side in chosen for lines in side)
    last = max(lines.time_s[-1] for side in chosen for lines in side)
    count = min(SAMPLES_MAX, int((last - first) / STEP_S) + 1)
    if count < 4:
        return None
    instants = 0.5 * (first + last) + (np.arange(count) - 0.5 * (count - 1)) * STEP_S
    reach = min(round(RANGE_S / STEP_S), count - 3)
    sides = [[lines.at(instants) for lines in side] for side in chosen]
    apart = cameras[1].centre_m - cameras[0].centre_m
    planes = [np.cross(apart, toward) for toward in sides[0]]
    planes = [normal / np.linalg.norm(normal, axis=-1, keepdims=True) for normal in planes]
    shape = (len(planes), len(sides[1]), 2 * reach + 1)
    agreed, compared = np.zeros(shape), np.zeros(shape)
    for row, normals in enumerate(planes):
        for column, toward in enumerate(sides[1]):
            agreed[row, column], compared[row, column] = _by_lag(normals, toward, reach)
    return _curve(agreed, compared, reach)


def _by_lag(normals: np.ndarray, toward: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each lag (L,) how well one track agrees with another, summed over instants, and how many these are.

    Args:
        normals: (T, J, 3) of the planes through both cameras and the joints of the one.
        toward: (T, J, 3) to the joints of the other.
    """
    seen = [np.isfinite(part).all(axis=-1).astype(np.float32) for part in (normals, toward)]
    shared = seen[0] @ seen[1].T  # (T, T) joints that both see
    one, other = (np.nan_to_num(part).astype(np.float32) for part in (normals, toward))
    off = sum(np.abs(one[:, joint] @ other[:, joint].T) for joint in range(one.shape[1]))
    mean = off / np.maximum(shared, 1.0)
    is_told = shared >= JOINTS_MIN
    agreed = np.where(is_told, 1.0 / (1.0 + (mean / MEET_RAD) ** 2), 0.0)
    lags = range(-reach, reach + 1)
    return np.array([agreed.trace(lag) for lag in lags]), np.array([is_told.trace(lag) for lag in lags])


def _curve(agreed: np.ndarray, compared: np.ndarray, reach: int) -> LagCurve | None:
    """Return the curve of two views from their tracks' (P, Q, L); at each lag, everybody is matched once."""
    total, overlap = np.zeros(agreed.shape[2]), np.zeros(agreed.shape[2])
    for lag in range(agreed.shape[2]):
        rows, columns = linear_sum_assignment(-agreed[:, :, lag])
        total[lag], overlap[lag] = agreed[rows, columns, lag].sum(), compared[rows, columns, lag].sum()
    if not overlap.any():
        return None
    usual = float(np.median((total / np.maximum(overlap, 1))[overlap > 0]))
    doubt = DOUBT * overlap.max()
    fit = (total + doubt * usual) / (overlap + doubt)
    return LagCurve(np.arange(-reach, reach + 1) * STEP_S, fit)


def join_lags(count: int, curves: Mapping[tuple[int, int], LagCurve]) -> list[float | None]:
    """Return offsets of cameras that agree best with the curves of all pairs; None for a camera without any.

    The surest pairs place cameras beside each other; then each camera moves to where all its pairs together want it.
    """
    group = list(range(count))
    offsets = np.zeros(count)
    for (one, other), curve in sorted(curves.items(), key=lambda item: -item[1].height):
        if group[one] == group[other]:
            continue
        moved = [camera for camera in range(count) if group[camera] == group[other]]
        lag = float(curve.lags_s[curve.fit.argmax()])
        offsets[moved] += offsets[one] + lag - offsets[other]
        for camera in moved:
            group[camera] = group[one]
    for _ in range(count):
        before = offsets.copy()
        for camera in range(count):
            offsets[camera] = _best_place(camera, offsets, curves)
        if np.array_equal(before, offsets):
            break
    told = {camera for pair in curves for camera in pair}
    return [float(offsets[camera]) if camera in told else None for camera in range(count)]


def _best_place(camera: int, offsets: np.ndarray, curves: Mapping[tuple[int, int], LagCurve]) -> float:
    wanted = [offsets[one] + curve.lags_s for (one, other), curve in curves.items() if other == camera]
    wanted += [offsets[other] - curve.lags_s for (one, other), curve in curves.items() if one == camera]
    if not wanted:
        return float(offsets[camera])
    tried = np.unique(np.concatenate(wanted))
    fit = np.zeros(len(tried))
    for (one, other), curve in curves.items():
        if other == camera:
            fit += curve.at(tried - offsets[one])
        elif one == camera:
            fit += curve.at(offsets[other] - tried)
    best = fit.argmax()
    here = np.abs(tried - offsets[camera]).argmin()
    return float(offsets[camera] if fit[here] >= fit[best] else tried[best])


def choose_pairs(count: int, per_camera: int = 3) -> Sequence[tuple[int, int]]:
    """Return which pairs of cameras are compared: all of few, else so many for each that the number is linear."""
    pairs = {
        (min(one, other), max(one, other))
        for one in range(count)
        for step in range(1, per_camera + 1)
        if (other := (one + step) % count) != one
    }
    return sorted(pairs)
