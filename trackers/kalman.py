"""How a box moves: a Kalman filter in seconds, so that skipped frames and uneven frame rates cost nothing.

State (8,): centre x, centre y, width, height, and their velocities per second. Noise is proportional to the height of
the person, so a near and a far person are treated alike.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import filterpy.kalman
import numpy as np

from configs.checks import Shaped

# ByteTrack's tuning (box 1/20, velocity 1/160 of the height per frame, at 30 frames per second), as rates over time.
POSITION_NOISE = 0.27  # heights per square root of a second
VELOCITY_NOISE = 1.0  # heights per second, per square root of a second
BIRTH_VELOCITY = 2.0  # standard deviation of a new track's velocity, heights per second
MEASURE_NOISE = 0.05  # heights, of a box that is seen whole and scored 1
SIZE_MIN_PX = 1.0

MEASURE = np.eye(4, 8)


@dataclass(frozen=True, slots=True)
class BoxState(Shaped):
    """What is known of a box at one time."""

    mean: Annotated[np.ndarray, 8]  # float64: cx, cy, width, height in pixels, then velocities in pixels per second
    covariance: Annotated[np.ndarray, 8, 8]  # float64


def start_state(box_xyxy: np.ndarray, score: float) -> BoxState:
    """Return the state of a box (4,) that is seen for the first time: standing still, of unknown velocity."""
    measured = _to_measure(box_xyxy)
    height = max(measured[3], SIZE_MIN_PX)
    deviation = np.repeat([_measure_deviation(score, 0.0) * height, BIRTH_VELOCITY * height], 4)
    return BoxState(np.concatenate([measured, np.zeros(4)]), np.diag(deviation**2))


def predict_state(state: BoxState, step_s: float) -> BoxState:
    """Return the state `step_s` seconds later. Two steps give what one step of their sum gives, for one height.

    Raises:
        ValueError: the step is negative.

    Source: constant velocity with white noise on velocity and on position, integrated over the step.
    """
    if step_s < 0:
        raise ValueError(f"step_s: got {step_s}, time goes forward; sort the frames by their timestamps")
    height = max(state.mean[3], SIZE_MIN_PX)
    transition = np.eye(8)
    transition[:4, 4:] = np.eye(4) * step_s
    q_position, q_velocity = (POSITION_NOISE * height) ** 2, (VELOCITY_NOISE * height) ** 2
    block = np.array(
        [
            [q_position * step_s + q_velocity * step_s**3 / 3, q_velocity * step_s**2 / 2],
            [q_velocity * step_s**2 / 2, q_velocity * step_s],
        ]
    )
    noise = np.kron(block, np.eye(4))
    mean, covariance = filterpy.kalman.predict(state.mean, state.covariance, F=transition, Q=noise)
    mean[2:4] = np.maximum(mean[2:4], SIZE_MIN_PX)
    return BoxState(mean, covariance)


def update_state(state: BoxState, box_xyxy: np.ndarray, score: float, covered: float = 0.0) -> BoxState:
    """Return the state after a box was seen.

    Args:
        box_xyxy: (4,) pixels.
        score: 0 to 1; a low one is believed less.
        covered: share of the box that other people's boxes cover, 0 to 1; a cut box is believed less, else the
            part that is hidden would look like motion.
    """
    height = max(state.mean[3], SIZE_MIN_PX)
    noise = np.eye(4) * (_measure_deviation(score, covered) * height) ** 2
    mean, covariance = filterpy.kalman.update(state.mean, state.covariance, z=_to_measure(box_xyxy), R=noise, H=MEASURE)
    mean[2:4] = np.maximum(mean[2:4], SIZE_MIN_PX)
    return BoxState(mean, covariance)


def hold_size(state: BoxState) -> BoxState:
    """Return the state with a size that stays: a person out of sight neither grows nor shrinks by extrapolation."""
    mean = state.mean.copy()
    mean[6:8] = 0.0
    return replace(state, mean=mean)


def state_box(state: BoxState) -> np.ndarray:
    """Return the box (4,) x1 y1 x2 y2 of a state, in pixels."""
    centre, size = state.mean[:2], state.mean[2:4]
    return np.concatenate([centre - size / 2, centre + size / 2])


def centre_uncertainty(state: BoxState) -> float:
    """Return the standard deviation of the centre, in heights of the person."""
    return float(np.sqrt(max(state.covariance[0, 0], state.covariance[1, 1])) / max(state.mean[3], SIZE_MIN_PX))


def _measure_deviation(score: float, covered: float) -> float:
    return MEASURE_NOISE * (2.0 - score) * (1.0 + 3.0 * covered)


def _to_measure(box_xyxy: np.ndarray) -> np.ndarray:
    corners = np.asarray(box_xyxy, np.float64)
    return np.concatenate([(corners[:2] + corners[2:]) / 2, corners[2:] - corners[:2]])
