"""Who is in a zone from when to when: entries, exits, dwell time, queues."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import shapely

from configs.checks import Shaped
from pipeline.analytics.trajectories import Trajectories


@dataclass(frozen=True, slots=True)
class Visits(Shaped):
    """Stays in one zone, ordered by person and time."""

    person: Annotated[np.ndarray, "V"]  # int64
    start_s: Annotated[np.ndarray, "V"]  # float64, interpolated to the border
    end_s: Annotated[np.ndarray, "V"]  # float64
    has_entered: Annotated[np.ndarray, "V"]  # bool; False: was inside when first seen
    has_left: Annotated[np.ndarray, "V"]  # bool; False: was inside when last seen
    waited_s: Annotated[np.ndarray, "V"]  # float64: of it, slower than `stand_speed`
    probability: Annotated[np.ndarray, "V"]  # of having been inside at its deepest; NaN: not known

    @property
    def dwell_s(self) -> np.ndarray:
        """How long each stay is (V,); at least so long where somebody was inside when first or last seen."""
        return self.end_s - self.start_s


def find_visits(
    people: Trajectories, zone: shapely.Polygon, speed: np.ndarray, stand_speed: float, blink_s: float = 0.5
) -> Visits:
    """Return the stays of everybody in a zone.

    A stay or an absence shorter than `blink_s`, between two of the other, is not counted: somebody who walks along the
    border does not enter ten times.

    Args:
        speed: of each row of the trajectories (R,), m/s.
        stand_speed: slower people wait.
    """
    shapely.prepare(zone)
    inside = shapely.contains_xy(zone, people.xy_m[:, 0], people.xy_m[:, 1])
    border = shapely.boundary(zone)
    depth = shapely.distance(shapely.points(people.xy_m), border) * np.where(inside, 1, -1) if len(inside) else inside
    rows: list[tuple[int, float, float, bool, bool, float, float]] = []
    for person, span in people.spans():
        times, state = people.time_s[span], _without_blinks(inside[span], people.time_s[span], blink_s)
        edges = np.flatnonzero(np.diff(state.astype(np.int8), prepend=0, append=0))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            own = slice(span.start + first, span.start + end)
            start = times[first] if first == 0 else _border_time(people, depth, span.start + first)
            stop = times[end - 1] if end == len(times) else _border_time(people, depth, span.start + end)
            steps = np.diff(people.time_s[own], append=min(stop, people.time_s[own.stop - 1] + 1 / people.rate_hz))
            waited = float(np.sum(np.maximum(steps, 0)[np.nan_to_num(speed[own], nan=np.inf) < stand_speed]))
            chance = _deepest(people, depth, own)
            rows.append((person, float(start), float(stop), first > 0, end < len(times), waited, chance))
    columns = list(zip(*rows, strict=True)) or [()] * 7
    kinds = (np.int64, np.float64, np.float64, bool, bool, np.float64, np.float64)
    return Visits(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def _without_blinks(state: np.ndarray, times: np.ndarray, blink_s: float) -> np.ndarray:
    """Return a state (T,) that changes only where the new one lasts so long, or to the end."""
    state = state.copy()
    edges = [*(np.flatnonzero(np.diff(state.astype(np.int8))) + 1).tolist(), len(state)]
    for first, end in pairwise(edges):
        if end < len(state) and times[end] - times[first] < blink_s:
            state[first:end] = state[first - 1]
    return state


def _border_time(people: Trajectories, depth: np.ndarray, row: int) -> float:
    """Return when the way from the row before to this one meets the border, seconds."""
    before, after = abs(float(depth[row - 1])), abs(float(depth[row]))
    share = before / (before + after) if before + after > 0 else 0.5
    return float(people.time_s[row - 1] + share * (people.time_s[row] - people.time_s[row - 1]))


def _deepest(people: Trajectories, depth: np.ndarray, own: slice) -> float:
    """Return the probability that somebody was inside where they were deepest inside, by the nearest border."""
    if people.covariance_m2 is None:
        return float("nan")
    from scipy.special import ndtr

    sigma = np.sqrt(np.maximum(np.trace(people.covariance_m2[own], axis1=1, axis2=2) / 2, 1e-12))
    return float(ndtr(np.max(depth[own] / sigma)))


def count_waiting(people: Trajectories, zone: shapely.Polygon, speed: np.ndarray, stand_speed: float) -> np.ndarray:
    """Return how many people stand in a zone (F,) for every frame of `people.frame_range`: the length of the queue."""
    frames = people.frame_range
    waits = np.nan_to_num(speed, nan=np.inf) < stand_speed
    waits &= shapely.contains_xy(zone, people.xy_m[:, 0], people.xy_m[:, 1])
    return np.bincount(people.frame[waits] - (frames[0] if len(frames) else 0), minlength=len(frames))
