"""How near people come to each other: distances, contacts, who looks at whom."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import ndtr

from configs.checks import Shaped
from pipeline.analytics.trajectories import FrameIndex, Postures, Trajectories

PAIRS_AT_ONCE = 20_000
LEFT_OUT_S = 0.4  # a meeting goes on over a shorter interruption


@dataclass(frozen=True, slots=True)
class Pairs(Shaped):
    """Two people in one frame, near each other; ordered by frame."""

    first: Annotated[np.ndarray, "Q"]  # int32, row of the trajectories, of the smaller number
    second: Annotated[np.ndarray, "Q"]  # int32
    distance_m: Annotated[np.ndarray, "Q"]  # float64
    sigma_m: Annotated[np.ndarray, "Q"]  # float64, along the line between them; NaN: not known


@dataclass(frozen=True, slots=True)
class Episodes(Shaped):
    """What two people did together for a while, ordered by time."""

    first: Annotated[np.ndarray, "E"]  # int64, number of a person
    second: Annotated[np.ndarray, "E"]  # int64
    start_s: Annotated[np.ndarray, "E"]  # float64
    end_s: Annotated[np.ndarray, "E"]  # float64
    nearest_m: Annotated[np.ndarray, "E"]  # float64
    probability: Annotated[np.ndarray, "E"]  # that it happened at all: the highest of its frames; NaN: not known


def find_pairs(people: Trajectories, index: FrameIndex, reach_m: float) -> Pairs:
    """Return all pairs that are nearer than `reach_m`, with the error of their distance to first order."""
    found: list[np.ndarray] = []
    for _, rows in index:
        if len(rows) > 1:
            close = cKDTree(people.xy_m[rows]).query_pairs(reach_m, output_type="ndarray")
            found.append(rows[np.sort(close, axis=1)].astype(np.int32))
    pairs = np.concatenate(found) if found else np.zeros((0, 2), np.int32)
    del found
    first, second = (np.ascontiguousarray(pairs[:, place]) for place in (0, 1))
    distance, sigma = np.zeros(len(first)), np.broadcast_to(np.nan, len(first))
    if people.covariance_m2 is not None:
        sigma = np.zeros(len(first))
    for part in _blocks(len(first)):
        apart = people.xy_m[second[part]] - people.xy_m[first[part]]
        distance[part] = np.hypot(apart[:, 0], apart[:, 1])
        both = people.apart_m2(first[part], second[part])
        if both is not None:
            way = apart / np.maximum(distance[part], 1e-9)[:, None]
            sigma[part] = np.sqrt(np.maximum(np.einsum("ri,rij,rj->r", way, both, way), 0))
    return Pairs(first, second, distance, sigma)


def _blocks(count: int) -> list[slice]:
    return [slice(first, first + PAIRS_AT_ONCE) for first in range(0, count, PAIRS_AT_ONCE)]


def nearest_distances(people: Trajectories, index: FrameIndex) -> np.ndarray:
    """Return each person's distance (R,) to the nearest other one in the frame, metres; NaN where alone."""
    nearest = np.full(len(people.person), np.nan)
    for _, rows in index:
        if len(rows) > 1:
            distances, _ = cKDTree(people.xy_m[rows]).query(people.xy_m[rows], k=2)
            nearest[rows] = np.asarray(distances)[:, 1]
    return nearest


def contact_probability(people: Trajectories, pairs: Pairs, limit_m: float) -> np.ndarray:
    """Return the probability (Q,) that two people are nearer than the limit; NaN where the covariance is not known.

    The difference of their positions is Gaussian with the covariance of `Trajectories.apart_m2`; the mass inside the
    circle is summed over strips along the first principal axis, with 64 nodes of Gauss and Legendre.
    """
    if people.covariance_m2 is None:
        return np.broadcast_to(np.nan, len(pairs.first))
    found = np.zeros(len(pairs.first))
    for part in _blocks(len(found)):
        both = people.apart_m2(pairs.first[part], pairs.second[part])
        if both is not None:
            found[part] = _mass_within(people.xy_m[pairs.second[part]] - people.xy_m[pairs.first[part]], both, limit_m)
    return found


def _mass_within(apart: np.ndarray, both: np.ndarray, limit_m: float) -> np.ndarray:
    """Return the mass (Q,) of Gaussians with means (Q, 2) and covariances (Q, 2, 2) in a circle round the origin."""
    values, vectors = np.linalg.eigh(both)
    sigma = np.sqrt(np.maximum(values, 1e-12))
    mean = np.einsum("rji,rj->ri", vectors, apart)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    # Strips over the part of the circle within six sigma of the mean.
    low = np.clip(mean[:, 0] - 6 * sigma[:, 0], -limit_m, limit_m)
    high = np.clip(mean[:, 0] + 6 * sigma[:, 0], -limit_m, limit_m)
    across = low[:, None] + (high - low)[:, None] * (nodes + 1) / 2
    half = np.sqrt(np.maximum(limit_m**2 - across**2, 0))
    score = (across - mean[:, :1]) / sigma[:, :1]
    height = np.exp(-(score**2) / 2) / (np.sqrt(2 * np.pi) * sigma[:, :1])
    mass = ndtr((half - mean[:, 1:]) / sigma[:, 1:]) - ndtr((-half - mean[:, 1:]) / sigma[:, 1:])
    return np.asarray(np.clip(np.sum(weights * height * mass, axis=1) * (high - low) / 2, 0, 1))


def find_contacts(
    people: Trajectories, pairs: Pairs, probability: np.ndarray, limit_m: float, shortest_s: float
) -> Episodes:
    """Return the contacts: from when to when two people were nearer than the limit, without the short ones."""
    near = pairs.distance_m < limit_m
    return episodes(people, pairs, near, probability, shortest_s)


def is_mutual_gaze(people: Trajectories, postures: Postures, pairs: Pairs, off_rad: float) -> np.ndarray:
    """Return whether each of two people turns the head to the other (Q,), within an angle."""
    apart = people.xy_m[pairs.second] - people.xy_m[pairs.first]
    way = np.arctan2(apart[:, 1], apart[:, 0])
    here = _turned(postures.gaze_rad[pairs.first], way)
    there = _turned(postures.gaze_rad[pairs.second], way + np.pi)
    return (here < off_rad) & (there < off_rad)


def _turned(heading: np.ndarray, way: np.ndarray) -> np.ndarray:
    off = np.abs((heading - way + np.pi) % (2 * np.pi) - np.pi)
    return np.nan_to_num(off, nan=np.inf)


def episodes(
    people: Trajectories, pairs: Pairs, holds: np.ndarray, probability: np.ndarray, shortest_s: float
) -> Episodes:
    """Return the stretches over which something holds for two people, joined over short interruptions.

    Args:
        holds: of each pair (Q,), bool.
        probability: of each pair (Q,).
        shortest_s: shorter ones are left out.
    """
    rows: list[tuple[int, int, float, float, float, float]] = []
    for first, second, own in _by_couple(people, pairs, np.flatnonzero(holds)):
        times = people.time_s[pairs.first[own]]
        step = 1.5 * float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        for part in np.split(np.arange(len(own)), np.flatnonzero(np.diff(times) > max(LEFT_OUT_S, step)) + 1):
            start, end = float(times[part[0]]), float(times[part[-1]])
            if end - start >= shortest_s:
                held = own[part]
                best = float(np.max(probability[held])) if np.isfinite(probability[held]).all() else float("nan")
                rows.append((first, second, start, end, float(pairs.distance_m[held].min()), best))
    rows.sort(key=lambda row: (row[2], row[0], row[1]))
    columns = list(zip(*rows, strict=True)) or [()] * 6
    kinds = (np.int64, np.int64, *(np.float64,) * 4)
    return Episodes(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def _by_couple(people: Trajectories, pairs: Pairs, held: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield the numbers of two people with the pairs of theirs, in order of time."""
    first, second = people.person[pairs.first[held]], people.person[pairs.second[held]]
    order = np.lexsort((people.time_s[pairs.first[held]], second, first))
    fresh = np.flatnonzero((np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)) + 1
    for part in np.split(order, fresh):
        if len(part):
            yield int(first[part[0]]), int(second[part[0]]), held[part]
