import numpy as np
import pytest

from trackers.kalman import centre_uncertainty, hold_size, predict_state, start_state, state_box, update_state

BOX = np.array([100.0, 50.0, 160.0, 250.0])


def _moving(speed_px_s: float, step_s: float, until_s: float):
    state = start_state(BOX, 0.9)
    for count in range(1, round(until_s / step_s) + 1):
        shift = speed_px_s * step_s * count
        state = update_state(predict_state(state, step_s), BOX + np.array([shift, 0, shift, 0]), 0.9)
    return state


def test_a_new_state_is_the_box_it_was_seen_in() -> None:
    assert np.allclose(state_box(start_state(BOX, 1.0)), BOX)


def test_two_steps_equal_one_step_of_their_sum() -> None:
    state = hold_size(_moving(120, 0.04, 1.0))
    once = predict_state(state, 0.3)
    twice = predict_state(predict_state(state, 0.1), 0.2)
    assert np.allclose(once.mean, twice.mean)
    assert np.allclose(once.covariance, twice.covariance, rtol=1e-9)


def test_a_step_of_no_time_changes_nothing() -> None:
    state = _moving(120, 0.04, 0.4)
    assert np.array_equal(predict_state(state, 0.0).covariance, state.covariance)


@pytest.mark.parametrize("step_s", [1 / 60, 1 / 25, 1 / 5])
def test_speed_is_found_in_seconds_whatever_the_frame_rate(step_s: float) -> None:
    assert _moving(120, step_s, 2.0).mean[4] == pytest.approx(120, rel=0.05)


def test_skipped_frames_leave_the_expected_place_right() -> None:
    expected = predict_state(_moving(120, 0.04, 2.0), 0.5)
    assert expected.mean[0] == pytest.approx(130 + 120 * 2.5, abs=6)


def test_doubling_the_picture_doubles_the_box_and_keeps_the_uncertainty_in_heights() -> None:
    small, large = start_state(BOX, 0.8), start_state(BOX * 2, 0.8)
    for _ in range(5):
        small = update_state(predict_state(small, 0.04), BOX + 3, 0.8)
        large = update_state(predict_state(large, 0.04), (BOX + 3) * 2, 0.8)
    assert np.allclose(state_box(small) * 2, state_box(large))
    assert centre_uncertainty(small) == pytest.approx(centre_uncertainty(large))


def test_a_covered_box_moves_the_state_less() -> None:
    state = predict_state(_moving(0, 0.04, 1.0), 0.04)
    cut = BOX + np.array([30, 0, 0, 0])
    free, covered = update_state(state, cut, 0.9), update_state(state, cut, 0.9, covered=0.8)
    assert abs(covered.mean[0] - state.mean[0]) < 0.5 * abs(free.mean[0] - state.mean[0])


def test_the_covariance_stays_symmetric_and_positive_through_a_long_life() -> None:
    covariance = _moving(300, 0.001, 2.0).covariance
    assert np.allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_a_shrinking_box_never_turns_inside_out() -> None:
    state = start_state(BOX, 0.9)
    for size in (150, 100, 50, 10):
        state = update_state(predict_state(state, 0.04), np.array([100, 50, 100 + size, 50 + size]), 0.9)
    box = state_box(predict_state(state, 5.0))
    assert (box[2:] > box[:2]).all()


def test_time_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="time goes forward"):
        predict_state(start_state(BOX, 0.9), -0.1)
