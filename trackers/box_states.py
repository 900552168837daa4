"""Kalman states of many boxes at once: the arithmetic of `trackers.kalman`, by the same constants, without a loop.

The four axes (centre x, centre y, width, height) do not depend on each other, so a covariance is three numbers per
axis: variance of the place, covariance of place and speed, variance of the speed.
"""

from dataclasses import dataclass

import numpy as np

from trackers.kalman import (
    BIRTH_VELOCITY,
    MEASURE_NOISE,
    POSITION_NOISE,
    SIZE_MIN_PX,
    VELOCITY_NOISE,
    BoxState,
    predict_state,
    start_state,
    state_box,
    update_state,
)

SPEED_MEMORY_S = 1.5  # somebody out of sight has lost 63 % of the speed after this time: walkers turn and stop
REPLAY_STEPS_MAX = 50


@dataclass(slots=True)
class BoxStates:
    """What is known of N boxes at one time. Shapes are not checked, as this is made many times per frame."""

    means: np.ndarray  # (N, 8) float64: cx, cy, width, height in pixels, then pixels per second
    covariances: np.ndarray  # (N, 3, 4) float64: place, place with speed, speed; of each axis

    def __len__(self) -> int:
        return len(self.means)


def start_states(boxes_xyxy: np.ndarray, scores: np.ndarray) -> BoxStates:
    """Return the states of boxes (N, 4) that are seen for the first time: standing still, of unknown velocity."""
    measured = to_measures(boxes_xyxy)
    height = np.maximum(measured[:, 3:], SIZE_MIN_PX)
    covariances = np.zeros((len(measured), 3, 4))
    covariances[:, 0] = (MEASURE_NOISE * (2.0 - scores[:, None]) * height) ** 2
    covariances[:, 2] = (BIRTH_VELOCITY * height) ** 2
    return BoxStates(np.concatenate([measured, np.zeros_like(measured)], axis=1), covariances)


def predict_states(states: BoxStates, step_s: float) -> BoxStates:
    """Return the states `step_s` seconds later, as `predict_state` does of each."""
    height = np.maximum(states.means[:, 3:4], SIZE_MIN_PX)
    q_position, q_velocity = (POSITION_NOISE * height) ** 2, (VELOCITY_NOISE * height) ** 2
    place, both, speed = states.covariances.transpose(1, 0, 2)
    place = place + 2 * step_s * both + step_s**2 * speed + q_position * step_s + q_velocity * step_s**3 / 3
    both = both + step_s * speed + q_velocity * step_s**2 / 2
    speed = speed + q_velocity * step_s
    means = states.means.copy()
    means[:, :4] += step_s * means[:, 4:]
    return BoxStates(_kept_large(means), np.stack([place, both, speed], axis=1))


def update_states(states: BoxStates, measured: np.ndarray, deviations: np.ndarray) -> BoxStates:
    """Return the states after boxes were seen.

    Args:
        measured: (N, 4) centre and size, see `to_measures`.
        deviations: (N, 4) standard deviations of them, in pixels.
    """
    place, both, speed = states.covariances.transpose(1, 0, 2)
    total = place + deviations**2
    gain, speed_gain = place / total, both / total
    residual = measured - states.means[:, :4]
    means = np.concatenate([states.means[:, :4] + gain * residual, states.means[:, 4:] + speed_gain * residual], axis=1)
    rest = 1 - gain
    covariances = np.stack([rest * place, rest * both, speed - speed_gain * both], axis=1)
    return BoxStates(_kept_large(means), covariances)


def replayed(
    before: np.ndarray, box_xyxy: np.ndarray, gap_s: float, steps: int, score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (8,) and covariance (3, 4) after a gap, as if the box had been seen all the way, on a straight line.

    Source: observation-centric re-update of OC-SORT (arXiv 2203.14360, section 4.1). Steps of long gaps are joined.

    Args:
        before: (8,) mean of the state when the box was last seen.
        steps: updates that the gap lasted.
    """
    from_box = state_box(BoxState(before, np.eye(8)))
    state, count = start_state(from_box, score), max(1, min(steps, REPLAY_STEPS_MAX))
    for step in range(1, count + 1):
        box = from_box + (box_xyxy - from_box) * (step / count)
        state = update_state(predict_state(state, gap_s / count), box, score)
    place, speed = slice(0, 4), slice(4, 8)
    blocks = ((place, place), (place, speed), (speed, speed))
    return state.mean, np.stack([np.diag(state.covariance[rows, columns]) for rows, columns in blocks])


def coasted(states: BoxStates, is_unseen: np.ndarray, step_s: float) -> BoxStates:
    """Return the states with those out of sight (N,) keeping their size and slowing down."""
    means = states.means.copy()
    means[is_unseen, 6:8] = 0.0
    means[is_unseen, 4:6] *= np.exp(-step_s / SPEED_MEMORY_S)
    return BoxStates(means, states.covariances)


def moved_by_camera(states: BoxStates, motion: np.ndarray) -> BoxStates:
    """Return the states where a homography (3, 3) of the image from frame to frame takes them."""
    means, growth = means_moved_by_camera(states.means, motion)
    return BoxStates(means, states.covariances * growth[:, None] ** 2)


def means_moved_by_camera(before: np.ndarray, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means (N, 8) after a homography, and by how much each box grew (N, 1)."""
    centre, size = before[:, :2], before[:, 2:4]
    means = before.copy()
    means[:, :2] = through(motion, centre)
    means[:, 4:6] = through(motion, centre + before[:, 4:6]) - means[:, :2]  # where it would be a second ahead
    upright = through(motion, centre + size * [0, 0.5]) - through(motion, centre - size * [0, 0.5])
    growth = np.linalg.norm(upright, axis=1, keepdims=True) / np.maximum(size[:, 1:], SIZE_MIN_PX)
    means[:, 2:4] *= growth
    means[:, 6:8] *= growth
    return _kept_large(means), growth


def through(motion: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points (..., 2) as a homography (3, 3) moves them."""
    moved = points @ motion[:, :2].T + motion[:, 2]
    return np.asarray(moved[..., :2] / moved[..., 2:])


def state_boxes(states: BoxStates) -> np.ndarray:
    """Return the boxes (N, 4) of states."""
    centre, size = states.means[:, :2], states.means[:, 2:4]
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def centre_uncertainties(states: BoxStates) -> np.ndarray:
    """Return the standard deviations (N,) of the centres, in heights of each person."""
    widest = np.sqrt(states.covariances[:, 0, :2].max(axis=1, initial=0.0))
    return np.asarray(widest / np.maximum(states.means[:, 3], SIZE_MIN_PX))


def to_measures(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Return centres and sizes (N, 4) of boxes (N, 4)."""
    corners = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    return np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)


def _kept_large(means: np.ndarray) -> np.ndarray:
    means[:, 2:4] = np.maximum(means[:, 2:4], SIZE_MIN_PX)
    return means
