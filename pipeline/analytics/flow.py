"""Who goes through a line, which way, and how many by when."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import shapely

from configs.checks import Shaped
from pipeline.analytics.trajectories import BLOCK_ROWS, Trajectories

MOVES = 64  # over which a mean is taken
ON_LINE_M = 1e-5  # a step that ends nearer to the line has not crossed it yet; the next one has (as PedPy)


@dataclass(frozen=True, slots=True)
class Crossings(Shaped):
    """Crossings of one line, ordered by time."""

    person: Annotated[np.ndarray, "K"]  # int64
    frame: Annotated[np.ndarray, "K"]  # int64, the first frame behind the line
    time_s: Annotated[np.ndarray, "K"]  # float64, interpolated to the line itself
    direction: Annotated[
        np.ndarray, "K"
    ]  # int64: +1 from left to right, seen from the line's start to its end; else -1
    speed: Annotated[np.ndarray, "K"]  # float64, over the step that crossed, m/s
    is_in_gap: Annotated[np.ndarray, "K"]  # bool: it happened between two frames with others in between
    probability: Annotated[np.ndarray, "K"]  # that both ends of the step lie on different sides; NaN: not known


def find_crossings(people: Trajectories, line: shapely.LineString) -> Crossings:
    """Return all crossings of a line by everybody, both ways, each as often as it happens.

    A step that ends on the line does not cross; one that begins there does. Somebody who is missing for some frames
    went straight. PedPy's `compute_n_t` counts only the first crossing of each person, and none inside a gap.

    Args:
        line: of two points or more; more are crossed piece by piece.
    """
    same = _steps_near(people, line.bounds)
    steps = shapely.linestrings(np.stack([people.xy_m[same], people.xy_m[same + 1]], axis=1)) if len(same) else same
    shapely.prepare(line)
    hit = same[shapely.intersects(steps, line)] if len(same) else same
    hit = hit[shapely.distance(shapely.points(people.xy_m[hit + 1]), line) >= ON_LINE_M] if len(hit) else hit
    corners = shapely.get_coordinates(line)
    before, after = people.xy_m[hit], people.xy_m[hit + 1]
    share, direction, normal = _where_crossed(before, after, corners)
    times = people.time_s[hit] + share * (people.time_s[hit + 1] - people.time_s[hit])
    lasted = people.time_s[hit + 1] - people.time_s[hit]
    speed = np.linalg.norm(after - before, axis=1) / np.where(lasted > 0, lasted, np.nan)
    probability = np.full(len(hit), np.nan)
    momentary = people.momentary_m2()
    if momentary is not None:
        probability = _side_probability(people, momentary, hit, corners[0], direction[:, None] * normal)
    order = np.argsort(times, kind="stable")
    return Crossings(
        people.person[hit], people.frame[hit + 1], times, direction, speed,
        people.frame[hit + 1] - people.frame[hit] > 1, probability,
    ).take(order)  # fmt: skip


def _steps_near(people: Trajectories, bounds: tuple[float, float, float, float]) -> np.ndarray:
    """Return the rows (K,) from which a person's step to the next row may touch a rectangle."""
    found, low, high = [np.zeros(0, np.int64)], np.array(bounds[:2]), np.array(bounds[2:])
    for first in range(0, len(people.person) - 1, BLOCK_ROWS):
        here, there = (people.xy_m[first + k : first + k + BLOCK_ROWS] for k in (0, 1))
        here, who = here[: len(there)], people.person[first : first + BLOCK_ROWS + 1]
        is_near = (np.minimum(here, there) <= high).all(axis=1) & (np.maximum(here, there) >= low).all(axis=1)
        found.append(first + np.flatnonzero(is_near & (np.diff(who) == 0)))
    return np.concatenate(found)


def _where_crossed(
    before: np.ndarray, after: np.ndarray, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how far along its step (K,) each crossing is, its direction (K,) and the normal (K, 2) of the piece."""
    count = len(before)
    share, direction, normals = np.ones(count), np.zeros(count, np.int64), np.zeros((count, 2))
    best = np.full(count, np.inf)
    for start, end in pairwise(corners):
        way = end - start
        normal = np.array([way[1], -way[0]]) / max(np.hypot(*way), 1e-12)  # to the right of the line
        here, there = (before - start) @ normal, (after - start) @ normal
        with np.errstate(divide="ignore", invalid="ignore"):
            along = np.where(here != there, here / (here - there), 0.0)
        at = ((before + along[:, None] * (after - before)) - start) @ way / max(way @ way, 1e-12)
        off = np.maximum(np.maximum(-at, at - 1), np.maximum(-along, along - 1))  # 0 or less on this piece
        is_nearer = off < best
        best = np.where(is_nearer, off, best)
        share = np.where(is_nearer, np.clip(along, 0, 1), share)
        direction = np.where(is_nearer, np.where(there >= here, 1, -1), direction)
        normals[is_nearer] = normal
    return share, direction, normals


def _side_probability(
    people: Trajectories, momentary_m2: np.ndarray, hit: np.ndarray, origin: np.ndarray, ahead: np.ndarray
) -> np.ndarray:
    """Return the probability (K,) that a person was on one side and came to the other, Gaussian errors.

    Taken where the person was farthest from the line before and after: who turns around right behind it did not
    surely cross. Systematic errors move the whole way; the probability is the mean over moves of equal probability.

    Args:
        ahead: unit vectors (K, 2) across the line, in the direction of the crossing.
    """
    from scipy.special import ndtr, ndtri

    steps = ndtri((np.arange(MOVES) + 0.5) / MOVES)
    found = np.ones(len(hit))
    for number, row in enumerate(hit.tolist()):
        low, high = np.searchsorted(people.person, [people.person[row], people.person[row] + 1])
        own, way, past = slice(int(low), int(high)), ahead[number], row + 1 - low
        variance = np.einsum("i,rij,j->r", way, momentary_m2[own], way)
        side = ((people.xy_m[own] - origin) @ way)[:, None]
        if people.systematic_m is not None:
            moves = np.einsum("i,rik->rk", way, people.systematic_m[own])
            side = side + np.linalg.norm(moves, axis=1)[:, None] * steps
        score = side / np.sqrt(np.maximum(variance, 1e-12))[:, None]
        found[number] = np.mean(ndtr(-score[:past].min(axis=0)) * ndtr(score[past:].max(axis=0)))
    return found


def cumulative(crossings: Crossings, frames: np.ndarray, direction: int | None = None) -> np.ndarray:
    """Return the N-t curve (F,): how many crossings happened up to each frame; a direction, or both ways together."""
    chosen = crossings.frame if direction is None else crossings.frame[crossings.direction == direction]
    return np.searchsorted(np.sort(chosen), frames, side="right")


def first_crossings(crossings: Crossings) -> Crossings:
    """Return each person's first crossing alone, in order of person: what PedPy's N-t curve counts."""
    order = np.lexsort((crossings.frame, crossings.person))
    first = order[np.unique(crossings.person[order], return_index=True)[1]]
    return crossings.take(first)


@dataclass(frozen=True, slots=True)
class FlowWindows(Shaped):
    """Flow in consecutive windows in which somebody crossed."""

    first_frame: Annotated[np.ndarray, "W"]  # int64: the window's first crossing, or the last of the window before
    last_frame: Annotated[np.ndarray, "W"]  # int64, behind its last crossing
    count: Annotated[np.ndarray, "W"]  # int64
    flow: Annotated[np.ndarray, "W"]  # float64, people per second


def flow_windows(curve: np.ndarray, frames: np.ndarray, window_frames: int, rate_hz: float) -> FlowWindows:
    """Return J = N / dt per window, dt from the last crossing of the window before to the last one of this.

    Args:
        curve: N-t curve (F,) of `cumulative`.
        frames: (F,) consecutive.

    Source: the definition of PedPy's `compute_flow`, frame by frame.
    """
    rows: list[tuple[int, int, int, float]] = []
    if len(curve) and curve[-1] > 0:
        before, done = int(frames[np.argmax(curve > 0)]), 0
        for frame in range(before + window_frames, int(frames[-1]), window_frames):
            count = int(curve[frame - frames[0]])
            if count != done:
                last = int(frames[np.searchsorted(curve, count)]) + 1
                rows.append((before, last, count - done, (count - done) / (last - before) * rate_hz))
                before, done = last, count
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    whole = [np.array(column, np.int64) for column in columns[:3]]
    return FlowWindows(whole[0], whole[1], whole[2], np.array(columns[3], np.float64))
