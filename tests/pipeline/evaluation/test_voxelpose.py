"""VoxelPose's figures on results whose errors and scores are chosen by hand."""

import numpy as np
import pytest
from panoptic_files import standing

from configs.skeletons import OPENPOSE25
from pipeline.capture.panoptic import People
from pipeline.evaluation.voxelpose import (
    BODY_JOINTS,
    CENTRE,
    COMPARED,
    FILE_JOINTS,
    THRESHOLDS_MM,
    FramePeople,
    Results,
    average_precision,
    measure_frames,
    protocol_people,
)


def body(x: float) -> np.ndarray:
    return standing(x)[FILE_JOINTS]


def frame(true: list[np.ndarray], found: list[tuple[np.ndarray, float]]) -> FramePeople:
    joints = np.array([joints for joints, _ in found]).reshape(-1, 15, 3)
    true_m = np.array(true).reshape(-1, 15, 3)
    return FramePeople(true_m, np.ones(true_m.shape[:2], bool), joints, np.array([score for _, score in found]))


def test_the_15_joints_are_those_of_the_body() -> None:
    names = [OPENPOSE25[number] for number in BODY_JOINTS]
    assert names[:4] == ["mid_shoulder", "nose", "mid_outer_hip", "left_shoulder"] and names[-1] == "right_ankle"
    assert COMPARED[0] == "neck" and len(COMPARED) == 15


def test_figures_worked_out_by_hand() -> None:
    # Two people. By score: 40 mm from the first (right from 50 mm on), 20 mm from the first (a double from 50 mm on,
    # right at 25 mm), 90 mm from the second, and a ghost 900 mm from the second.
    results = [
        (body(0.04), 0.9),
        (body(0.0) + np.array([0, 0.02, 0]), 0.8),
        (body(3.0) + np.array([0, 0, 0.09]), 0.7),
        (body(3.9), 0.6),
    ]
    found = measure_frames([frame([body(0.0), body(3.0)], results)])
    # At 25: wrong, right, wrong, wrong: half the recall at a precision of 1/2.
    # At 50 and 75: right, wrong, wrong, wrong: half at 1.
    # From 100 on: right, wrong, right, wrong: half at 1, half at 2/3.
    assert found.precision == pytest.approx((0.25, 0.5, 0.5, 5 / 6, 5 / 6, 5 / 6)) and len(THRESHOLDS_MM) == 6
    assert found.mpjpe_mm == pytest.approx((40 + 90) / 2) and found.recall == 1.0 and found.people == 2
    assert found.row() == ("2", "25.0", "50.0", "50.0", "83.3", "83.3", "83.3", "65.0", "100.0")


def test_precision_is_made_to_fall_and_what_is_never_found_adds_nothing() -> None:
    results = Results(np.array([200.0, 10.0, 10.0]), np.array([0.9, 0.8, 0.7]), np.array([0, 0, 1]))
    # wrong, right, right: 1/2 then 2/3, made 2/3 and 2/3; two of four people.
    assert average_precision(results, 4, 25.0) == pytest.approx(0.5 * 2 / 3)


def test_frames_add_up_and_those_without_people_do_not_count() -> None:
    far = frame([body(0.0)], [(body(0.6), 1.0)])
    empty = frame([], [(body(0.0), 1.0)])
    good = frame([body(1.0)], [(body(1.0), 0.1)])
    found = measure_frames([far, empty, good, frame([body(2.0)], [])])
    assert found.people == 3 and found.recall == pytest.approx(1 / 3) and found.mpjpe_mm == pytest.approx(0.0)
    assert found.precision[0] == pytest.approx(1 / 3 * 1 / 2)
    nobody = measure_frames([empty])
    assert nobody.people == 0 and nobody.row()[-2:] == ("-", "0.0")


def test_joints_and_people_that_do_not_count() -> None:
    joints, confidence = np.stack([standing(), standing(1.0)]), np.full((2, 20), 0.5)
    confidence[0, FILE_JOINTS[CENTRE]] = 0.1
    confidence[1, FILE_JOINTS[5]] = 0.05
    true, known, rows = protocol_people(People(np.zeros(2, int), np.arange(2), joints, confidence))
    assert rows.tolist() == [1] and known.sum() == 14
    off = body(1.0)
    off[5] += 10.0
    off[6] += (0.014, 0, 0)
    found = measure_frames([FramePeople(true, known, off[None], np.ones(1))])
    assert found.mpjpe_mm == pytest.approx(1.0)
