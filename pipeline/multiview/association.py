"""Who is who in all views: people are told apart in short segments of time, and segments are joined over time.

Within a segment, each track of each view is a node. Two nodes of different views may be one person where the rays of
their joints meet; two that one view sees at once never are. Nodes are joined greedily, the surest first, by the mean
evidence between groups, so a match has to hold with every view of a group. The cost grows with the square of nodes in a
segment and linearly with time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.multiview.triangulation import directions
from pipeline.multiview.views import View

SEGMENT_S = 0.5
MEET_M = 0.15  # distance between rays of a joint at which two people are as likely one as not
EVIDENCE_MIN = -4.0  # of one pair: far apart is no more impossible than that
SAME_TRACKS_BONUS = 0.5  # evidence for tracks that were one person in the segment before
JOINTS_MIN = 4  # both views have to see so many joints in a frame
FRAMES_MAX = 12  # of a segment that are compared
SPREAD_MIN = 0.05  # sine of the angle between two lines of sight that meet somewhere
LOST_SEGMENTS = 5  # without anybody seeing a person, until they are somebody new


@dataclass(frozen=True, slots=True)
class Node:
    """A track of one view within a segment."""

    view: int
    track_id: int
    rows: np.ndarray  # of the view's observations, at most one per frame


@dataclass(frozen=True, slots=True)
class Return:
    """Why somebody who came into view is taken for one who had left it."""

    left_frame: int
    back_frame: int
    gap_s: float
    score: float  # evidence of looks: how much likelier they make one person, as a logarithm


@dataclass(slots=True)
class Person:
    """Somebody seen by one or several views."""

    id: int
    nodes: list[Node]
    returns: tuple[Return, ...] = ()

    def frames(self, views: Sequence[View]) -> np.ndarray:
        """Return the frames (T,) in which any view sees them."""
        return np.unique(np.concatenate([views[node.view].rows.frame_index[node.rows] for node in self.nodes]))

    def rows_of(self, view: int, frames: np.ndarray, frame_index: np.ndarray) -> np.ndarray:
        """Return the row (T,) in a view's observations for each of `frames` (T,); -1 where it did not see them."""
        found = np.full(len(frames), -1)
        for node in self.nodes:
            if node.view == view:
                place = np.searchsorted(frames, frame_index[node.rows])
                found[place] = node.rows
        return found


def associate(views: Sequence[View], rate_hz: float) -> list[Person]:
    """Return the people of a capture, in order of appearance; their ids start at 1.

    Frames of the same number were taken at the same time in all views.
    """
    length = max(1, round(SEGMENT_S * rate_hz))
    segments: dict[int, list[Node]] = {}
    for number, view in enumerate(views):
        rows = view.rows
        keys = np.stack([rows.frame_index // length, rows.track_id])
        for segment, track in np.unique(keys, axis=1).T:
            mine = np.flatnonzero((keys[0] == segment) & (keys[1] == track))
            segments.setdefault(int(segment), []).append(Node(number, int(track), mine))
    people: list[Person] = []
    last_seen: dict[int, int] = {}
    latest: dict[int, list[Node]] = {}
    for segment in sorted(segments):
        owner = {
            (node.view, node.track_id): person
            for person, nodes in latest.items()
            if segment - last_seen[person] <= LOST_SEGMENTS
            for node in nodes
        }
        groups = group_nodes(views, segments[segment], owner)
        for person, group in _named(groups, owner, len(people)):
            if person == len(people):
                people.append(Person(person + 1, []))
            people[person].nodes.extend(group)
            last_seen[person], latest[person] = segment, group
    return people


def group_nodes(views: Sequence[View], nodes: Sequence[Node], owner: dict[tuple[int, int], int]) -> list[list[Node]]:
    """Return the nodes of a segment in groups, one per person.

    Args:
        owner: whom a view's track was part of in the segment before.
    """
    evidence, weight = pair_evidence(views, nodes)
    before = np.array([owner.get((node.view, node.track_id), -1) for node in nodes])
    is_same = (before[:, None] == before) & (before >= 0)
    evidence = np.where(is_same & (weight > 0), evidence + SAME_TRACKS_BONUS, evidence)
    # Sums over the pairs between two groups; a pair that cannot be is -inf in every sum.
    total = np.where(weight > 0, evidence * weight, 0.0)
    groups = {number: [number] for number in range(len(nodes))}
    upper = np.triu(np.ones_like(weight, bool), 1)
    while len(groups) > 1:
        mean = np.where(upper & (weight > 0), total / np.where(weight > 0, weight, 1.0), -np.inf)
        one, other = np.unravel_index(int(mean.argmax()), mean.shape)
        if mean[one, other] <= 0.0:
            break
        for sums in (total, weight):
            sums[one] += sums[other]
            sums[:, one] += sums[:, other]
            sums[other] = sums[:, other] = 0.0
        groups[int(one)] += groups.pop(int(other))
    return [[nodes[number] for number in group] for group in groups.values()]


def pair_evidence(views: Sequence[View], nodes: Sequence[Node]) -> tuple[np.ndarray, np.ndarray]:
    """Return the evidence (N, N) that two nodes are one person, 1 for rays that meet, and how much it counts (N, N).

    Two nodes of one view that share a frame cannot be (-inf); others of one view may be a person whose number changed.

    Source: squared distance over squared scale, as a Gaussian's logarithm; the median over frames.
    """
    count = len(nodes)
    every = np.unique(np.concatenate([views[node.view].rows.frame_index[node.rows] for node in nodes]))
    step = -(-len(every) // FRAMES_MAX)
    lines, sure, is_there = _lines_of(views, nodes, every)
    lines, sure = lines[:, ::step], sure[:, ::step]
    centres = np.array([views[node.view].camera.centre_m for node in nodes])
    view = np.array([node.view for node in nodes])
    is_at_once = (view[:, None] == view) & (is_there.astype(int) @ is_there.T.astype(int) > 0)
    evidence, weight = np.where(is_at_once, -np.inf, 0.0), is_at_once.astype(float)
    for one in range(count - 1):
        others = one + 1 + np.flatnonzero(view[one + 1 :] != view[one])
        if not len(others):
            continue
        found, told = _evidence_with(
            lines[one], lines[others], sure[one] * sure[others], centres[others] - centres[one]
        )
        evidence[one, others] = evidence[others, one] = found
        weight[one, others] = weight[others, one] = told
    return evidence, weight


def _lines_of(views: Sequence[View], nodes: Sequence[Node], frames: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return lines of sight (N, T, 17, 3) in the world, their confidence (N, T, 17), and who is there (N, T)."""
    shape = len(nodes), len(frames), 17
    lines, sure, is_there = np.zeros((*shape, 3)), np.zeros(shape), np.zeros(shape[:2], bool)
    for number, node in enumerate(nodes):
        view = views[node.view]
        at = np.searchsorted(frames, view.rows.frame_index[node.rows])
        toward = directions(view.camera, view.rays[node.rows])
        known = np.isfinite(toward).all(axis=-1)
        lines[number, at] = np.where(known[..., None], toward, 0.0)
        sure[number, at] = np.where(known, view.rows.keypoints[node.rows, :, 2], 0.0)
        is_there[number, at] = True
    return lines, sure, is_there


def _evidence_with(
    line: np.ndarray, others: np.ndarray, sure: np.ndarray, apart_m: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the evidence (M,) that one node is each of M others, and how much it counts (M,).

    Args:
        line: (T, 17, 3) lines of sight; others: (M, T, 17, 3).
        sure: (M, T, 17) the product of both confidences.
        apart_m: (M, 3) from its camera to theirs.
    """
    distance, is_ahead = line_distances(line, others, apart_m[:, None, None])
    sure = np.where(np.isfinite(distance), sure, 0.0)
    seen = (sure > 0).sum(axis=-1) >= JOINTS_MIN
    total = np.where(seen, sure.sum(axis=-1), 1.0)
    mean = (np.nan_to_num(distance) * sure).sum(axis=-1) / total
    ahead = (is_ahead * sure).sum(axis=-1) / total
    found = np.where(ahead > 0.5, np.maximum(1.0 - (mean / MEET_M) ** 2, EVIDENCE_MIN), EVIDENCE_MIN)
    told = np.minimum(seen.sum(axis=-1), 3).astype(float)
    ordered = np.sort(np.where(seen, found, np.inf), axis=-1)  # those that are not seen come last
    last = np.maximum(seen.sum(axis=-1) - 1, 0)
    middles = (np.take_along_axis(ordered, index[:, None], axis=-1)[:, 0] for index in (last // 2, (last + 1) // 2))
    return np.where(told > 0, 0.5 * sum(middles), 0.0), told


def line_distances(line: np.ndarray, others: np.ndarray, apart_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far lines of sight (..., 3) pass each other, in metres, and whether before both cameras.

    NaN where they are nearly parallel and meet anywhere.

    Args:
        apart_m: (..., 3) from the first camera to the other.
    """
    normal = np.cross(line, others)
    squared = (normal**2).sum(axis=-1)
    is_spread = squared > SPREAD_MIN**2
    safe = np.where(is_spread, squared, 1.0)
    distance = np.where(is_spread, np.abs((normal * apart_m).sum(axis=-1)) / np.sqrt(safe), np.nan)
    along_one = (np.cross(apart_m, others) * normal).sum(axis=-1)
    along_other = (np.cross(apart_m, line) * normal).sum(axis=-1)
    return distance, (along_one > 0) & (along_other > 0)


def _named(groups: Sequence[list[Node]], owner: dict[tuple[int, int], int], known: int) -> list[tuple[int, list[Node]]]:
    """Return each group with the number of its person: those of the segment before by their tracks, else new ones."""
    people = sorted(set(owner.values()))
    worth = np.zeros((len(groups), len(people)))
    for row, group in enumerate(groups):
        for node in group:
            person = owner.get((node.view, node.track_id))
            if person is not None:
                worth[row, people.index(person)] += len(node.rows)
    taken = {
        int(row): people[column]
        for row, column in zip(*linear_sum_assignment(-worth), strict=True)
        if worth[row, column] > 0
    }
    named = []
    for row, group in enumerate(groups):
        person = taken.get(row, known)
        known += row not in taken
        named.append((person, group))
    return named
