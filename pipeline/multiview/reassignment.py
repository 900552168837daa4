"""Rows of a view go to whom they lie nearest, frame by frame.

Association tells tracks apart in half seconds; a track that changes its person for a few frames takes wrong rows along.
Where people are is known better than that from all views over a moment, and one frame's rows are matched with them.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.multiview.association import SEGMENT_S, Person
from pipeline.multiview.triangulation import directions, triangulate
from pipeline.multiview.views import Node, View

TORSO = (5, 6, 11, 12)  # shoulders and hips of COCO-17
NEAR_M = 0.35  # mean distance of the torso's joints from a row's rays up to which the row may be somebody's
KEEP_M = 0.1  # by which somebody else has to be nearer than whom association gave a row to
SAME_M = 0.2  # mean distance of two torsos that are one
FRAMES_AT_ONCE = 512  # bounds memory
MOMENT_S = 0.25  # before and after a frame, over which is told where somebody is


def reassign(views: Sequence[View], people: Sequence[Person], rate_hz: float) -> list[Person]:
    """Return the people with rows moved to whom they belong; who has none left is gone."""
    if not people:
        return []
    people = _without_brief(people, views, rate_hz)
    every = np.concatenate([view.rows.frame_index for view in views])
    frames = np.arange(every.min(), every.max() + 1)
    places = np.stack([_torso(person, views, frames, rate_hz) for person in people])
    rows_of: list[list[np.ndarray]] = [[] for _ in people]
    same = _same(places, [sum(len(node.rows) for node in person.nodes) for person in people])
    for who, other in enumerate(same):
        places[other] = np.where(np.isfinite(places[other]), places[other], places[who])
        if who != other:
            places[who] = np.nan
    for number, view in enumerate(views):
        owner = _owners(people, number, len(view.rows.frame_index))
        owner = _matched(view, np.where(owner >= 0, same[owner], -1), places, int(frames[0]))
        for who in range(len(people)):
            rows_of[who].append(np.flatnonzero(owner == who))
    found: list[Person] = []
    for rows in rows_of:
        nodes = [
            Node(number, int(track), mine[tracks == track])
            for number, mine in enumerate(rows)
            for tracks in [views[number].rows.track_id[mine]]
            for track in np.unique(tracks)
        ]
        if nodes:
            found.append(Person(len(found) + 1, nodes))
    return found


def _without_brief(people: Sequence[Person], views: Sequence[View], rate_hz: float) -> list[Person]:
    """Return the people without those who are there for a segment at most and whose tracks people who last have, too.

    They are several people whose tracks changed over in that moment; their rows are given out anew.
    """
    length = max(1, round(SEGMENT_S * rate_hz))
    is_lasting = [len(frames := person.frames(views)) > 0 and np.ptp(frames) >= length for person in people]
    tracks = {
        (node.view, node.track_id)
        for person, lasts in zip(people, is_lasting, strict=True)
        if lasts
        for node in person.nodes
    }
    return [
        person
        for person, lasts in zip(people, is_lasting, strict=True)
        if lasts or any((node.view, node.track_id) not in tracks for node in person.nodes)
    ]


def _same(places: np.ndarray, row_counts: Sequence[int]) -> np.ndarray:
    """Return for each of the people (P,) who they are: somebody with more rows who is at the same place, or themselves.

    Args:
        places: (P, frames, 4, 3) where everybody's torso is.
        row_counts: how often each of them is seen.
    """
    same = np.arange(len(places))
    order = np.argsort(-np.asarray(row_counts), kind="stable")
    for rank, who in enumerate(order):
        for other in order[:rank]:
            apart = np.linalg.norm(places[who] - places[other], axis=-1).mean(axis=-1)
            if same[other] == other and np.isfinite(apart).any() and np.nanmedian(apart) < SAME_M:
                same[who] = other
                break
    return same


def _owners(people: Sequence[Person], view: int, count: int) -> np.ndarray:
    """Return the place in `people` (R,) of whom each of a view's rows belongs to."""
    owner = np.full(count, -1)
    for who, person in enumerate(people):
        for node in person.nodes:
            if node.view == view:
                owner[node.rows] = who
    return owner


def _torso(person: Person, views: Sequence[View], frames: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return where a torso (T, 4, 3) is at frames (T,), in metres; NaN where fewer than two views tell in a moment."""
    rows = np.stack([person.rows_of(k, frames, view.rows.frame_index) for k, view in enumerate(views)], axis=1)
    starts = range(0, len(frames), FRAMES_AT_ONCE)
    points = np.concatenate([_points(rows[first : first + FRAMES_AT_ONCE], views) for first in starts])
    reach = max(1, round(MOMENT_S * rate_hz))
    padded = np.pad(points, ((reach, reach), (0, 0), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return np.concatenate([_median(windows[first : first + FRAMES_AT_ONCE]) for first in starts])


def _points(rows: np.ndarray, views: Sequence[View]) -> np.ndarray:
    """Return where the torso (T, 4, 3) is that rows (T, V) of the views show."""
    told = [view.at(rows[:, number]) for number, view in enumerate(views)]
    joints = len(rows) * len(TORSO)
    points = triangulate(
        [view.camera for view in views],
        np.stack([rays[:, TORSO] for rays, _ in told], axis=2).reshape(joints, len(views), 2),
        np.stack([weights[:, TORSO] for _, weights in told], axis=2).reshape(joints, len(views)),
    )
    return points.places_m.reshape(len(rows), len(TORSO), 3)


def _median(windows: np.ndarray) -> np.ndarray:
    """Return where somebody is in the middle of windows (T, 4, 3, W); NaN where none of it is known.

    The median of the middles between two places as long before as after: a steady walk does not move it.
    """
    middles = 0.5 * (windows + windows[..., ::-1])
    known = np.isfinite(middles).any(axis=-1)
    return np.where(known, np.nanmedian(np.where(known[..., None], middles, 0.0), axis=-1), np.nan)


def _matched(view: View, owner: np.ndarray, places: np.ndarray, first: int) -> np.ndarray:
    """Return the new owners (R,) of a view's rows; -1 for a row whose owner was given a better one.

    Args:
        owner: (R,) as they are.
        places: (P, frames, 4, 3) where everybody's torso is, from the frame `first` on.
    """
    frame = view.rows.frame_index
    starts = np.flatnonzero(np.diff(frame, prepend=-1))
    cuts = [*starts[::FRAMES_AT_ONCE], len(frame)]  # between frames, so that those of one frame stay together
    blocks = [np.arange(low, high) for low, high in pairwise(cuts)]
    return np.concatenate(
        [np.zeros(0, owner.dtype), *(_matched_rows(view, rows, owner, places, first) for rows in blocks)]
    )


def _matched_rows(view: View, rows: np.ndarray, owner: np.ndarray, places: np.ndarray, first: int) -> np.ndarray:
    """Return the new owners of some rows of a view, the rows of whole frames; the others are those of `_matched`."""
    frame, sure, owner = view.rows.frame_index[rows], view.rows.keypoints[rows][:, TORSO, 2], owner[rows]
    ahead = directions(view.camera, view.rays[rows][:, TORSO])
    toward = places[:, frame - first] - view.camera.centre_m
    beside = np.linalg.norm(np.cross(toward, ahead), axis=-1)
    weight = np.where(np.isfinite(beside) & ((toward * ahead).sum(axis=-1) > 0), sure, 0.0)
    total = weight.sum(axis=-1)
    cost = np.where(total > 0, (np.nan_to_num(beside) * weight).sum(axis=-1) / np.maximum(total, 1e-9), np.inf).T
    worth = NEAR_M - cost
    owned = np.flatnonzero(owner >= 0)
    worth[owned, owner[owned]] += KEEP_M
    worth = np.where(np.isfinite(cost) & (cost < NEAR_M), worth, 0.0)
    new = np.full_like(owner, -1)
    starts = np.flatnonzero(np.diff(frame, prepend=-1))
    for here in np.split(np.arange(len(frame)), starts[1:]):
        pairs = zip(*linear_sum_assignment(-worth[here]), strict=True)
        given = {int(row): int(who) for row, who in pairs if worth[here[row], who] > 0}
        taken = set(given.values())
        for place, row in enumerate(here):
            who = given.get(place, int(owner[row]))
            if place not in given:
                who = -1 if who in taken else who
                taken.add(who)
            new[row] = who
    return new
