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
LOST_SEGMENTS = 5  # without anybody seeing a person, until they are somebody new


@dataclass(frozen=True, slots=True)
class Node:
    """A track of one view within a segment."""

    view: int
    track_id: int
    rows: np.ndarray  # of the view's observations, at most one per frame


@dataclass(slots=True)
class Person:
    """Somebody seen by one or several views."""

    id: int
    nodes: list[Node]

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
    count = len(nodes)
    evidence, weight = np.zeros((count, count)), np.zeros((count, count))
    for one in range(count):
        for other in range(one + 1, count):
            if nodes[one].view == nodes[other].view:
                found, sure = (-np.inf, 1.0) if _are_at_once(views, nodes[one], nodes[other]) else (0.0, 0.0)
            else:
                found, sure = pair_evidence(views, nodes[one], nodes[other])
                before = [owner.get((node.view, node.track_id)) for node in (nodes[one], nodes[other])]
                if sure and before[0] is not None and before[0] == before[1]:
                    found += SAME_TRACKS_BONUS
            evidence[one, other] = evidence[other, one] = found
            weight[one, other] = weight[other, one] = sure
    groups = [[number] for number in range(count)]
    while len(groups) > 1:
        best, pair = 0.0, None
        for one in range(len(groups)):
            for other in range(one + 1, len(groups)):
                between = np.ix_(groups[one], groups[other])
                total = weight[between].sum()
                mean = (evidence[between] * weight[between]).sum() / total if total else -np.inf
                if mean > best:
                    best, pair = mean, (one, other)
        if pair is None:
            break
        groups[pair[0]] += groups.pop(pair[1])
    return [[nodes[number] for number in group] for group in groups]


def _are_at_once(views: Sequence[View], one: Node, other: Node) -> bool:
    """Return whether nodes of one view share a frame; else they may be one person whose number changed."""
    frames = views[one.view].rows.frame_index
    return bool(np.intersect1d(frames[one.rows], frames[other.rows]).size)


def pair_evidence(views: Sequence[View], one: Node, other: Node) -> tuple[float, float]:
    """Return the evidence that nodes of two views are one person, 1 for rays that meet, and how much it counts.

    Source: squared distance over squared scale, as a Gaussian's logarithm; the median over frames.
    """
    first, second = views[one.view], views[other.view]
    frames, mine, yours = np.intersect1d(
        first.rows.frame_index[one.rows], second.rows.frame_index[other.rows], return_indices=True
    )
    if not len(frames):
        return 0.0, 0.0
    step = -(-len(frames) // FRAMES_MAX)
    rows = one.rows[mine[::step]], other.rows[yours[::step]]
    confidence = first.rows.keypoints[rows[0], :, 2] * second.rows.keypoints[rows[1], :, 2]
    distance, is_ahead = ray_distances(first, second, rows[0], rows[1])
    confidence = np.where(np.isfinite(distance), confidence, 0.0)
    seen = (confidence > 0).sum(axis=1) >= JOINTS_MIN
    if not seen.any():
        return 0.0, 0.0
    total = confidence[seen].sum(axis=1)
    mean = (np.nan_to_num(distance[seen]) * confidence[seen]).sum(axis=1) / total
    ahead = (is_ahead[seen] * confidence[seen]).sum(axis=1) / total
    found = np.where(ahead > 0.5, 1.0 - (mean / MEET_M) ** 2, EVIDENCE_MIN)
    return float(np.median(np.maximum(found, EVIDENCE_MIN))), float(min(seen.sum(), 3))


def ray_distances(
    first: View, second: View, rows: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far (T, 17) the rays of each joint pass each other, in metres, and whether before both cameras.

    NaN where a view does not see the joint, or the rays are nearly parallel and meet anywhere.
    """
    one, other = directions(first.camera, first.rays[rows]), directions(second.camera, second.rays[others])
    apart = second.camera.centre_m - first.camera.centre_m
    normal = np.cross(one, other)
    size = np.linalg.norm(normal, axis=-1)
    is_spread = size > 0.05
    safe = np.where(is_spread, size, 1.0)
    distance = np.where(is_spread, np.abs(normal @ apart) / safe, np.nan)
    along_one = np.einsum("tki,tki->tk", np.cross(apart, other), normal) / safe**2
    along_other = np.einsum("tki,tki->tk", np.cross(apart, one), normal) / safe**2
    return distance, (along_one > 0) & (along_other > 0)


def _named(
    groups: Sequence[list[Node]], owner: dict[tuple[int, int], int], known: int
) -> list[tuple[int, list[Node]]]:
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
