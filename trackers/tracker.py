"""Identities over time: detections of one frame after the other become tracks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from configs.schema import TrackSettings
from trackers.association import (
    Pairs,
    assign_pairs,
    buffered_overlaps,
    covered_fractions,
    keypoint_similarities,
    row_blocks,
    without_duplicates,
)
from trackers.flip_test import follow_sides
from trackers.kalman import (
    BoxState,
    centre_uncertainty,
    hold_size,
    predict_state,
    start_state,
    state_box,
    update_state,
)
from trackers.types import COCO_KEYPOINTS, Detections, Tracks, identified, no_tracks, select_detections

NO_ID = 0  # of a track that is not shown yet
KEYPOINT_WEIGHT = 0.5  # of the keypoints in the similarity, where all of them are seen and fresh
KEYPOINT_MEMORY_S = 0.5  # a pose seen this long ago counts for 1/e
POSE_SPREAD = 1.5  # limbs move between two frames
SIDES_MEMORY_S = 0.15  # by then the other leg may be where this one was
BUFFER_RATIO = 0.1  # boxes are grown by this share of their size, and more where the position is uncertain
BUFFER_RATIO_MAX = 0.6
UNSEEN_COST = 0.1  # per second: of two tracks that fit alike, the one seen last continues
LOW_COST_MAX = 0.6  # a weak detection must lie well on its track
LOW_UNSEEN_MAX_S = 0.25  # weak detections carry on people in sight, they do not bring back people who were lost
SIZE_RATIO_MAX = 2.0  # between the heights of the two
TENTATIVE_MISSES_MAX = 1


@dataclass(slots=True)
class _Track:
    """One person the tracker knows of."""

    track_id: int
    state: BoxState  # at the time of the last update of the tracker
    box_xyxy: np.ndarray  # (4,) float32, as last seen
    keypoints: np.ndarray  # (17, 3) float32, as last seen
    seen_s: float
    hits: int
    misses: int  # updates since it was last seen


class Tracker:
    """Two-pass association: sure detections first, then weak ones for who is left.

    Its whole state is in `snapshot()`. Identities count from 1 in the order in which people are first shown.
    Source: ByteTrack (arXiv 2110.06864) for the two passes; costs and rules of birth and death are this project's.
    """

    def __init__(self, settings: TrackSettings) -> None:
        self._settings = settings
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._time_s = float("nan")  # before the first frame
        self._frame_index = -1
        self._is_fresh = True  # nobody is known yet: the first frame, or the first after a cut

    def update(self, detections: Detections, time_s: float, frame_index: int) -> Tracks:
        """Return the people of this frame who have an identity, by identity; boxes and keypoints as detected.

        Limbs whose left and right two estimates dispute take the sides of the frame before.

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
        covered = covered_fractions(people.boxes_xyxy)
        self._tracks = [track for track in self._tracks if self._is_alive(track)]
        for track in self._tracks:
            track.state = predict_state(track.state, step_s)
        owners = self._associate(people)
        people = self._with_sides(people, owners)
        for track, row in owners:
            track.state = update_state(
                track.state, people.boxes_xyxy[row], float(people.scores[row]), float(covered[row])
            )
            self._see(track, people, row)
        seen = {id(track) for track, _ in owners}
        for track in self._tracks:
            if id(track) not in seen:
                track.misses += 1
                track.state = hold_size(track.state)
        owners += self._start(people, {row for _, row in owners})
        self._is_fresh = self._is_fresh and not owners
        return self._show(people, owners)

    def end_all(self) -> None:
        """Forget everybody, as at a shot cut. Identities are not used again."""
        self._tracks = []
        self._is_fresh = True

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the whole state as arrays; `restore` continues from it exactly."""
        tracks = self._tracks
        return {
            "next_id": np.array(self._next_id, np.int64),
            "time_s": np.array(self._time_s, np.float64),
            "frame_index": np.array(self._frame_index, np.int64),
            "is_fresh": np.array(self._is_fresh),
            "track_ids": np.array([track.track_id for track in tracks], np.int64),
            "means": np.array([track.state.mean for track in tracks], np.float64).reshape(-1, 8),
            "covariances": np.array([track.state.covariance for track in tracks], np.float64).reshape(-1, 8, 8),
            "boxes_xyxy": np.array([track.box_xyxy for track in tracks], np.float32).reshape(-1, 4),
            "keypoints": np.array([track.keypoints for track in tracks], np.float32).reshape(-1, COCO_KEYPOINTS, 3),
            "seen_s": np.array([track.seen_s for track in tracks], np.float64),
            "hits": np.array([track.hits for track in tracks], np.int64),
            "misses": np.array([track.misses for track in tracks], np.int64),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the state that `snapshot` gave, instead of this tracker's own."""
        self._next_id = int(state["next_id"])
        self._time_s = float(state["time_s"])
        self._frame_index = int(state["frame_index"])
        self._is_fresh = bool(state["is_fresh"])
        self._tracks = [
            _Track(
                track_id=int(state["track_ids"][row]),
                state=BoxState(state["means"][row].copy(), state["covariances"][row].copy()),
                box_xyxy=state["boxes_xyxy"][row].copy(),
                keypoints=state["keypoints"][row].copy(),
                seen_s=float(state["seen_s"][row]),
                hits=int(state["hits"][row]),
                misses=int(state["misses"][row]),
            )
            for row in range(len(state["track_ids"]))
        ]

    def _with_sides(self, people: Detections, owners: list[tuple[_Track, int]]) -> Detections:
        """Return the people with disputed limbs named as in the frame before, where that is not long ago."""
        if people.is_side_disputed is None or not people.is_side_disputed.any():
            return people
        keypoints = people.keypoints.copy()
        for track, row in owners:
            if self._unseen_s(track) <= SIDES_MEMORY_S:
                box = people.boxes_xyxy[row]
                keypoints[row] = follow_sides(
                    keypoints[row], people.is_side_disputed[row], _moved(track, box), (box[2:] - box[:2]).max()
                )
        return replace(people, keypoints=keypoints)

    def _associate(self, people: Detections) -> list[tuple[_Track, int]]:
        is_high = people.scores >= self._settings.score_high
        high, low = np.flatnonzero(is_high), np.flatnonzero(~is_high)
        shown = [track for track in self._tracks if track.track_id != NO_ID]
        cost_max = self._settings.distance_max
        owners = self._match(shown, people, high, cost_max)
        left = _without(shown, owners)
        recent = [track for track in left if self._unseen_s(track) <= LOW_UNSEEN_MAX_S or track.misses == 0]
        owners += self._match(recent, people, low, min(cost_max, LOW_COST_MAX), is_buffered=False)
        taken = {row for _, row in owners}
        free = np.array([row for row in high if row not in taken], np.int64)
        tentative = [track for track in self._tracks if track.track_id == NO_ID]
        return owners + self._match(tentative, people, free, cost_max)

    def _match(
        self,
        tracks: list[_Track],
        people: Detections,
        rows: np.ndarray,
        cost_max: float,
        *,
        is_buffered: bool = True,
    ) -> list[tuple[_Track, int]]:
        if not tracks or not len(rows):
            return []
        pairs = self._pairs(tracks, select_detections(people, rows), cost_max, is_buffered=is_buffered)
        return [(tracks[track], int(rows[column])) for track, column in assign_pairs(pairs, cost_max)]

    def _pairs(self, tracks: list[_Track], people: Detections, cost_max: float, *, is_buffered: bool) -> Pairs:
        """Return who may be who: a cost of 0 is the same place and pose, 1 nothing in common."""
        expected = np.stack([state_box(track.state) for track in tracks])
        found = people.boxes_xyxy.astype(np.float64)
        unseen_s = np.array([self._unseen_s(track) for track in tracks])
        uncertainty = np.array([centre_uncertainty(track.state) for track in tracks])
        buffer = np.minimum(BUFFER_RATIO + uncertainty, BUFFER_RATIO_MAX) * is_buffered
        poses = np.stack([_moved(track, box) for track, box in zip(tracks, expected, strict=True)])
        sides = expected[:, 2:] - expected[:, :2]
        areas, heights = sides[:, 0] * sides[:, 1], np.maximum(found[:, 3] - found[:, 1], 1.0)
        freshness = np.exp(-unseen_s / KEYPOINT_MEMORY_S)
        parts = []
        for block in row_blocks(len(tracks), len(people)):
            overlaps = buffered_overlaps(expected[block], found, buffer[block])
            ratio = sides[block, 1:] / heights[None]
            row, column = np.nonzero((overlaps > 0) & (ratio <= SIZE_RATIO_MAX) & (ratio >= 1 / SIZE_RATIO_MAX))
            overlap, row = overlaps[row, column], row + block.start
            similarity, common_fraction = keypoint_similarities(
                poses[row], people.keypoints[column], areas[row], POSE_SPREAD
            )
            weight = KEYPOINT_WEIGHT * common_fraction * freshness[row]
            costs = 1 - (1 - weight) * overlap - weight * similarity + UNSEEN_COST * unseen_s[row]
            is_possible = costs <= cost_max
            parts.append((row[is_possible], column[is_possible], costs[is_possible]))
        rows, columns, all_costs = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Pairs(rows, columns, all_costs)

    def _start(self, people: Detections, taken: set[int]) -> list[tuple[_Track, int]]:
        born = []
        for row in range(len(people)):
            score = float(people.scores[row])
            if row in taken or score < self._settings.score_new:
                continue
            track = _Track(
                track_id=NO_ID,
                state=start_state(people.boxes_xyxy[row], score),
                box_xyxy=people.boxes_xyxy[row],
                keypoints=people.keypoints[row],
                seen_s=0.0,
                hits=0,
                misses=0,
            )
            self._see(track, people, row)
            self._tracks.append(track)
            born.append((track, row))
        return born

    def _see(self, track: _Track, people: Detections, row: int) -> None:
        track.box_xyxy = people.boxes_xyxy[row].copy()
        track.keypoints = people.keypoints[row].copy()
        track.seen_s = self._time_s
        track.hits += 1
        track.misses = 0
        is_sure = self._is_fresh or people.scores[row] >= self._settings.score_sure
        if track.track_id == NO_ID and (is_sure or track.hits >= self._settings.hits_min):
            track.track_id = self._next_id
            self._next_id += 1

    def _is_alive(self, track: _Track) -> bool:
        if track.track_id == NO_ID and track.misses > TENTATIVE_MISSES_MAX:
            return False
        # Who was seen in the frame before is never given up, however far apart the frames are.
        return track.misses == 0 or self._unseen_s(track) <= self._settings.lost_max_s

    def _unseen_s(self, track: _Track) -> float:
        return self._time_s - track.seen_s

    def _show(self, people: Detections, owners: list[tuple[_Track, int]]) -> Tracks:
        shown = sorted((track.track_id, row) for track, row in owners if track.track_id != NO_ID)
        if not shown:
            return no_tracks()
        ids, rows = zip(*shown, strict=True)
        return identified(select_detections(people, np.array(rows)), np.array(ids))


def _without(tracks: list[_Track], owners: list[tuple[_Track, int]]) -> list[_Track]:
    gone = {id(track) for track, _ in owners}
    return [track for track in tracks if id(track) not in gone]


def _moved(track: _Track, box_xyxy: np.ndarray) -> np.ndarray:
    """Return the last seen keypoints (17, 3), carried from the box they were seen in to the expected one."""
    was_low, was_size = track.box_xyxy[:2], np.maximum(track.box_xyxy[2:] - track.box_xyxy[:2], 1.0)
    size = box_xyxy[2:] - box_xyxy[:2]
    points = (track.keypoints[:, :2] - was_low) / was_size * size + box_xyxy[:2]
    return np.concatenate([points, track.keypoints[:, 2:]], axis=1)
