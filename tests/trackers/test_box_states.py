import numpy as np
import pytest

from trackers.box_states import (
    BoxStates,
    centre_uncertainties,
    moved_by_camera,
    predict_states,
    replayed,
    start_states,
    state_boxes,
    to_measures,
    update_states,
)
from trackers.kalman import (
    centre_uncertainty,
    measure_deviation,
    predict_state,
    start_state,
    state_box,
    update_state,
)

BOXES = np.array([[100.0, 50.0, 160.0, 250.0], [400.0, 90.0, 440.0, 190.0], [10.0, 20.0, 90.0, 300.0]])
SCORES = np.array([0.9, 0.4, 0.7])


def test_many_at_once_give_what_filterpy_gives_of_each() -> None:
    rng = np.random.default_rng(2)
    together = start_states(BOXES, SCORES)
    single = [start_state(box, score) for box, score in zip(BOXES, SCORES, strict=True)]
    for step_s in (0.04, 0.3, 0.04, 1.5):
        boxes = BOXES + rng.normal(0, 8, BOXES.shape)
        covered = rng.random(3)
        together = predict_states(together, step_s)
        spread = measure_deviation(SCORES, covered) * together.means[:, 3]
        together = update_states(together, to_measures(boxes), np.repeat(spread[:, None], 4, axis=1))
        single = [
            update_state(predict_state(state, step_s), *row)
            for state, *row in zip(single, boxes, SCORES, covered, strict=True)
        ]
        for row, state in enumerate(single):
            np.testing.assert_allclose(together.means[row], state.mean, rtol=1e-9)
            place, both, speed = (np.diag(part) for part in together.covariances[row])
            whole = np.block([[place, both], [both, speed]])
            np.testing.assert_allclose(whole, state.covariance, rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(state_boxes(together)[row], state_box(state))
            assert centre_uncertainties(together)[row] == pytest.approx(centre_uncertainty(state))


def test_nobody_stays_nobody() -> None:
    none = start_states(np.zeros((0, 4)), np.zeros(0))
    assert len(update_states(predict_states(none, 0.1), np.zeros((0, 4)), np.zeros((0, 4)))) == 0
    assert centre_uncertainties(none).shape == (0,)


def test_a_replayed_gap_leaves_the_speed_of_the_way_through_it() -> None:
    end = BOXES[0] + np.array([200.0, 0, 200.0, 0])
    mean, covariance = replayed(start_state(BOXES[0], 0.9).mean, end, 2.0, 50, 0.9)
    assert mean[4] == pytest.approx(100.0, rel=0.05)
    assert mean[0] == pytest.approx(330.0, abs=2)
    assert covariance[2, 0] < start_states(BOXES[:1], SCORES[:1]).covariances[0, 2, 0]


def test_a_camera_that_shifts_and_zooms_takes_states_along() -> None:
    states = start_states(BOXES, SCORES)
    states.means[:, 4] = 30.0
    zoomed = moved_by_camera(states, np.array([[2.0, 0, 10.0], [0, 2.0, -5.0], [0, 0, 1]]))
    np.testing.assert_allclose(state_boxes(zoomed), 2 * BOXES + np.array([10, -5, 10, -5]))
    np.testing.assert_allclose(zoomed.means[:, 4], 60.0)
    np.testing.assert_allclose(zoomed.covariances, 4 * states.covariances)


def test_no_movement_of_the_camera_changes_nothing() -> None:
    states = start_states(BOXES, SCORES)
    same = moved_by_camera(BoxStates(states.means, states.covariances), np.eye(3))
    np.testing.assert_allclose(same.means, states.means)
