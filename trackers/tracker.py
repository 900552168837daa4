"""Identities over time: detections of one frame after the other become tracks."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from configs.schema import TrackSettings
from trackers.association import assign_pairs, covered_by, covered_fractions, without_duplicates
from trackers.box_states import (
    BoxStates,
    coasted,
    predict_states,
    replayed,
    start_states,
    state_boxes,
    to_measures,
    update_states,
)
from trackers.costs import COST_EVEN, body_shifts, carried_points, expect, pair_costs
from trackers.flip_test import follow_sides
from trackers.kalman import measure_deviation
from trackers.known import NO_ID, Known, carried, chosen, from_arrays, joined, nobody, to_arrays
from trackers.types import Detections, Tracks, identified, no_tracks, select_detections

SIDES_MEMORY_S = 0.15  # by then the other leg may be where this one was
LOW_DOUBT_MAX = 1.0  # a weak detection must lie well on its track
LOW_UNSEEN_MAX_S = 0.25  # weak detections carry on people in sight, they do not bring back people who were lost
POINT_DEVIATION = 0.05  # heights, of how far keypoints say that a body moved
TENTATIVE_MISSES_MAX = 1
HIDDEN_MIN = 0.4  # share of the expected box that somebody's box covers, from which a person may be hidden there
HIDDEN_LIFE_S, OPEN_LIFE_S = 4.0, 1.2  # in which health falls to 1/e, behind others and in the open
HEALTH_MIN = 0.2
REPLAY_MISSES_MIN = 2  # gaps from which on the way through them is replayed
REPLAY_COVERED_MAX = 0.1  # of the box that somebody returns with: what is cut off would look like motion
APPEARANCE_MEMORY = 0.9  # of a track's appearance, at each new measurement


class Tracker:
    """Two-pass association: sure detections first, then weak ones for who is left.

    Its whole state is in `snapshot()`. Identities count from 1 in the order in which people are first shown.
    Source: ByteTrack (arXiv 2110.06864) for the two passes, OC-SORT (arXiv 2203.14360) for the re-update after a gap;
    costs and rules of birth and death are this project's.
    """

    def __init__(self, settings: TrackSettings) -> None:
        self._settings = settings
        self._known = nobody()
        self._next_id = 1
        self._time_s = float("nan")  # before the first frame
        self._frame_index = -1
        self._is_fresh = True  # nobody is known yet: the first frame, or the first after a cut

    def update(
        self,
        detections: Detections,
        time_s: float,
        frame_index: int,
        *,
        appearance: np.ndarray | None = None,
        motion: np.ndarray | None = None,
    ) -> Tracks:
        """Return the people of this frame who have an identity, by identity; boxes and keypoints as detected.

        Limbs whose left and right two estimates dispute take the sides of the frame before.

        Args:
            appearance: (N, D) one embedding per detection, of any length; NaN rows are not measured.
            motion: (3, 3) homography that takes the background of the frame before to where it is in this one.

        Raises:
            ValueError: the frame does not come after the one before, or appearance is of another size than before.
        """
        if frame_index <= self._frame_index or time_s < self._time_s:
            raise ValueError(
                f"frame {frame_index} at {time_s} s comes after frame {self._frame_index} at {self._time_s} s; "
                "give frames in order"
            )
        step_s = 0.0 if np.isnan(self._time_s) else time_s - self._time_s
        self._time_s, self._frame_index = time_s, frame_index
        people, looks = self._admit(detections, appearance)
        known = chosen(self._known, self._is_alive())
        if motion is not None:
            known = carried(known, motion)
        known.states = predict_states(known.states, step_s)
        self._known = known
        covered = covered_fractions(people.boxes_xyxy)
        tracks, rows = self._associate(people, looks, covered)
        people = self._with_sides(people, tracks, rows)
        self._continue(people, looks, covered, tracks, rows, step_s)
        born = self._start(people, looks, rows)
        tracks = np.concatenate([tracks, np.arange(len(self._known) - len(born), len(self._known))])
        rows = np.concatenate([rows, born])
        self._is_fresh = self._is_fresh and not len(rows)
        return self._show(people, tracks, rows)

    def end_all(self) -> None:
        """Forget everybody, as at a shot cut. Identities are not used again."""
        self._known = nobody(self._known.appearance.shape[1])
        self._is_fresh = True

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the whole state as arrays; `restore` continues from it exactly."""
        return {
            "next_id": np.array(self._next_id, np.int64),
            "time_s": np.array(self._time_s, np.float64),
            "frame_index": np.array(self._frame_index, np.int64),
            "is_fresh": np.array(self._is_fresh),
            **to_arrays(self._known),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the state that `snapshot` gave, instead of this tracker's own."""
        self._next_id = int(state["next_id"])
        self._time_s = float(state["time_s"])
        self._frame_index = int(state["frame_index"])
        self._is_fresh = bool(state["is_fresh"])
        self._known = from_arrays(state)

    def _admit(self, detections: Detections, appearance: np.ndarray | None) -> tuple[Detections, np.ndarray | None]:
        """Return who counts, best first, with their appearances of length 1."""
        kept = np.flatnonzero(detections.scores >= self._settings.score_low)
        people, rows = without_duplicates(select_detections(detections, kept))
        if appearance is None:
            return people, None
        size = self._known.appearance.shape[1]
        if not size:
            size = appearance.shape[1]
            self._known.appearance = np.full((len(self._known), size), np.nan)
        if appearance.shape != (len(detections), size):
            raise ValueError(f"appearance: is of shape {appearance.shape}; give ({len(detections)}, {size})")
        looks = appearance[kept[rows]].astype(np.float64)
        return people, looks / np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-9)

    def _with_sides(self, people: Detections, tracks: np.ndarray, rows: np.ndarray) -> Detections:
        """Return the people with disputed limbs named as in the frame before, where that is not long ago."""
        if people.is_side_disputed is None or not people.is_side_disputed.any():
            return people
        keypoints = people.keypoints.copy()
        known = self._known
        boxes = people.boxes_xyxy[rows].astype(np.float64)
        poses = carried_points(known.keypoints[tracks], to_measures(known.boxes_xyxy[tracks]), to_measures(boxes))
        for track, row, pose, box in zip(tracks, rows, poses, boxes, strict=True):
            if self._time_s - known.seen_s[track] <= SIDES_MEMORY_S:
                keypoints[row] = follow_sides(
                    keypoints[row], people.is_side_disputed[row], pose, (box[2:] - box[:2]).max()
                )
        return replace(people, keypoints=keypoints)

    def _associate(
        self, people: Detections, looks: np.ndarray | None, covered: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which tracks (M,) are which people (M,)."""
        known, settings = self._known, self._settings
        is_high = people.scores >= settings.score_high
        is_shown = known.track_ids != NO_ID
        is_free, is_left = np.ones(len(people), bool), np.ones(len(known), bool)
        unseen_s = self._time_s - known.seen_s
        in_sight = (unseen_s <= LOW_UNSEEN_MAX_S) | (known.misses == 0)
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for who, whom, doubt_max in (
            (is_shown, is_high, settings.doubt_max),
            (is_shown & in_sight, ~is_high, min(settings.doubt_max, LOW_DOUBT_MAX)),
            (~is_shown, is_high, settings.doubt_max),
        ):
            tracks, rows = np.flatnonzero(who & is_left), np.flatnonzero(whom & is_free)
            if not len(tracks) or not len(rows):
                continue
            pairs = pair_costs(
                expect(chosen(known, tracks), self._time_s),
                select_detections(people, rows),
                covered[rows],
                None if looks is None else looks[rows],
                -doubt_max,
            )
            matched = np.array(assign_pairs(pairs, COST_EVEN + doubt_max), np.int64).reshape(-1, 2)
            found.append((tracks[matched[:, 0]], rows[matched[:, 1]]))
            is_left[found[-1][0]], is_free[found[-1][1]] = False, False
        none = np.zeros(0, np.int64)
        return (
            np.concatenate([none, *(tracks for tracks, _ in found)]),
            np.concatenate([none, *(rows for _, rows in found)]),
        )

    def _continue(
        self,
        people: Detections,
        looks: np.ndarray | None,
        covered: np.ndarray,
        tracks: np.ndarray,
        rows: np.ndarray,
        step_s: float,
    ) -> None:
        """Take up who was seen, and let the others go on out of sight."""
        known = self._known
        is_unseen = np.ones(len(known), bool)
        is_unseen[tracks] = False
        states = known.states = coasted(known.states, is_unseen, step_s)
        before = BoxStates(states.means[tracks], states.covariances[tracks])
        deviation = measure_deviation(people.scores[rows].astype(np.float64), covered[rows])
        spread = np.repeat((deviation * np.maximum(before.means[:, 3], 1.0))[:, None], 4, axis=1)
        measured = to_measures(people.boxes_xyxy[rows])
        self._place_by_points(people, tracks, rows, before, measured, spread)
        after = update_states(before, measured, spread)
        states.means[tracks], states.covariances[tracks] = after.means, after.covariances
        is_back = (known.misses[tracks] >= REPLAY_MISSES_MIN) & (known.hits[tracks] > 1)
        for at in np.flatnonzero(is_back & (covered[rows] <= REPLAY_COVERED_MAX)):
            self._replay(states, int(tracks[at]), people, int(rows[at]))
        known.seen_means[tracks] = states.means[tracks]
        known.keypoints[tracks], known.boxes_xyxy[tracks] = people.keypoints[rows], people.boxes_xyxy[rows]
        known.seen_s[tracks] = self._time_s
        known.health *= np.where(
            self._is_hidden(people), np.exp(-step_s / HIDDEN_LIFE_S), np.exp(-step_s / OPEN_LIFE_S)
        )
        known.health[tracks] = 1.0
        known.hits[tracks] += 1
        known.misses += 1
        known.misses[tracks] = 0
        if looks is not None:
            known.appearance[tracks] = _mixed(known.appearance[tracks], looks[rows])
        self._confirm(tracks, people.scores[rows])

    def _place_by_points(
        self,
        people: Detections,
        tracks: np.ndarray,
        rows: np.ndarray,
        before: BoxStates,
        measured: np.ndarray,
        spread: np.ndarray,
    ) -> None:
        """Join to the measured centres (M, 4), and their spread, how far the keypoints moved since last seen.

        Part of a box that is hidden moves its centre, and not the keypoints of the rest.
        """
        known, height = self._known, np.maximum(before.means[:, 3], 1.0)
        poses = carried_points(known.keypoints[tracks], known.seen_means[tracks], before.means)
        shift, sure, _ = body_shifts(poses, people.keypoints[rows], height)
        deviation = (POINT_DEVIATION / np.maximum(sure, 1e-3) * height)[:, None]
        weight = deviation**-2 / (deviation**-2 + spread[:, :2] ** -2)
        moved = before.means[:, :2] + shift * height[:, None]
        measured[:, :2] = weight * moved + (1 - weight) * measured[:, :2]
        spread[:, :2] = (deviation**-2 + spread[:, :2] ** -2) ** -0.5

    def _replay(self, states: BoxStates, track: int, people: Detections, row: int) -> None:
        known = self._known
        mean, covariance = replayed(
            known.seen_means[track],
            people.boxes_xyxy[row].astype(np.float64),
            self._time_s - float(known.seen_s[track]),
            int(known.misses[track]) + 1,
            float(people.scores[row]),
        )
        states.means[track], states.covariances[track] = mean, covariance

    def _start(self, people: Detections, looks: np.ndarray | None, taken: np.ndarray) -> np.ndarray:
        """Begin tracks with who is left, at the end of those known; return their rows."""
        is_new = people.scores >= self._settings.score_new
        is_new[taken] = False
        rows = np.flatnonzero(is_new)
        states = start_states(people.boxes_xyxy[rows], people.scores[rows].astype(np.float64))
        size = self._known.appearance.shape[1]
        new = Known(
            np.full(len(rows), NO_ID, np.int64),
            states,
            states.means.copy(),
            people.boxes_xyxy[rows],
            people.keypoints[rows],
            np.full(len(rows), self._time_s),
            np.ones(len(rows), np.int64),
            np.zeros(len(rows), np.int64),
            np.ones(len(rows)),
            np.full((len(rows), size), np.nan) if looks is None else looks[rows],
        )
        self._known = joined(self._known, new)
        self._confirm(np.arange(len(self._known) - len(rows), len(self._known)), people.scores[rows])
        return rows

    def _confirm(self, tracks: np.ndarray, scores: np.ndarray) -> None:
        """Give an identity to who is sure by now, in the order of `tracks`."""
        known, settings = self._known, self._settings
        is_sure = self._is_fresh | (scores >= settings.score_sure) | (known.hits[tracks] >= settings.hits_min)
        new = tracks[is_sure & (known.track_ids[tracks] == NO_ID)]
        if len(new):
            known.track_ids[new] = self._next_id + np.arange(len(new))
            self._next_id += len(new)

    def _is_alive(self) -> np.ndarray:
        known = self._known
        is_doubtful = (known.track_ids == NO_ID) & (known.misses > TENTATIVE_MISSES_MAX)
        # Who was seen in the frame before is never given up, however far apart the frames are.
        is_recent = (known.misses == 0) | (self._time_s - known.seen_s <= self._settings.lost_max_s)
        is_healthy = (known.misses == 0) | (known.health >= HEALTH_MIN)
        return np.asarray(~is_doubtful & is_recent & is_healthy)

    def _is_hidden(self, people: Detections) -> np.ndarray:
        """Return (N,), whether somebody may be before a track where it is expected."""
        return covered_by(state_boxes(self._known.states), people.boxes_xyxy) >= HIDDEN_MIN

    def _show(self, people: Detections, tracks: np.ndarray, rows: np.ndarray) -> Tracks:
        track_ids = self._known.track_ids[tracks]
        order = np.argsort(track_ids, kind="stable")
        order = order[track_ids[order] != NO_ID]
        if not len(order):
            return no_tracks()
        return identified(select_detections(people, rows[order]), track_ids[order])


def _mixed(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return appearances (M, D) after another measurement, of length 1; NaN rows are not measured."""
    share = np.where(np.isfinite(old), APPEARANCE_MEMORY, 0.0)
    both = share * np.nan_to_num(old) + (1 - share) * new
    both = np.where(np.isfinite(new), both, old)
    return np.asarray(both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-9))
