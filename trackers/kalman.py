"""How boxes move: Kalman filters of many people at once, in seconds, so that skipped frames cost nothing.

Each of four numbers of a box (centre x, top, bottom, width) has a filter of its own, with a place and a speed: what
hides somebody moves the bottom of the box, and leaves the top and the middle as they are. Noise is proportional to the
height of the person, so a near and a far person are treated alike.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated

import numpy as np

from configs.checks import Shaped

# Set on simulated crowds of other seeds than those of docs/figures.md: seeds 11 to 14 and 31 to 34.
POSITION_NOISE = 0.085  # heights per square root of a second
SPEED_NOISE = 0.4  # heights per second, per square root of a second
SPEED_MEMORY_S = 1.0  # a speed counts for 1/e after this long
BIRTH_SPEED = 0.55  # standard deviation of a new person's speed, heights per second
SIZE_MIN_PX = 1.0
# Standard deviations of centre x, top, bottom and width, in heights: of a box that is seen whole and scored 1, and how
# many times more they are where somebody nearer covers all of it.
MEASURE_NOISE = np.array([0.017, 0.016, 0.016, 0.015])
COVERED_NOISE = np.array([2.0, 0.0, 15.0, 2.0])


@dataclass(frozen=True, slots=True)
class BoxStates(Shaped):
    """What is known of the boxes of N people at one time."""

    means: Annotated[
        np.ndarray, "N", 4, 2
    ]  # float64: centre x, top, bottom, width, in pixels, and their speeds in px/s
    covariances: Annotated[np.ndarray, "N", 4, 2, 2]  # float64

    def __len__(self) -> int:
        return len(self.means)

    @property
    def heights_px(self) -> np.ndarray:
        """Heights (N,), `SIZE_MIN_PX` at least."""
        return np.asarray(np.maximum(self.means[:, 2, 0] - self.means[:, 1, 0], SIZE_MIN_PX))


def start_states(boxes_xyxy: np.ndarray, deviations: np.ndarray) -> BoxStates:
    """Return the states of boxes (N, 4) that are seen for the first time: standing still, of unknown speed.

    Args:
        deviations: (N, 4) as of `measure_deviations`.
    """
    values = measures(boxes_xyxy)
    heights = np.maximum(values[:, 2] - values[:, 1], SIZE_MIN_PX)
    covariances = np.zeros((len(values), 4, 2, 2))
    covariances[..., 0, 0] = (deviations * heights[:, None]) ** 2
    covariances[..., 1, 1] = (BIRTH_SPEED * heights[:, None]) ** 2
    return BoxStates(np.stack([values, np.zeros_like(values)], axis=-1), covariances)


def predict_states(states: BoxStates, step_s: float) -> BoxStates:
    """Return the states `step_s` seconds later. Two steps give what one step of their sum gives, for one height.

    Raises:
        ValueError: the step is negative.

    Source: a speed that decays, with white noise on speed and on position, integrated over the step.
    """
    if step_s < 0:
        raise ValueError(f"step_s: got {step_s}, time goes forward; sort the frames by their timestamps")
    transition, noise = _step(step_s)
    covariances = transition @ states.covariances @ transition.T
    covariances += noise * states.heights_px[:, None, None, None] ** 2
    return _checked(states.means @ transition.T, covariances)


def update_states(states: BoxStates, boxes_xyxy: np.ndarray, deviations: np.ndarray) -> BoxStates:
    """Return the states after boxes (N, 4) were seen, with deviations (N, 4) as of `measure_deviations`."""
    noise = (deviations * states.heights_px[:, None]) ** 2
    gain = states.covariances[..., 0] / (states.covariances[..., 0, 0] + noise)[..., None]
    off = measures(boxes_xyxy) - states.means[..., 0]
    covariances = states.covariances - gain[..., :, None] * states.covariances[..., None, 0, :]
    return _checked(states.means + gain * off[..., None], covariances)


def warp_states(states: BoxStates, motion: np.ndarray) -> BoxStates:
    """Return the states where a homography (3, 3) of the image puts them, as when the camera turns; sizes stay."""
    ends = np.stack([states.means[:, [0, 0], 0], states.means[:, 1:3, 0], np.ones((len(states), 2))], axis=-1)
    moved = ends @ motion.T
    moved = moved[..., :2] / np.maximum(moved[..., 2:], 1e-6)
    means = states.means.copy()
    means[:, 0, 0], means[:, 1:3, 0] = moved[..., 0].mean(axis=1), moved[..., 1]
    return replace(states, means=means)


def hold_sizes(states: BoxStates, rows: np.ndarray) -> BoxStates:
    """Return the states with widths that stay in some rows: who is out of sight does not grow by extrapolation."""
    means = states.means.copy()
    means[rows, 3, 1] = 0.0
    return replace(states, means=means)


def state_boxes(states: BoxStates) -> np.ndarray:
    """Return the boxes (N, 4) x1 y1 x2 y2 of states, in pixels."""
    centre, top, bottom, width = states.means[..., 0].T
    return np.stack([centre - width / 2, top, centre + width / 2, bottom], axis=1)


def measures(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Return centre x, top, bottom and width (N, 4) float64 of boxes (N, 4)."""
    x1, top, x2, bottom = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4).T
    return np.stack([(x1 + x2) / 2, top, bottom, x2 - x1], axis=1)


def measure_deviations(scores: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Return how far measures of boxes are off (N, 4), standard deviations in heights of the person.

    Args:
        scores: (N,) 0 to 1; a low one is believed less.
        covered: (N,) share of the box that somebody nearer covers, 0 to 1; else the part that is hidden would look
            like motion.
    """
    return np.asarray((2.0 - scores)[:, None] * MEASURE_NOISE * (1.0 + COVERED_NOISE * covered[:, None]))


@lru_cache(maxsize=64)
def _step(step_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return transition and noise (2, 2) of a place and its speed, for a height of 1."""
    import filterpy.common  # here: it loads scipy.stats, which takes 0.2 s, while people are looked for

    drift = np.array([[0.0, 1.0], [0.0, -1.0 / SPEED_MEMORY_S]])
    transition, noise = filterpy.common.van_loan_discretization(drift, np.diag([POSITION_NOISE, SPEED_NOISE]), step_s)
    return transition, noise


def _checked(means: np.ndarray, covariances: np.ndarray) -> BoxStates:
    """Return states whose boxes are not turned inside out."""
    means[:, 2, 0] = np.maximum(means[:, 2, 0], means[:, 1, 0] + SIZE_MIN_PX)
    means[:, 3, 0] = np.maximum(means[:, 3, 0], SIZE_MIN_PX)
    return BoxStates(means, covariances)
