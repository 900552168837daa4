import filterpy.kalman
import numpy as np
import pytest

from trackers.kalman import (
    BIRTH_SPEED,
    POSITION_NOISE,
    SPEED_MEMORY_S,
    SPEED_NOISE,
    BoxStates,
    hold_sizes,
    measure_deviations,
    measures,
    predict_states,
    start_states,
    state_boxes,
    update_states,
    warp_states,
)

BOX = np.array([[100.0, 50.0, 160.0, 250.0]])


def _seen(covered: float = 0.0, rows: int = 1) -> np.ndarray:
    return measure_deviations(np.full(rows, 0.9), np.full(rows, covered))


def _moving(speed_px_s: float, step_s: float, until_s: float) -> BoxStates:
    states = start_states(BOX, _seen())
    for count in range(1, round(until_s / step_s) + 1):
        shift = speed_px_s * step_s * count
        states = update_states(predict_states(states, step_s), BOX + np.array([shift, 0, shift, 0]), _seen())
    return states


def test_a_new_state_is_the_box_it_was_seen_in() -> None:
    assert np.allclose(state_boxes(start_states(BOX, _seen())), BOX)


def test_many_filters_at_once_are_those_of_filterpy_one_by_one() -> None:
    rng = np.random.default_rng(0)
    people, step_s = 5, 0.04
    low = rng.uniform(0, 800, (people, 2))
    boxes = np.concatenate([low, low + rng.uniform(40, 300, (people, 2))], axis=1)
    states, seen = start_states(boxes, _seen(rows=people)), _seen(0.4, people)
    filters = []
    for mean, covariance in zip(states.means.reshape(-1, 2), states.covariances.reshape(-1, 2, 2), strict=True):
        one = filterpy.kalman.KalmanFilter(dim_x=2, dim_z=1)
        one.x, one.P, one.H = mean[:, None].copy(), covariance.copy(), np.array([[1.0, 0.0]])
        filters.append(one)
    for _ in range(10):
        boxes = boxes + rng.normal(2, 3, boxes.shape)
        fine = 200  # steps of Euler, against the exact integral
        part = np.eye(2) + np.array([[0, 1], [0, -1 / SPEED_MEMORY_S]]) * step_s / fine
        transition = np.linalg.matrix_power(part, fine)
        heights = np.repeat(states.heights_px, 4)
        for one, height in zip(filters, heights, strict=True):
            noise = np.diag([POSITION_NOISE**2, SPEED_NOISE**2]) * height**2
            one.Q = np.zeros((2, 2))
            for _ in range(fine):
                one.Q = part @ one.Q @ part.T + noise * step_s / fine
            one.predict(F=transition)
        states = predict_states(states, step_s)
        heights = np.repeat(states.heights_px, 4)
        found = measures(boxes).ravel()
        for one, value, deviation, height in zip(filters, found, seen.ravel(), heights, strict=True):
            one.update(value, R=(deviation * height) ** 2)
        states = update_states(states, boxes, seen)
    places = np.stack([one.x[:, 0] for one in filters])
    np.testing.assert_allclose(states.means.reshape(-1, 2), places, rtol=1e-3, atol=0.05)
    wanted = np.stack([one.P for one in filters])
    np.testing.assert_allclose(states.covariances.reshape(-1, 2, 2), wanted, rtol=2e-3, atol=1e-6)


def test_two_steps_equal_one_step_of_their_sum() -> None:
    states = _moving(120, 0.04, 1.0)
    states.means[:, 1:3, 1] = 0.0  # the height stays, and noise with it
    once = predict_states(states, 0.3)
    twice = predict_states(predict_states(states, 0.1), 0.2)
    assert np.allclose(once.means, twice.means)
    assert np.allclose(once.covariances, twice.covariances, rtol=1e-9)


def test_a_step_of_no_time_changes_nothing() -> None:
    states = _moving(120, 0.04, 0.4)
    assert np.allclose(predict_states(states, 0.0).covariances, states.covariances, rtol=1e-12)


@pytest.mark.parametrize("step_s", [1 / 60, 1 / 25, 1 / 5])
def test_speed_is_found_in_seconds_whatever_the_frame_rate(step_s: float) -> None:
    # A speed that is forgotten is underestimated, more so by few frames.
    assert _moving(120, step_s, 2.0).means[0, 0, 1] == pytest.approx(105, rel=0.15)


def test_skipped_frames_leave_the_expected_place_right() -> None:
    expected = predict_states(_moving(120, 0.04, 2.0), 0.5)
    assert expected.means[0, 0, 0] == pytest.approx(130 + 120 * 2.5, abs=30)  # of 60 that it went on


def test_doubling_the_picture_doubles_the_box_and_its_uncertainty() -> None:
    small, large = start_states(BOX, _seen()), start_states(BOX * 2, _seen())
    assert small.covariances[0, 0, 1, 1] == pytest.approx((200 * BIRTH_SPEED) ** 2)
    for _ in range(5):
        small = update_states(predict_states(small, 0.04), BOX + 3, _seen())
        large = update_states(predict_states(large, 0.04), (BOX + 3) * 2, _seen())
    assert np.allclose(state_boxes(small) * 2, state_boxes(large))
    assert np.allclose(small.covariances * 4, large.covariances)


def test_a_covered_box_moves_bottom_and_middle_less_and_the_top_as_much() -> None:
    states = predict_states(_moving(0, 0.04, 1.0), 0.04)
    free, covered = (update_states(states, BOX + 20, _seen(share)).means[0, :, 0] for share in (0.0, 0.8))
    moved_free, moved_covered = free - states.means[0, :, 0], covered - states.means[0, :, 0]
    assert moved_covered[2] < 0.3 * moved_free[2]
    assert moved_covered[0] < 0.8 * moved_free[0]
    assert moved_covered[1] == pytest.approx(moved_free[1])


def test_a_doubtful_box_moves_the_state_less() -> None:
    states = predict_states(_moving(0, 0.04, 1.0), 0.04)
    sure, doubtful = (
        update_states(states, BOX + 20, measure_deviations(np.array([score]), np.zeros(1))).means[0, 0, 0]
        for score in (0.95, 0.15)
    )
    assert states.means[0, 0, 0] < doubtful < sure


def test_covariances_stay_symmetric_and_positive_through_a_long_life() -> None:
    covariances = _moving(300, 0.001, 2.0).covariances
    assert np.allclose(covariances, covariances.transpose(0, 1, 3, 2))
    assert np.linalg.eigvalsh(covariances).min() > 0


def test_a_shrinking_box_never_turns_inside_out() -> None:
    states = start_states(BOX, _seen())
    for size in (150, 100, 50, 10):
        states = update_states(predict_states(states, 0.04), np.array([[100, 50, 100 + size, 50 + size]]), _seen())
    box = state_boxes(predict_states(states, 5.0))
    assert (box[:, 2:] > box[:, :2]).all()


def test_a_camera_that_turns_moves_the_place_and_keeps_speed_and_width() -> None:
    states = _moving(120, 0.04, 1.0)
    shift = np.array([[1.0, 0.0, 30.0], [0.0, 1.0, -8.0], [0.0, 0.0, 1.0]])
    warped = warp_states(states, shift)
    assert np.allclose(state_boxes(warped) - state_boxes(states), [30, -8, 30, -8])
    assert np.array_equal(warped.means[..., 1], states.means[..., 1])
    assert np.allclose(warp_states(warped, np.linalg.inv(shift)).means, states.means)


def test_who_is_out_of_sight_does_not_widen() -> None:
    states = _moving(0, 0.04, 1.0)
    states.means[:, 3, 1] = 50.0
    assert hold_sizes(states, np.array([True])).means[0, 3, 1] == 0.0
    assert hold_sizes(states, np.array([False])).means[0, 3, 1] == 50.0


def test_nobody_is_predicted_and_updated() -> None:
    nobody = start_states(np.zeros((0, 4)), np.zeros((0, 4)))
    assert len(update_states(predict_states(nobody, 0.04), np.zeros((0, 4)), np.zeros((0, 4)))) == 0


def test_time_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="time goes forward"):
        predict_states(start_states(BOX, _seen()), -0.1)
