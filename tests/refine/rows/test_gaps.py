import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from refine.rows.gaps import find_gaps, interpolate_linear, interpolate_rotations
from refine.rows.shape import shape_of_person


def test_a_short_gap_is_filled_and_flagged_and_a_long_one_stays_open() -> None:
    filled = find_gaps(np.array([3, 4, 7, 30]), np.array([0.3, 0.4, 0.7, 3.0]), gap_max_s=0.5)
    assert filled.frame_index.tolist() == [3, 4, 5, 6, 7, 30]
    assert filled.is_observed.tolist() == [True, True, False, False, True, True]
    assert filled.source_row.tolist() == [0, 1, 1, 1, 2, 3]
    np.testing.assert_allclose(filled.time_s, [0.3, 0.4, 0.5, 0.6, 0.7, 3.0])


def test_one_frame_has_no_gap() -> None:
    filled = find_gaps(np.array([9]), np.array([0.5]), gap_max_s=1.0)
    assert filled.frame_index.tolist() == [9] and filled.is_observed.tolist() == [True]


def test_half_way_between_two_rotations_is_half_the_angle() -> None:
    rotvec = np.array([[[0.0, 0.0, 0.2]], [[0.0, 0.0, 1.0]]])
    middle = interpolate_rotations(np.array([0.0, 1.0]), rotvec, np.array([0.5]))
    np.testing.assert_allclose(middle, [[[0.0, 0.0, 0.6]]], atol=1e-6)


def test_interpolation_takes_the_short_way_round() -> None:
    rotvec = np.array([[[0.0, 0.0, 3.0]], [[0.0, 0.0, -3.0]]])
    middle = interpolate_rotations(np.array([0.0, 1.0]), rotvec, np.array([0.5]))[0, 0]
    turn = Rotation.from_rotvec(middle) * Rotation.from_rotvec([0.0, 0.0, np.pi]).inv()
    assert turn.magnitude() < 1e-6


def test_a_track_of_one_frame_can_be_asked_at_any_time() -> None:
    rotvec = np.full((1, 24, 3), 0.1)
    assert interpolate_rotations(np.array([2.0]), rotvec, np.array([0.0, 5.0])).shape == (2, 24, 3)


def test_linear_values_pass_through_their_samples() -> None:
    values = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
    times = np.array([0.0, 0.1, 0.35, 1.0])
    np.testing.assert_allclose(interpolate_linear(times, values, times), values, rtol=1e-6)


@pytest.mark.parametrize("outlier", [-50.0, 50.0])
def test_one_wild_frame_does_not_move_the_shape(outlier: float) -> None:
    betas = np.zeros((9, 10), np.float32)
    betas[4] = outlier
    assert np.abs(shape_of_person(betas, np.ones(9))).max() == 0.0


def test_frames_without_confidence_do_not_count() -> None:
    betas = np.concatenate([np.zeros((2, 10)), np.ones((5, 10))]).astype(np.float32)
    assert shape_of_person(betas, np.array([1.0, 1.0, 0, 0, 0, 0, 0])).max() == 0.0
