"""Identities over time: detections of one frame after the other become tracks."""

from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np

from configs.checks import join_rows
from configs.schema import TrackSettings
from trackers.association import assign_pairs, box_overlaps, covered_fractions, without_duplicates
from trackers.flip_test import follow_sides
from trackers.kalman import (
    hold_sizes,
    measure_deviations,
    predict_states,
    start_states,
    state_boxes,
    update_states,
    warp_states,
)
from trackers.known_people import NO_ID, KnownPeople, no_people
from trackers.match_costs import match_costs
from trackers.types import Detections, Tracks, identified, no_tracks, select_detections

SIDES_MEMORY_S = 0.15  # by then the other leg may be where this one was
LOW_COST_SHARE = 0.73  # of `track.distance_max`: a weak detection must lie well on its track
LOW_UNSEEN_MAX_S = 0.3  # weak detections carry on people in sight, they do not bring back people who were lost
TENTATIVE_MISSES_MAX = 1
ALONE_OVERLAP_MIN, MET_MIN = 0.4, 0.1  # IoU from which two who are left over are one, if no third meets either

Rows = np.ndarray  # (P,) int64


class Tracker:
    """Two-pass association: sure detections first, then weak ones for who is left.

    Its whole state is in `snapshot()`. Identities count from 1 in the order in which people are first shown.
    Source: ByteTrack (arXiv 2110.06864) for the two passes; costs and rules of birth and death are this project's.
    """

    def __init__(self, settings: TrackSettings) -> None:
        self._settings = settings
        self._known = no_people()
        self._next_id = 1
        self._time_s = float("nan")  # before the first frame
        self._frame_index = -1
        self._is_fresh = True  # nobody is known yet: the first frame, or the first after a cut

    def update(
        self, detections: Detections, time_s: float, frame_index: int, motion: np.ndarray | None = None
    ) -> Tracks:
        """Return the people of this frame who have an identity, by identity; boxes and keypoints as detected.

        Limbs whose left and right two estimates dispute take the sides of the frame before.

        Args:
            motion: (3, 3) homography by which the background moved since the frame before; None: it stands still.

        Raises:
            ValueError: the frame does not come after the one before.
        """
        if frame_index <= self._frame_index or time_s < self._time_s:
            raise ValueError(
                f"frame {frame_index} at {time_s} s comes after frame {self._frame_index} at {self._time_s} s; "
                "give frames in order"
            )
        step_s = 0.0 if np.isnan(self._time_s) else time_s - self._time_s
        self._time_s, self._frame_index = time_s, frame_index
        people = without_duplicates(select_detections(detections, detections.scores >= self._settings.score_low))
        deviations = measure_deviations(people.scores, covered_fractions(people.boxes_xyxy))
        self._known = self._expected(step_s, motion)
        who, rows = self._associate(people, deviations)
        people = self._with_sides(people, who, rows)
        self._see(people, deviations, who, rows)
        born = self._start(people, deviations, rows)
        who, rows = np.concatenate([who, born[0]]), np.concatenate([rows, born[1]])
        self._is_fresh = self._is_fresh and not len(who)
        return self._show(people, who, rows)

    def end_all(self) -> None:
        """Forget everybody, as at a shot cut. Identities are not used again."""
        self._known = no_people()
        self._is_fresh = True

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the whole state as arrays; `restore` continues from it exactly."""
        return {
            "next_id": np.array(self._next_id, np.int64),
            "time_s": np.array(self._time_s, np.float64),
            "frame_index": np.array(self._frame_index, np.int64),
            "is_fresh": np.array(self._is_fresh),
        } | {field.name: getattr(self._known, field.name) for field in fields(KnownPeople)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the state that `snapshot` gave, instead of this tracker's own."""
        self._next_id = int(state["next_id"])
        self._time_s = float(state["time_s"])
        self._frame_index = int(state["frame_index"])
        self._is_fresh = bool(state["is_fresh"])
        self._known = KnownPeople(**{field.name: state[field.name].copy() for field in fields(KnownPeople)})

    def _expected(self, step_s: float, motion: np.ndarray | None) -> KnownPeople:
        """Return who is still waited for, where they are expected now."""
        known, settings = self._known, self._settings
        is_alive = (known.track_ids != NO_ID) | (known.misses <= TENTATIVE_MISSES_MAX)
        # Who was seen in the frame before is never given up, however far apart the frames are.
        known = known.take(is_alive & ((known.misses == 0) | (self._unseen_s(known) <= settings.lost_max_s)))
        states = known.states if motion is None else warp_states(known.states, motion)
        states = predict_states(states, step_s)
        return replace(known, means=states.means, covariances=states.covariances)

    def _associate(self, people: Detections, deviations: np.ndarray) -> tuple[Rows, Rows]:
        """Return who goes on, as rows of the known people and rows of the detections."""
        known, cost_max = self._known, self._settings.distance_max
        is_shown, is_high = known.track_ids != NO_ID, people.scores >= self._settings.score_high
        who, rows = self._match(is_shown, people, deviations, is_high, cost_max)
        is_left = is_shown & ((self._unseen_s(known) <= LOW_UNSEEN_MAX_S) | (known.misses == 0))
        is_left[who] = False
        is_over = is_high.copy()
        is_over[rows] = False
        alone = self._match_alone(is_left, people, is_over)
        is_left[alone[0]] = False
        who, rows = np.concatenate([who, alone[0]]), np.concatenate([rows, alone[1]])
        weak = self._match(is_left, people, deviations, ~is_high, LOW_COST_SHARE * cost_max)
        is_free = is_high.copy()
        is_free[rows] = False
        new = self._match(~is_shown, people, deviations, is_free, cost_max)
        return np.concatenate([who, weak[0], new[0]]), np.concatenate([rows, weak[1], new[1]])

    def _match(
        self, is_asked: np.ndarray, people: Detections, deviations: np.ndarray, is_open: np.ndarray, cost_max: float
    ) -> tuple[Rows, Rows]:
        who, rows = np.flatnonzero(is_asked), np.flatnonzero(is_open)
        if not len(who) or not len(rows):
            return who[:0], rows[:0]
        pairs = match_costs(
            self._known.take(who), select_detections(people, rows), deviations[rows], self._time_s, cost_max
        )
        chosen = np.array(assign_pairs(pairs, cost_max), np.int64).reshape(-1, 2)
        return who[chosen[:, 0]], rows[chosen[:, 1]]

    def _match_alone(self, is_asked: np.ndarray, people: Detections, is_open: np.ndarray) -> tuple[Rows, Rows]:
        """Return who is left beside a single detection that is left: near the camera, people outrun their filters."""
        who, rows = np.flatnonzero(is_asked), np.flatnonzero(is_open)
        overlaps = box_overlaps(state_boxes(self._known.states.take(who)), people.boxes_xyxy[rows].astype(np.float64))
        is_met = overlaps > MET_MIN
        is_alone = (is_met.sum(axis=0, keepdims=True) == 1) & (is_met.sum(axis=1, keepdims=True) == 1)
        one, other = np.nonzero(is_alone & (overlaps >= ALONE_OVERLAP_MIN))
        return who[one], rows[other]

    def _with_sides(self, people: Detections, who: Rows, rows: Rows) -> Detections:
        """Return the people with disputed limbs named as in the frame before, where that is not long ago."""
        if people.is_side_disputed is None or not people.is_side_disputed.any():
            return people
        keypoints = people.keypoints.copy()
        is_recent = self._unseen_s(self._known)[who] <= SIDES_MEMORY_S
        who, rows = who[is_recent], rows[is_recent]
        boxes = people.boxes_xyxy[rows]
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        for row, expected, side in zip(rows, self._known.take(who).poses_in(boxes), sides, strict=True):
            keypoints[row] = follow_sides(keypoints[row], people.is_side_disputed[row], expected, side)
        return replace(people, keypoints=keypoints)

    def _see(self, people: Detections, deviations: np.ndarray, who: Rows, rows: Rows) -> None:
        """Take over what was seen of whom."""
        known = self._known
        seen = update_states(known.states.take(who), people.boxes_xyxy[rows], deviations[rows])
        is_missed = np.ones(len(known), bool)
        is_missed[who] = False
        held = hold_sizes(known.states, is_missed)
        held.means[who], held.covariances[who] = seen.means, seen.covariances
        known = known.each(np.copy)
        known.boxes_xyxy[who], known.keypoints[who] = people.boxes_xyxy[rows], people.keypoints[rows]
        known.seen_s[who] = self._time_s
        known.hits[who] += 1
        known.misses[:] = np.where(is_missed, known.misses + 1, 0)
        known.track_ids[who] = self._identities(known.take(who), people.scores[rows])
        self._known = replace(known, means=held.means, covariances=held.covariances)

    def _start(self, people: Detections, deviations: np.ndarray, taken: Rows) -> tuple[Rows, Rows]:
        """Begin to know whoever is seen well and nobody known; return them as `_associate` does."""
        is_new = people.scores >= self._settings.score_new
        is_new[taken] = False
        rows = np.flatnonzero(is_new)
        states = start_states(people.boxes_xyxy[rows], deviations[rows])
        count = np.zeros(len(rows), np.int64)
        new = KnownPeople(
            track_ids=count + NO_ID,
            means=states.means,
            covariances=states.covariances,
            boxes_xyxy=people.boxes_xyxy[rows],
            keypoints=people.keypoints[rows],
            seen_s=np.full(len(rows), self._time_s),
            hits=count + 1,
            misses=count,
        )
        new = replace(new, track_ids=self._identities(new, people.scores[rows]))
        who = len(self._known) + np.arange(len(rows))
        self._known = join_rows([self._known, new])
        return who, rows

    def _identities(self, people: KnownPeople, scores: np.ndarray) -> np.ndarray:
        """Return the identities (N,) of people who were just seen; who has none gets one when it is certain."""
        settings, track_ids = self._settings, people.track_ids.copy()
        is_sure = self._is_fresh | (scores >= settings.score_sure) | (people.hits >= settings.hits_min)
        shown = np.flatnonzero((track_ids == NO_ID) & is_sure)
        track_ids[shown] = self._next_id + np.arange(len(shown))
        self._next_id += len(shown)
        return track_ids

    def _unseen_s(self, people: KnownPeople) -> np.ndarray:
        return np.asarray(self._time_s - people.seen_s)

    def _show(self, people: Detections, who: Rows, rows: Rows) -> Tracks:
        track_ids = self._known.track_ids[who]
        order = np.argsort(track_ids, kind="stable")
        order = order[track_ids[order] != NO_ID]
        if not len(order):
            return no_tracks()
        return identified(select_detections(people, rows[order]), track_ids[order])
