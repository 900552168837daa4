"""Where a person stands along the line of sight: what size, feet and time say of it, each with its error."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded

from configs.checks import Shaped
from dpmesh.body import JOINT_SETS
from refine.scene.camera import FOCAL, HEIGHT, ROLL, TILT, CameraFit, Size
from refine.scene.ground import BALL_OVER_SOLE_M, FEET, resting

PELVIS, SMPL24 = 0, JOINT_SETS["smpl24"]
LOWER = [SMPL24.index(f"{side}_{part}") for side in ("left", "right") for part in ("ankle", "foot")]
SIZE_ERROR, SIZE_S = 0.05, 1.0  # fraction of the distance, and how long such an error lasts
FOOT_ERROR_M, FOOT_S = 0.04, 0.5  # height of a foot that stands, and how long such an error lasts
FOOT_OUTLIER_M = 0.15  # a foot this far off stands on something else
MOVING_FOOT = 0.3  # weight of the lower foot where it moves: it mostly stands, and far away it only seems to move
OTHER_FOOT_M = 0.05  # a foot this far above the other one does not stand
FOOT_CONFIDENCE_MIN = 0.3
ACCELERATION = 1.5  # spectral density of a person's along the line of sight, m^2/s^3
STILL_M_S = 0.25  # pelvis and feet of somebody who stands are slower, the feet beside the pelvis
STILL_S = 0.5  # over which that is judged
TREND_S, TREND_M_S = 3.0, 0.2  # who comes nearer faster than this, over this time, does not stand
DRIFT = 0.03  # of somebody who stands, metres per square root of a second
BREAK_S = 1.0
ACROSS_M = 0.03  # error across the line of sight
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Placement(Shaped):
    """Where a person stands."""

    shift_m: Annotated[np.ndarray, "T", 3]  # float32, to add to the translation, camera axes
    ground_cov_m2: Annotated[np.ndarray, "T", 2, 2]  # float32, of the pelvis in world x and y
    ground_systematic_m: Annotated[np.ndarray, "T", 2, 5]  # float32, what lasts of these errors; as in `MotionTrack`


def place(
    joints_m: np.ndarray,
    time_s: np.ndarray,
    is_observed: np.ndarray,
    foot_confidence: np.ndarray,
    camera: CameraFit,
    size: Size,
) -> Placement:
    """Return how far a person is moved along the line of sight, and how sure that is.

    Args:
        joints_m: (T, 24, 3) SMPL's joints, camera axes, at the distance that the size says; time_s: (T,) increasing.
        is_observed: (T,); foot_confidence: (T, 2) of the ankles' keypoints.
        size: of the person, and how sure it is.
    """
    joints = joints_m.astype(np.float64)
    far = np.linalg.norm(joints[:, PELVIS], axis=-1)
    sight = joints[:, PELVIS] / far[:, None]
    slope = sight @ camera.up  # how much higher a person gets who is moved a metre away
    rows = np.gradient(time_s) if len(time_s) > 1 else np.ones(1)
    spans = np.minimum(rows, 2.0 * np.median(rows))
    height = joints[:, FEET] @ camera.up + camera.height_m - BALL_OVER_SOLE_M
    stands = np.maximum(resting(joints, time_s, is_observed), MOVING_FOOT * is_observed[:, None])
    stands *= foot_confidence >= FOOT_CONFIDENCE_MIN
    stands *= np.exp(-(((height - height.min(axis=1, keepdims=True)) / OTHER_FOOT_M) ** 2))
    of_size = spans / SIZE_S / (SIZE_ERROR * far) ** 2 * np.where(is_observed, 1.0, 0.2)
    still = _still(joints, time_s, is_observed, sight)
    links = _Links(far, time_s, np.zeros_like(still))
    shift = np.zeros(len(far))
    for number in range(ROUNDS):
        if number == 1:  # who comes nearer without a step, as on wheels, does not stand still
            links = _Links(far, time_s, still * _unmoved(far + shift, time_s))
        off = height + (shift * slope)[:, None]
        of_foot = stands / (1.0 + (off / FOOT_OUTLIER_M) ** 2) ** 2 * (spans / FOOT_S)[:, None] / FOOT_ERROR_M**2
        found = links.solve(of_size, of_foot.sum(axis=1) * slope**2, -(of_foot * height).sum(axis=1) * slope, far, size)
        shift = found.shift_m
    by_foot = float((of_foot.sum(axis=1) * slope**2).sum())
    share = by_foot / max(by_foot + 1.0 / (np.median(far) * max(size.error, 1e-3)) ** 2, 1e-9)
    shifts = shift[:, None] * sight
    along = (sight @ camera.world_from_cam[:3, :3].T)[:, :2]
    lasting = np.concatenate(
        [_of_camera(joints[:, PELVIS] + shifts, share, camera, size), (found.of_size_m[:, None] * along)[..., None]],
        axis=-1,
    )
    cov = found.variance_m2[:, None, None] * along[:, :, None] * along[:, None] + ACROSS_M**2 * np.eye(2)
    cov += lasting @ lasting.transpose(0, 2, 1)
    return Placement(shifts.astype(np.float32), cov.astype(np.float32), lasting.astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Shifts:
    """Shifts along the line of sight (T,), and how sure they are."""

    shift_m: np.ndarray
    variance_m2: np.ndarray  # if the size were known
    of_size_m: np.ndarray  # by one standard error of the size that does not come from the camera


class _Links:
    """The system of equations of one person's distances: a band of three, and one error of size for all rows."""

    def __init__(self, far: np.ndarray, time_s: np.ndarray, still: np.ndarray) -> None:
        count = len(far)
        self._band, self._right = np.zeros((3, count)), np.zeros(count)  # lower form: [k, t] couples t and t + k
        if count < 2:
            return
        step = np.diff(time_s)
        is_linked = step <= BREAK_S
        self._add(np.array([-1.0, 1.0]), np.where(is_linked, still / (DRIFT**2 * step), 0.0), far)
        if count > 2:
            middle = 0.5 * (step[1:] + step[:-1])
            both = is_linked[1:] & is_linked[:-1]
            parts = np.stack([1.0 / step[:-1], -1.0 / step[:-1] - 1.0 / step[1:], 1.0 / step[1:]]) / middle
            self._add(parts, np.where(both, middle / ACCELERATION, 0.0), far)

    def _add(self, parts: np.ndarray, weights: np.ndarray, far: np.ndarray) -> None:
        """Add weighted squares of sums of neighbouring distances, of which the shifts are sought."""
        count, width = len(far), len(parts)
        parts = np.broadcast_to(parts.reshape(width, -1), (width, count - width + 1))
        now = sum(parts[k] * far[k : count - width + 1 + k] for k in range(width))
        for first in range(width):
            place = slice(first, count - width + 1 + first)
            self._right[place] -= weights * parts[first] * now
            for second in range(first, width):
                self._band[second - first, place] += weights * parts[first] * parts[second]

    def solve(
        self, of_size: np.ndarray, of_foot: np.ndarray, foot_right: np.ndarray, far: np.ndarray, size: Size
    ) -> _Shifts:
        """Return the shifts at the best size."""
        band = self._band.copy()
        band[0] += of_size + of_foot + 1e-9
        factor = cholesky_banded(band, lower=True)
        border = -of_size * far
        plain, beside = (cho_solve_banded((factor, True), each) for each in (self._right + foot_right, border))
        known = (of_size * far**2).sum() - border @ beside
        shift = plain + beside * (border @ plain) / (known + 1.0 / max(size.error, 1e-3) ** 2)
        own = known + 1.0 / max(size.own_error, 1e-3) ** 2
        return _Shifts(shift, _inverse_diagonal(factor), beside / np.sqrt(own))


def _inverse_diagonal(factor: np.ndarray) -> np.ndarray:
    """Return the diagonal of the inverse of a matrix from its banded Cholesky factor (3, T), lower form.

    Source: K. Takahashi, J. Fagan, M.-S. Chin 1973, the recursion for the entries of an inverse inside the band.
    """
    count = factor.shape[1]
    found = np.zeros(count + 2)
    next_one = np.zeros(count + 2)  # the entries beside the diagonal
    for row in range(count - 1, -1, -1):
        pivot, first, second = factor[:, row]
        first, second = first / pivot, second / pivot
        beside = -first * found[row + 1] - second * next_one[row + 1]
        after = -first * next_one[row + 1] - second * found[row + 2]
        next_one[row] = beside
        found[row] = 1.0 / pivot**2 - first * beside - second * after
    return found[:count]


def _still(joints: np.ndarray, time_s: np.ndarray, is_observed: np.ndarray, sight: np.ndarray) -> np.ndarray:
    """Return how sure it is (T - 1,), 0 to 1, that a person stands still from a row to the next.

    The image shows that neither feet nor pelvis move across the line of sight, and the body that no leg steps.
    """
    if len(time_s) < 2:
        return np.zeros(0)
    first, last = _around(time_s, STILL_S)
    seconds = np.maximum(time_s[last] - time_s[first], 1e-6)

    def speed(points: np.ndarray, is_across: bool) -> np.ndarray:
        move = points[last] - points[first]
        if is_across:
            move = move - (move * sight[:, None]).sum(axis=-1, keepdims=True) * sight[:, None]
        return np.asarray(np.linalg.norm(move, axis=-1).max(axis=1) / seconds)

    across = speed(joints[:, [PELVIS, *LOWER]], True)
    stepping = speed(joints[:, LOWER] - joints[:, [PELVIS]], False)
    still = np.exp(-((across / STILL_M_S) ** 4) - (stepping / STILL_M_S) ** 4) * is_observed
    return np.minimum(still[1:], still[:-1])


def _unmoved(far: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Return how sure it is (T - 1,), 0 to 1, that distances (T,) do not change on purpose."""
    if len(far) < 2:
        return np.zeros(0)
    first, last = _around(time_s, TREND_S)
    speed = np.abs(far[last] - far[first]) / np.maximum(time_s[last] - time_s[first], 0.5 * TREND_S)
    unmoved = np.exp(-((speed / TREND_M_S) ** 4))
    return np.asarray(np.minimum(unmoved[1:], unmoved[:-1]))


def _around(time_s: np.ndarray, span_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last row of the span around each row."""
    first = np.searchsorted(time_s, time_s - 0.5 * span_s)
    last = np.searchsorted(time_s, time_s + 0.5 * span_s, side="right") - 1
    return first, last


def _of_camera(pelvis: np.ndarray, share: float, camera: CameraFit, size: Size) -> np.ndarray:
    """Return how far pelvises (T, 3) move on the ground (T, 2, 4) by four independent standard errors of the camera.

    Args:
        share: how much the feet, and not the size, say where the person stands.
    """
    height = pelvis @ camera.up + camera.height_m
    place = (pelvis @ camera.world_from_cam[:3, :3].T)[:, :2]

    def moved(tilt: float = 0.0, roll: float = 0.0, focal: float = 0.0, above: float = 0.0) -> np.ndarray:
        turned = CameraFit(
            camera.tilt_rad + tilt, camera.roll_rad + roll, 1.0, camera.height_m * np.exp(above), np.eye(4), {}
        )
        of_size = pelvis * np.array([1.0, 1.0, np.exp(focal)])
        direction = of_size @ turned.world_from_cam[:3, :3].T
        down = np.minimum(direction[:, 2], -0.02 * np.abs(direction[:, 1]))
        of_feet = direction[:, :2] * ((height - turned.height_m) / down)[:, None]
        return np.asarray(share * of_feet + (1.0 - share) * direction[:, :2])

    steps = {"tilt": TILT, "roll": ROLL, "focal": FOCAL, "above": HEIGHT}
    slopes = np.zeros((len(pelvis), 2, 4))
    for name, number in steps.items():
        step = max(camera.sigma(number), 1e-6)
        slopes[..., number] = (moved(**{name: step}) - moved(**{name: -step})) / (2.0 * step)
    slopes += (1.0 - share) * place[:, :, None] * size.slopes
    return np.asarray(slopes @ np.linalg.cholesky(camera.covariance))
