"""Errors in the world without alignment, and parts that are right, worked out by hand."""

import numpy as np
import pytest

from pipeline.evaluation.multiview import Match, WorldJoints, errors_at, match, mean_errors, measure

SHOULDER, ELBOW, WRIST = 5, 7, 9  # of the left arm


def people() -> np.ndarray:
    """Return two people (2, 3, 17, 3), 3 m apart; every part of an arm or leg is 0.3 m long, the trunk 0.6 m."""
    joints = np.zeros((17, 3))
    for side, x in ((0, 0.2), (1, -0.2)):
        joints[[5 + side, 7 + side, 9 + side]] = [(x, 0, 1.5), (x, 0, 1.2), (x, 0, 0.9)]
        joints[[11 + side, 13 + side, 15 + side]] = [(x, 0, 0.9), (x, 0, 0.6), (x, 0, 0.3)]
    return np.stack([np.tile(joints, (3, 1, 1)), np.tile(joints + np.array([3.0, 0, 0]), (3, 1, 1))])


def test_errors_by_hand() -> None:
    reference = people() + 0.05 * np.random.default_rng(0).normal(size=(2, 3, 17, 3))
    reference[1, 2, 9] = np.nan  # does not count
    frames = np.arange(3)
    shifted = WorldJoints(frames, reference[0] + (0.03, 0.0, 0.04))
    exact = WorldJoints(frames[:2], reference[1, :2])
    errors = measure({7: shifted, 8: exact}, reference)
    assert (errors.wanted, errors.found, errors.switches, errors.pcp) == (5, 5, 0, 1.0)
    np.testing.assert_allclose([errors.mpjpe_mm, errors.root_mm, errors.pa_mm], [30.0, 0.0, 0.0], atol=1e-6)
    turned = WorldJoints(frames, np.stack([reference[0, 0], reference[0, 1], reference[0, 2] + 9.0]))
    late = WorldJoints(frames[2:], reference[0, 2:])
    errors = measure({1: turned, 2: late}, reference)
    assert (errors.found, errors.switches) == (3, 1) and errors.pcp == pytest.approx(3 / 5)
    assert measure({}, reference).row() == ("0.0%", "-", "-", "-", "0.0%", "0")


def test_a_part_is_right_up_to_half_its_length() -> None:
    reference = people()[:1, :1]
    moved = reference[0].copy()
    moved[:, WRIST, 1] += 0.29  # the lower arm is off by 145 mm on average, of 150 allowed
    assert measure({1: WorldJoints(np.zeros(1, int), moved)}, reference).pcp == 1.0
    moved[:, WRIST, 1] += 0.02  # 155 mm
    assert measure({1: WorldJoints(np.zeros(1, int), moved)}, reference).pcp == pytest.approx(8 / 9)
    moved[:, ELBOW, 1] += 0.31  # the upper arm, too
    assert measure({1: WorldJoints(np.zeros(1, int), moved)}, reference).pcp == pytest.approx(7 / 9)
    moved = reference[0].copy()
    moved[:, [5, 6], 1] += 0.29  # both shoulders: upper arms at 145 of 150, the trunk at 145 of 300
    assert measure({1: WorldJoints(np.zeros(1, int), moved)}, reference).pcp == 1.0
    moved[:, [11, 12], 1] += 0.32  # trunk at 305 of 300, upper legs at 160 of 150
    assert measure({1: WorldJoints(np.zeros(1, int), moved)}, reference).pcp == pytest.approx(6 / 9)


def test_known_matches_measure_somebody_however_far_away() -> None:
    reference = people()
    near = {1: WorldJoints(np.arange(3), reference[0]), 2: WorldJoints(np.arange(3), reference[1])}
    matches = match(near, reference)
    assert [(m.who, m.number) for m in matches if m.frame == 1] == [(0, 1), (1, 2)] and len(matches) == 6
    partly = reference[0, 1:] + [0, 2.0, 0]
    partly[1, WRIST] = np.nan
    far = errors_at(matches, {1: WorldJoints(np.array([1, 2]), partly)}, reference)
    assert (far.wanted, far.found, far.switches, far.pcp) == (6, 0, None, 0.0)
    np.testing.assert_allclose([far.mpjpe_mm, far.root_mm], [2000.0, 0.0], atol=1e-9)
    assert errors_at([Match(0, 0, 9)], near, reference).found == 0, "somebody who does not exist"


def test_the_mean_leaves_out_what_is_unknown_and_adds_counts() -> None:
    reference = people()
    exact = measure({1: WorldJoints(np.arange(3), reference[0])}, reference)
    mean = mean_errors([exact, measure({}, reference), errors_at([], {}, reference)])
    assert (mean.wanted, mean.found, mean.switches) == (18, 3, 0)
    assert mean.mpjpe_mm == 0.0 and mean.pcp == pytest.approx(0.5 / 3) and mean_errors([]).switches is None
