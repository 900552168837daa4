"""Runs on rendered clips against their truth, refined in several ways.

A folder of `python -m dpmesh.training.make_sequences`: clips `NAME.mp4`, each with `NAME.truth.npz` beside it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from configs.errors import InputError
from pipeline.evaluation.comparison import Comparison, Reference, compare_runs
from pipeline.evaluation.motion_errors import JointChoice
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.evaluation.truth import LIMB_JOINTS, Truth
from pipeline.motion.posing import Body
from pipeline.types import MotionTrack

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
            "make some with `python -m dpmesh.training.make_sequences`"
        )
    return found


def compare_with_truth(name: str, runs: Mapping[str, Sequence[MotionTrack]], body: Body, truth: Truth) -> Comparison:
    """Return the errors of one clip's runs, by mode, over the 14 joints of `LIMB_JOINTS`.

    Args:
        runs: tracks of the same rows, refined in different ways.
    """
    shown = [project_rows(person, truth.focal_px, truth.principal_px) for person in truth.joints_m]
    boxes = np.array([joint_boxes(person) for person in shown]).reshape(*truth.visible_share.shape, 4)
    is_seen = truth.visible_share >= SEEN_MIN
    boxes[~is_seen] = np.nan
    return compare_runs(name, runs, body, Reference(truth.joints_m, boxes, is_seen, SMPL_CHOICE))
