"""Who belongs together: people who walk together, and people who stand in an F-formation."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.analytics.meetings import Pairs
from pipeline.analytics.trajectories import FrameIndex, Postures, Trajectories

ALIKE_SPEED = 1.0  # m/s: by how much velocities within a walking group differ at most
TOGETHER = 0.7  # share of the time that both are seen in which they walk together
SHADED_RAD = np.pi / 4  # who stands behind a member, seen from the middle within this angle, is not of the formation
PAUSE_S = 1.0  # a group goes on over a shorter change of its members

Partition = list[frozenset[int]]  # the groups of two people or more in one frame, by the people's numbers


@dataclass(frozen=True, slots=True)
class Group:
    """People who belonged together for a while."""

    people: tuple[int, ...]
    start_s: float
    end_s: float


def walking_groups(
    people: Trajectories,
    index: FrameIndex,
    pairs: Pairs,
    velocity: np.ndarray,
    near_m: float,
    slow: float,
    shortest_s: float,
) -> list[Partition]:
    """Return who walks together in each frame of the index.

    Two walk together who, in at least 70 % of the time in which both are seen and one of them walks, are nearer than
    `near_m` with velocities that differ by less than 1 m/s, and for at least `shortest_s`. Groups are what is
    connected by such couples.

    Args:
        pairs: all pairs nearer than `near_m` at least.
        velocity: (R, 2) m/s, NaN where not known.
        slow: slower people stand, m/s.

    Source: the idea of Ge, Collins & Ruback 2012 (PAMI 34, 1003), nearness in place and velocity over time.
    """  # fmt: skip
    speed = np.nan_to_num(np.hypot(velocity[:, 0], velocity[:, 1]))
    near = np.flatnonzero(pairs.distance_m < near_m)
    first_row, second_row = pairs.first[near], pairs.second[near]
    apart = np.linalg.norm(velocity[second_row] - velocity[first_row], axis=1)
    moves = np.maximum(speed[first_row], speed[second_row]) >= slow
    holds = moves & (np.nan_to_num(apart, nan=np.inf) < ALIKE_SPEED)
    numbers = people.people
    place = np.searchsorted(numbers, people.person)
    couples = (place[first_row[holds]], place[second_row[holds]])
    together = coo_matrix((np.ones(len(couples[0])), couples), shape=(len(numbers),) * 2).tocsr()
    kept: set[tuple[int, int]] = set()
    frames_of = {int(person): (people.frame[span], speed[span] >= slow) for person, span in people.spans()}
    step_s = float(np.median(np.diff(index.frames))) / people.rate_hz if len(index.frames) > 1 else 0.0
    for first, second in zip(*together.nonzero(), strict=True):
        one, other = int(numbers[first]), int(numbers[second])
        count = together[first, second]
        if count * step_s >= shortest_s and count >= TOGETHER * _walked(frames_of[one], frames_of[other]):
            kept.add((one, other))
    return [_components([int(each) for each in people.person[rows]], kept) for _, rows in index]


def _walked(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> int:
    """Return in how many frames both are seen and one of them walks."""
    _, here, there = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    return int(np.sum(one[1][here] | other[1][there]))


def _components(present: list[int], couples: set[tuple[int, int]]) -> Partition:
    place = {person: number for number, person in enumerate(present)}
    links = [(place[a], place[b]) for a, b in couples if a in place and b in place]
    if not links:
        return []
    rows, columns = np.array(links, np.int64).T
    _, label = connected_components(
        coo_matrix((np.ones(len(links)), (rows, columns)), shape=(len(present),) * 2), False
    )
    groups = [frozenset(np.array(present)[label == number].tolist()) for number in np.unique(label[rows])]
    return sorted(groups, key=min)


def formations(
    people: Trajectories, index: FrameIndex, postures: Postures, stands: np.ndarray, stride_m: float
) -> list[Partition]:
    """Return the F-formations in each frame of the index.

    Everybody who stands proposes a middle, `stride_m` in front of them; groups are joined as long as that makes
    sum |proposal - middle|^2 / stride^2 + number of groups smaller, and nobody stands in another's way to the middle.
    Energy and visibility are those of GCFF (Setti et al. 2015, PLoS ONE 10, e0123783); it is minimised by joining
    groups greedily, not by graph cuts.

    Args:
        stands: which rows (R,) are of people who do not walk.
    """
    facing = postures.facing_rad
    found = []
    for _, rows in index:
        able = rows[stands[rows] & np.isfinite(facing[rows])]
        ahead = np.stack([np.cos(facing[able]), np.sin(facing[able])], axis=1)
        parts = _joined(people.xy_m[able], people.xy_m[able] + stride_m * ahead, stride_m)
        groups = [frozenset(people.person[able[part]].tolist()) for part in parts if len(part) > 1]
        found.append(sorted(groups, key=min))
    return found


def _joined(xy_m: np.ndarray, proposals: np.ndarray, stride_m: float) -> list[list[int]]:
    """Return the groups of N people as lists of rows, by joining the cheapest two again and again."""
    parts = [[number] for number in range(len(xy_m))]
    while len(parts) > 1:
        middles = np.array([proposals[part].mean(axis=0) for part in parts])
        sizes = np.array([len(part) for part in parts])
        apart = np.sum((middles[:, None] - middles[None]) ** 2, axis=2) / stride_m**2
        cost = apart * (sizes[:, None] * sizes / (sizes[:, None] + sizes))  # rise of the sum of squares (Ward)
        cost[np.tril_indices(len(parts))] = np.inf
        for flat in np.argsort(cost, axis=None).tolist():
            first, second = divmod(flat, len(parts))
            if cost[first, second] >= 1:
                return parts
            both = parts[first] + parts[second]
            if _is_open(xy_m[both], proposals[both].mean(axis=0)):
                parts[first] = both
                del parts[second]
                break
        else:
            return parts
    return parts


def _is_open(xy_m: np.ndarray, middle: np.ndarray) -> bool:
    """Return whether every member sees the middle past the others."""
    ways = xy_m - middle
    angle, far = np.arctan2(ways[:, 1], ways[:, 0]), np.hypot(ways[:, 0], ways[:, 1])
    off = np.abs((angle[:, None] - angle + np.pi) % (2 * np.pi) - np.pi)
    np.fill_diagonal(off, np.pi)
    is_behind = (off < SHADED_RAD) & (far[:, None] > 1.5 * far)
    return not bool(is_behind.any())


def lasting_groups(partitions: list[Partition], times_s: np.ndarray, shortest_s: float) -> list[Group]:
    """Return the groups of the same people over time, joined over pauses of a second, without short ones."""
    open_: dict[frozenset[int], tuple[float, float]] = {}
    done: list[Group] = []

    def close(group: frozenset[int]) -> None:
        start, end = open_.pop(group)
        if end - start >= shortest_s:
            done.append(Group(tuple(sorted(group)), start, end))

    for partition, time in zip(partitions, times_s.tolist(), strict=True):
        for group in [group for group, (_, end) in open_.items() if time - end > PAUSE_S]:
            close(group)
        for group in partition:
            open_[group] = (open_[group][0] if group in open_ else time, time)
    for group in list(open_):
        close(group)
    return sorted(done, key=lambda group: (group.start_s, group.people))


def match_groups(found: Partition, truth: Partition, tolerance: float = 2 / 3) -> tuple[int, int, int]:
    """Return how many groups were found right, how many wrongly, and how many were missed.

    A group G is found if at least ceil(T |G|) of its members are in one found group which holds at most
    floor((1 - T) |G|) others.

    Source: Setti et al. 2015, section 4.3, T = 2/3.
    """
    right = 0
    for group in truth:
        wanted = int(np.ceil(tolerance * len(group) - 1e-9))
        foreign = int(np.floor((1 - tolerance) * len(group) + 1e-9))
        right += any(len(group & each) >= wanted and len(each - group) <= foreign for each in found)
    return right, len(found) - right, len(truth) - right
