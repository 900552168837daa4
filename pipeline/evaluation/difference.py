"""How far two runs of one clip are apart: who is whom, and where their joints are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.motion.posing import Body, joint_positions
from pipeline.types import MotionTrack
from trackers.association import box_overlaps

OVERLAP_MIN = 0.5  # IoU from which two boxes of a frame are one person
FAR_M = 1e-3
PERIOD_S = 1.0  # frames closer than that are told as one period


@dataclass(frozen=True, slots=True)
class Difference:
    """One run of a clip beside another."""

    people: tuple[int, int]
    rows: tuple[int, int]  # observed people, summed over the frames
    same_rows: int  # of the second run, whose person is the one of the first run
    same_people: int  # who have the same rows in both
    times_s: np.ndarray  # (D,) of all frames of people who are in both, rising
    apart_m: np.ndarray  # (D,) how far the joints are apart, on average over the body

    def far_periods(self) -> list[tuple[float, float]]:
        """Return when joints are apart by more than a millimetre, as first and last second."""
        times = self.times_s[self.apart_m > FAR_M]
        ends = np.flatnonzero(np.diff(times) > PERIOD_S)
        firsts, lasts = np.append(0, ends + 1), np.append(ends, len(times) - 1)
        return [(float(times[a]), float(times[b])) for a, b in zip(firsts, lasts, strict=True)] if len(times) else []


def compare_tracks(first: Sequence[MotionTrack], second: Sequence[MotionTrack], body: Body) -> Difference:
    """Return the difference of two runs of one clip; people are paired by the rows that both have, one to one."""
    shared = _shared_rows(first, second)
    rows, columns = linear_sum_assignment(shared, maximize=True)
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    times, apart = [np.zeros(0)], [np.zeros(0)]
    same_people = 0
    for row, column in pairs:
        if not shared[row, column]:
            continue
        one, two = first[row], second[column]
        same_people += int(shared[row, column] == one.is_observed.sum() == two.is_observed.sum())
        _, mine, theirs = np.intersect1d(one.frame_index, two.frame_index, return_indices=True)
        joints = [
            joint_positions(body, track.pose[chosen], track.betas, track.trans[chosen])
            for track, chosen in ((one, mine), (two, theirs))
        ]
        times.append(one.time_s[mine])
        apart.append(np.linalg.norm(joints[0] - joints[1], axis=-1).mean(axis=1))
    order = np.argsort(np.concatenate(times), kind="stable")
    return Difference(
        people=(len(first), len(second)),
        rows=(_row_count(first), _row_count(second)),
        same_rows=int(sum(shared[pair] for pair in pairs)),
        same_people=same_people,
        times_s=np.concatenate(times)[order],
        apart_m=np.concatenate(apart)[order],
    )


def _row_count(tracks: Sequence[MotionTrack]) -> int:
    return int(sum(track.is_observed.sum() for track in tracks))


def _shared_rows(first: Sequence[MotionTrack], second: Sequence[MotionTrack]) -> np.ndarray:
    """Return in how many frames a person of one run and one of the other are the same detection (P, Q)."""
    shared = np.zeros((len(first), len(second)), np.int64)
    frames, people, boxes = zip(*(_by_frame(tracks) for tracks in (first, second)), strict=True)
    for frame in np.intersect1d(frames[0], frames[1]):
        mine, theirs = (slice(*np.searchsorted(each, (frame, frame + 1))) for each in frames)
        overlaps = box_overlaps(boxes[0][mine], boxes[1][theirs])
        rows, columns = linear_sum_assignment(overlaps, maximize=True)
        is_same = overlaps[rows, columns] >= OVERLAP_MIN
        shared[people[0][mine][rows[is_same]], people[1][theirs][columns[is_same]]] += 1
    return shared


def _by_frame(tracks: Sequence[MotionTrack]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return frames (R,), places in `tracks` (R,) and boxes (R, 4) of all observed rows, in order of frames."""
    seen = [np.flatnonzero(track.is_observed) for track in tracks]
    frames = np.concatenate(
        [np.zeros(0, np.int64), *(t.frame_index[rows] for t, rows in zip(tracks, seen, strict=True))]
    )
    people = np.repeat(np.arange(len(tracks)), [len(rows) for rows in seen])
    boxes = np.concatenate([np.zeros((0, 4)), *(t.boxes_xyxy[rows] for t, rows in zip(tracks, seen, strict=True))])
    order = np.argsort(frames, kind="stable")
    return frames[order], people[order], boxes[order]
