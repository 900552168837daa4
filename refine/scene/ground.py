"""Foot contacts and the ground plane."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from configs.checks import check_shape
from dpmesh.body import JOINT_SETS

SMPL24 = JOINT_SETS["smpl24"]
PELVIS, NECK = SMPL24.index("pelvis"), SMPL24.index("neck")
FEET = (SMPL24.index("left_foot"), SMPL24.index("right_foot"))  # the balls of the feet
BALL_OVER_SOLE_M = 0.03
STILL_M_S = 0.4  # across the line of sight; a foot that swings has 2 to 4
SMOOTHED_ROWS = 5

FOOT_ERROR_M = 0.05
DISTANCE_ERROR = 0.1  # fraction of the distance: one camera cannot distinguish a tall person from a near one
TILT_ERROR_RAD = np.radians(20.0)  # of the mean upright of bodies against the ground's
RIG_DISTANCE_ERROR, RIG_TILT_ERROR_RAD = 0.002, np.radians(1.0)  # of several calibrated cameras
RIG_UP = np.array([0.0, -1.0, 0.0])
ERRORS_PER_PERSON = 4.0  # independent errors per person; neighbouring rows are correlated
STANDING_MIN = 30.0  # rows with a resting foot, summed over people


@dataclass(frozen=True, slots=True)
class Ground:
    """A plane, in the axes of the people."""

    up: np.ndarray  # (3,) unit length
    offset_m: float  # `up @ point` of its points

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return the height (...) of points (..., 3) above the plane, in metres."""
        return points @ self.up - self.offset_m


def resting(
    joints_m: np.ndarray, time_s: np.ndarray, is_observed: np.ndarray, *, is_measured: bool = False
) -> np.ndarray:
    """Return the contact confidence (T, 2) of each foot, 0 to 1, from its speed.

    Args:
        joints_m: (T, 24, 3) in the camera's axes; time_s: (T,) increasing; is_observed: (T,).
        is_measured: whether several cameras tell where people are. Of one, which must be static, motion along the line
            of sight is ignored, because monocular depth is noisy.
    """
    check_shape("joints_m", joints_m, (len(time_s), 24, 3))
    if len(time_s) < SMOOTHED_ROWS:
        return np.zeros((len(time_s), 2))
    feet = joints_m[:, FEET].astype(np.float64)
    speed = np.gradient(feet, time_s, axis=0)
    sight = feet / np.linalg.norm(feet, axis=-1, keepdims=True)
    if not is_measured:
        speed = speed - (speed * sight).sum(-1, keepdims=True) * sight
    across = np.linalg.norm(speed, axis=-1)
    padded = np.pad(across, ((SMOOTHED_ROWS // 2, SMOOTHED_ROWS // 2), (0, 0)), mode="edge")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED_ROWS, axis=0), axis=-1)
    return np.exp(-((usual / STILL_M_S) ** 2)) * is_observed[:, None]


def find_ground(
    joints_m: Sequence[np.ndarray], rests: Sequence[np.ndarray], *, is_measured: bool = False
) -> Ground | None:
    """Return the plane that fits the resting feet of all people, or None if too few feet rest.

    The distance of each person may change by about `DISTANCE_ERROR`; feet that rest on something else are treated as
    outliers.

    Args:
        joints_m: per person (T, 24, 3); rests: per person (T, 2), of `resting`.
        is_measured: whether several cameras tell where people are, in the axes of a level one.
    """
    if sum(float(rest.sum()) for rest in rests) < STANDING_MIN:
        return None
    person = np.concatenate([np.full(rest.size, index) for index, rest in enumerate(rests)])
    feet = np.concatenate([joints[:, FEET].reshape(-1, 3) for joints in joints_m]).astype(np.float64)
    weights = np.sqrt(np.concatenate([rest.ravel() / max(rest.sum() / ERRORS_PER_PERSON, 10.0) for rest in rests]))
    upright = RIG_UP if is_measured else _mean_upright(joints_m)
    tilt_rad = RIG_TILT_ERROR_RAD if is_measured else TILT_ERROR_RAD
    stretch = RIG_DISTANCE_ERROR if is_measured else DISTANCE_ERROR
    side = np.cross(upright, [0.0, 0.0, 1.0] if abs(upright[2]) < 0.9 else [1.0, 0.0, 0.0])
    axes = np.stack([side / np.linalg.norm(side), np.cross(upright, side / np.linalg.norm(side))])

    def plane(numbers: np.ndarray) -> tuple[np.ndarray, float]:
        return Rotation.from_rotvec(numbers[:2] @ axes).apply(upright), numbers[2]

    def residuals(numbers: np.ndarray) -> np.ndarray:
        up, offset = plane(numbers)
        height = np.exp(numbers[3:])[person] * (feet @ up) - offset
        robust = height / np.sqrt(1.0 + (height / (3.0 * FOOT_ERROR_M)) ** 2)
        return np.concatenate([weights * robust / FOOT_ERROR_M, numbers[:2] / tilt_rad, numbers[3:] / stretch])

    start = np.zeros(3 + len(rests))
    start[2] = np.average(feet @ upright, weights=weights**2)
    up, offset = plane(least_squares(residuals, start).x)
    return Ground(up, float(offset) - BALL_OVER_SOLE_M)


def _mean_upright(joints_m: Sequence[np.ndarray]) -> np.ndarray:
    """Return the median direction (3,) from pelvis to neck."""
    spine = np.concatenate([joints[:, NECK] - joints[:, PELVIS] for joints in joints_m]).astype(np.float64)
    spine /= np.linalg.norm(spine, axis=-1, keepdims=True)
    middle = np.median(spine, axis=0)
    return middle / np.linalg.norm(middle)
