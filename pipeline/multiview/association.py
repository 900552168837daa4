"""Who is who in all views: people are told apart in short segments of time, and segments are joined over time.

Within a segment, each track of each view is a node. Two nodes of different views may be one person where the rays of
their joints meet (`pipeline.multiview.evidence`); two that one view sees at once never are. Nodes are joined greedily,
the surest first, by the mean evidence between groups, so a match has to hold with every view of a group. The cost grows
with the square of nodes in a segment and linearly with time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.multiview.evidence import Evidence, pair_evidence
from pipeline.multiview.looks import LooksOfViews
from pipeline.multiview.places import Place, place_of, same_place_score
from pipeline.multiview.views import Node, View
from trackers.linking.evidence import Sample

SEGMENT_S = 0.5
SAME_TRACKS_BONUS = 0.5  # evidence for tracks that were one person in the segment before
TOLD_SHARE = 0.2  # of rows in common that places and looks count, for each unit of their evidence
ROWS_DOUBT = 100  # of somebody at which they count half: who is seen seldom is the likelier to be a ghost
LOST_SEGMENTS = 5  # without anybody seeing a person, until they are somebody new


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


@dataclass(frozen=True, slots=True)
class _Known:
    """Somebody in a segment."""

    look: Sample | None
    first: Place | None  # where they are first seen
    last: Place | None
    row_count: int = 0  # of all views and segments so far


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
    looks = LooksOfViews(views)
    people: list[Person] = []
    last_seen: dict[int, int] = {}
    latest: dict[int, list[Node]] = {}
    known: dict[int, _Known] = {}
    for segment in sorted(segments):
        owner = owners_of(latest, last_seen, segment)
        groups = group_nodes(pair_evidence(views, segments[segment], looks), segments[segment], owner)
        now = [
            _Known(looks.sample_of(group), place_of(views, group), place_of(views, group, is_last=True))
            for group in groups
        ]
        numbers = _named(groups, now, owner, known, looks, len(people), rate_hz)
        for person, group, each in zip(numbers, groups, now, strict=True):
            if person == len(people):
                people.append(Person(person + 1, []))
            people[person].nodes.extend(group)
            before = known[person].row_count if person in known else 0
            known[person] = replace(each, row_count=before + sum(len(node.rows) for node in group))
            last_seen[person], latest[person] = segment, group
    return people


def owners_of(
    latest: Mapping[int, Sequence[Node]], last_seen: Mapping[int, int], segment: int
) -> dict[tuple[int, int], int]:
    """Return whom the tracks of each view belong to before a segment: who had them last, if not too long ago.

    Args:
        latest: the tracks of each person when they were last seen.
        last_seen: in which segment that was.
    """
    people = sorted(latest, key=lambda person: last_seen[person])
    return {
        (node.view, node.track_id): person
        for person in people
        if segment - last_seen[person] <= LOST_SEGMENTS
        for node in latest[person]
    }


def group_nodes(evidence: Evidence, nodes: Sequence[Node], owner: dict[tuple[int, int], int]) -> list[list[Node]]:
    """Return the nodes of a segment in groups, one per person.

    Args:
        owner: whom a view's track was part of in the segment before.
    """
    weight = evidence.weight.copy()
    before = np.array([owner.get((node.view, node.track_id), -1) for node in nodes])
    bonus = np.where((before[:, None] == before) & (before >= 0), SAME_TRACKS_BONUS, 0.0)
    # Sums over the pairs between two groups; a pair that cannot be is -inf in every sum.
    join, choice = (np.where(weight > 0, (told + bonus) * weight, 0.0) for told in (evidence.join, evidence.choice))
    groups = {number: [number] for number in range(len(nodes))}
    upper = np.triu(np.ones_like(weight, bool), 1)
    while len(groups) > 1:
        may_be = upper & (weight > 0) & (join > 0.0)
        if not may_be.any():
            break
        mean = np.where(may_be, choice / np.where(weight > 0, weight, 1.0), -np.inf)
        one, other = np.unravel_index(int(mean.argmax()), mean.shape)
        for sums in (join, choice, weight):
            sums[one] += sums[other]
            sums[:, one] += sums[:, other]
            sums[other] = sums[:, other] = 0.0
        groups[int(one)] += groups.pop(int(other))
    return [[nodes[number] for number in group] for group in groups.values()]


def _named(
    groups: Sequence[list[Node]],
    now: Sequence["_Known"],
    owner: Mapping[tuple[int, int], int],
    before: Mapping[int, "_Known"],
    looks: LooksOfViews,
    count: int,
    rate_hz: float,
) -> list[int]:
    """Return the number of each group's person: those of the segment before by their tracks, else new ones.

    Where tracks of several people went into a group, or one's into several, where people were and what they looked like
    tells those apart.

    Args:
        now: what is known of each group.
        before: what was known of each person when they were last seen.
        count: of the people so far.
    """
    people = sorted(set(owner.values()))
    shared = np.array(
        [
            [sum(len(node.rows) for node in group if owner.get((node.view, node.track_id)) == who) for who in people]
            for group in groups
        ]
    ).reshape(len(groups), len(people))
    told = np.zeros(shared.shape)
    for row, each in enumerate(now):
        told[row] = looks.scores(each.look, [before[who].look for who in people])
        for column in np.flatnonzero(shared[row]):
            told[row, column] += same_place_score(before[people[column]].last, each.first, rate_hz)
    rows = np.array([before[who].row_count for who in people])
    worth = shared * (1.0 + TOLD_SHARE * told) * rows / (rows + ROWS_DOUBT)
    taken = {
        int(row): people[column]
        for row, column in zip(*linear_sum_assignment(-worth), strict=True)
        if worth[row, column] > 0
    }
    numbers = []
    for row in range(len(groups)):
        numbers.append(taken.get(row, count))
        count += row not in taken
    return numbers
