"""Errors of a motion against a true one, in the units that are published."""

import numpy as np
import pytest

from configs.checks import join_rows
from pipeline.evaluation.motion_errors import JointChoice, MotionErrors, measure_motion
from pipeline.evaluation.sightings import Sightings

CHOICE = JointChoice("smpl24", measured=(1, 2, 3), root=(0,), feet=(3,))
RATE_HZ = 10.0
FRAMES = 6


def sightings_of(row: list[int], frame: list[int]) -> Sightings:
    count = len(row)
    zeros = np.zeros(count, np.int64)
    return Sightings(zeros, np.array(frame), zeros, np.array(row), np.arange(count) == 1)


def truth() -> np.ndarray:
    joints = np.random.default_rng(0).normal(size=(1, 1, 4, 3))
    return np.repeat(joints, FRAMES, axis=1)


def measure(ours: np.ndarray, real: np.ndarray) -> MotionErrors:
    rows = list(range(FRAMES))
    return measure_motion([ours], real, sightings_of(rows, rows), CHOICE, RATE_HZ)


def test_a_motion_is_no_way_from_itself() -> None:
    found = measure(truth()[0], truth())
    for name in ("mpjpe_mm", "pa_mpjpe_mm", "translation_error_m", "acceleration", "sliding_m_s"):
        np.testing.assert_allclose(getattr(found, name), 0.0, atol=1e-9, err_msg=name)
    assert (len(found.mpjpe_mm), len(found.acceleration), len(found.sliding_m_s)) == (6, 4, 5)
    assert found.is_filled.tolist() == [False, True, False, False, False, False]


def test_a_body_elsewhere_has_an_error_of_translation_alone() -> None:
    found = measure(truth()[0] + [0.3, 0.0, 0.4], truth())
    np.testing.assert_allclose(found.translation_error_m, 0.5)
    np.testing.assert_allclose(found.mpjpe_mm, 0.0, atol=1e-9)


def test_a_larger_body_is_wrong_until_it_is_aligned() -> None:
    real = truth()
    found = measure(real[0] * 1.1, real)
    distance = np.linalg.norm(real[0, 0, 1:] - real[0, 0, :1], axis=-1).mean()
    np.testing.assert_allclose(found.mpjpe_mm, 100.0 * distance)
    np.testing.assert_allclose(found.pa_mpjpe_mm, 0.0, atol=1e-6)


def test_acceleration_and_sliding_are_per_second_and_only_of_feet_that_stand() -> None:
    ours, real = truth()[0], truth()
    steps = np.arange(FRAMES)
    ours[:, 3, 0] += 0.5 * 2.0 * (steps / RATE_HZ) ** 2  # the foot accelerates by 2 m/s^2
    found = measure(ours, real)
    np.testing.assert_allclose(found.acceleration, 2.0 / 3)
    np.testing.assert_allclose(found.sliding_m_s, np.diff((steps / RATE_HZ) ** 2) * RATE_HZ)
    real[0, :, 3, 1] += 0.031 * steps  # 0.31 m/s: it does not stand
    assert len(measure(ours, real).sliding_m_s) == 0


def test_rows_on_both_sides_of_a_hole_are_not_neighbours() -> None:
    ours = truth()[0]
    found = measure_motion([ours], truth(), sightings_of([0, 1, 2, 4, 5], [0, 1, 2, 4, 5]), CHOICE, RATE_HZ)
    assert (len(found.acceleration), len(found.sliding_m_s)) == (1, 3)


def test_errors_of_motions_are_joined_and_of_other_lengths_refused() -> None:
    one = measure(truth()[0], truth())
    both = join_rows([one, one])
    assert len(both.mpjpe_mm) == 12 and len(both.acceleration) == 8
    with pytest.raises(ValueError, match="translation_error_m"):
        MotionErrors(
            one.mpjpe_mm, one.pa_mpjpe_mm, one.translation_error_m[:2], one.is_filled, one.acceleration, one.sliding_m_s
        )
