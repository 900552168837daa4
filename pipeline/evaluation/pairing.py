"""Which body of a run stands for which person of a reference, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.types import MotionTrack
from trackers.association import box_overlaps

OVERLAP_MIN = 0.25  # IoU of the boxes around the projected joints from which a body may stand for a person
KEEP_BONUS = 0.2  # of IoU, for staying with the track of the frame before: crossing people are not swapped


@dataclass(frozen=True, slots=True)
class Pair:
    """Row `row` of track number `track` stands for a person in a frame."""

    frame: int
    track: int
    row: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """Who stands for whom, and the bodies that stand for nobody, counted over the frames."""

    pairs: list[list[Pair]]  # of each person, in order of frames
    extra: int


def pair_people(
    tracks: Sequence[MotionTrack],
    joints: Sequence[np.ndarray],
    true_boxes: np.ndarray,
    *,
    is_filled_left_out: bool = False,
    is_first: np.ndarray | None = None,
) -> Pairing:
    """Assign bodies one to one to people, by the overlap of the boxes around their projected joints.

    Args:
        tracks: the motion of a run.
        joints: their joints (rows, J, 3) in camera axes, metres.
        true_boxes: (P, T, 4) boxes of the people, pixels; NaN where somebody is not in front of the camera.
        is_filled_left_out: only rows that were seen stand for somebody.
        is_first: (P, T) who is assigned before all others, who share the bodies that are left; None = everybody.
    """
    people, frames = true_boxes.shape[:2]
    present = _rows_by_frame(tracks, frames, is_filled_left_out)
    boxes = [
        joint_boxes(project_rows(points, track.focal_px, track.principal_px))
        for points, track in zip(joints, tracks, strict=True)
    ]
    holder = np.full(people, -1)  # which track stood for the person last
    pairs: list[list[Pair]] = [[] for _ in range(people)]
    extra = 0
    for frame, rows in enumerate(present):
        here = np.array([boxes[number][row] for number, row in rows]).reshape(-1, 4)
        overlap = box_overlaps(true_boxes[:, frame], here)
        kept = np.array([[holder[p] == number for number, _ in rows] for p in range(people)], bool)
        bonus = KEEP_BONUS * kept.reshape(overlap.shape)
        if is_first is None:
            chosen = assign_boxes(overlap, bonus)
        else:
            first = is_first[:, frame, None]
            chosen = assign_boxes(np.where(first, overlap, 0.0), bonus)
            is_left = ~np.isin(np.arange(len(rows)), [column for _, column in chosen])
            chosen += assign_boxes(np.where(~first & is_left, overlap, 0.0), bonus)
        extra += len(rows) - len(chosen)
        for person, column in chosen:
            number, row = rows[column]
            holder[person] = number
            pairs[person].append(Pair(frame, number, row))
    return Pairing(pairs, extra)


def _rows_by_frame(tracks: Sequence[MotionTrack], frames: int, is_filled_left_out: bool) -> list[list[tuple[int, int]]]:
    rows: list[list[tuple[int, int]]] = [[] for _ in range(frames)]
    for number, track in enumerate(tracks):
        for row, index in enumerate(track.frame_index):
            if index < frames and (track.is_observed[row] or not is_filled_left_out):
                rows[index].append((number, row))
    return rows


def assign_boxes(overlap: np.ndarray, bonus: np.ndarray | float = 0.0) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of the best one-to-one assignment among those that overlap enough.

    Args:
        overlap: (A, B) intersection over union.
        bonus: (A, B) what a pair gains.
    """
    score = np.where(overlap >= OVERLAP_MIN, overlap + bonus, 0.0)
    pairs = zip(*linear_sum_assignment(score, maximize=True), strict=True)
    return [(int(row), int(column)) for row, column in pairs if score[row, column] > 0]
