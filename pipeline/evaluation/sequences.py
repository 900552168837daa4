"""Runs on rendered clips against their truth, refined in several ways.

A folder of `dpmesh-video data sequences`: clips `NAME.mp4`, each with `NAME.truth.npz` beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from configs.errors import InputError
from pipeline.evaluation.comparison import Comparison, Reference, compare_runs
from pipeline.evaluation.motion_errors import JointChoice
from pipeline.evaluation.pairing import assign_boxes
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.evaluation.truth import LIMB_JOINTS, Truth
from pipeline.motion.posing import Body
from pipeline.types import MotionTrack, Observations
from trackers.association import box_overlaps

SMPL_CHOICE = JointChoice("smpl24", LIMB_JOINTS, root=(0,), feet=(7, 8, 10, 11))  # feet: ankles and balls
SEEN_MIN = 0.1  # share of a person's surface from which somebody can be seen at all


def find_sequences(folder: Path) -> list[tuple[Path, Path]]:
    """Return the clips of a folder and their truth files, in order of names.

    Raises:
        InputError: there is none.
    """
    found = [(video, video.with_suffix(".truth.npz")) for video in sorted(folder.glob("*.mp4"))]
    found = [(video, truth) for video, truth in found if truth.is_file()]
    if not found:
        raise InputError(
            f"{folder}: no clip with its truth beside it (NAME.mp4, NAME.truth.npz); "
            "make some with `dpmesh-video data sequences`"
        )
    return found


def split_by_truth(rows: Observations, truth: Truth) -> list[Observations]:
    """Return the observations of each person who was found, assigned by the ground truth instead of the tracker.

    In every frame, boxes are assigned one to one to the people who can be seen, by their overlap with the boxes around
    the true joints; boxes of nobody are left out. So a gap lasts as long as nobody saw the person, and mistakes of the
    tracker, which would end the track there, do not count.

    Args:
        rows: of all people, in any order; row t of the truth is frame t of the video.
    """
    boxes = visible_boxes(truth)
    labels = np.full(len(rows.frame_index), -1)
    for frame in np.unique(rows.frame_index[rows.frame_index < boxes.shape[1]]):
        here = np.flatnonzero(rows.frame_index == frame)
        for person, column in assign_boxes(box_overlaps(boxes[:, frame], rows.boxes_xyxy[here])):
            labels[here[column]] = person
    return [
        replace(mine, track_id=np.full_like(mine.track_id, person + 1))
        for person in np.unique(labels[labels >= 0])
        for mine in [_in_order(rows.take(labels == person))]
    ]


def compare_with_truth(name: str, runs: Mapping[str, Sequence[MotionTrack]], body: Body, truth: Truth) -> Comparison:
    """Return the errors of one clip's runs, by mode, over the 14 joints of `LIMB_JOINTS`.

    Args:
        runs: tracks of the same rows, refined in different ways.
    """
    is_visible = truth.visible_share >= SEEN_MIN
    return compare_runs(name, runs, body, Reference(truth.joints_m, visible_boxes(truth), is_visible, SMPL_CHOICE))


def visible_boxes(truth: Truth) -> np.ndarray:
    """Return the boxes (P, T, 4) around the true joints, pixels; NaN where somebody cannot be seen."""
    pixels = [project_rows(person, truth.focal_px, truth.principal_px) for person in truth.joints_m]
    boxes = np.array([joint_boxes(person) for person in pixels]).reshape(*truth.visible_share.shape, 4)
    boxes[truth.visible_share < SEEN_MIN] = np.nan
    return boxes


def _in_order(rows: Observations) -> Observations:
    return rows.take(np.argsort(rows.frame_index, kind="stable"))
