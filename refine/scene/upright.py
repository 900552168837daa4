"""Bodies that a network recovered as if the camera were level stand up, once the ground says how it stands.

Seen from above, people are recovered leaning away from the camera by about half the angle that it looks down at them
(`compact`, rendered views from 5 to 33 degrees); the lean sideways, which the image shows, has no such error.
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from refine.rows.smooth import smooth_values
from refine.scene.camera import FORWARD_ERROR_RAD, FORWARD_RAD, SIDEWAYS_ERROR_RAD, independent
from refine.scene.standing import axis_of, facing_of, is_straight, view_axes

LEAN_GUESS, LEAN_GUESS_ERROR = 0.4, 0.3  # of the angle of view that a body leans away by
LEAN_SPREAD_RAD = 0.08  # of rows about it
SWAY_RAD = 0.05  # by which the truth sways in motion capture of standing and walking people
SWAY_HZ = 2.0  # how fast it is believed or not that somebody stands
LEAN_MAX_RAD = 0.7  # who leans more does not stand
SCALE_MAX, SHAPE_STEP_MAX = 0.15, 2.0
ROUNDS = 5


def lean_away(
    joints_m: np.ndarray, time_s: np.ndarray, is_observed: np.ndarray, up: np.ndarray, guess: float = LEAN_GUESS
) -> np.ndarray:
    """Return the rotation vectors (T, 3), camera axes, that stand a body upright.

    One number per person is found: the lean as a fraction of the angle under which the camera sees the person. What is
    left of rows in which somebody stands is shrunk by how much less people truly sway than they are recovered to do.

    Args:
        joints_m: (T, 17, 3) COCO joints, camera axes; time_s: (T,); is_observed: (T,); up: (3,).
        guess: the fraction where nobody stands long enough to tell.
    """
    middle = joints_m.mean(axis=1).astype(np.float64)
    away, side = view_axes(middle, up)
    angle = np.arcsin(np.clip(-(middle @ up) / np.linalg.norm(middle, axis=-1), -1.0, 1.0))
    axis, _ = axis_of(joints_m)
    lean, aside = (np.arctan2((axis * way).sum(axis=-1), axis @ up) for way in (away, side))
    used = is_straight(joints_m, is_observed) & (np.abs(lean) < LEAN_MAX_RAD)
    count = independent(time_s[used]) / max(int(used.sum()), 1)
    right, ahead = facing_of(joints_m, up).T
    forward, sideways = _posture(np.stack([right, ahead], axis=1)[used], aside[used], count)
    lean -= forward * ahead - sideways * right
    weight = count / LEAN_SPREAD_RAD**2
    fraction = guess
    for _ in range(ROUNDS):
        off = (lean[used] - fraction * angle[used]) / LEAN_SPREAD_RAD
        weights = weight / (1.0 + (off / 3.0) ** 2)
        above = guess / LEAN_GUESS_ERROR**2 + (weights * angle[used] * lean[used]).sum()
        fraction = above / (1.0 / LEAN_GUESS_ERROR**2 + (weights * angle[used] ** 2).sum())
    left = lean - fraction * angle
    trust = LEAN_SPREAD_RAD**2 / (LEAN_SPREAD_RAD**2 + SWAY_RAD**2)
    shrunk = np.where(used, trust / (1.0 + (left / LEAN_SPREAD_RAD / 3.0) ** 2) * left, 0.0)
    shrunk = smooth_values(time_s, shrunk[:, None], SWAY_HZ)[:, 0]
    return np.asarray(np.cross(away, up) * (fraction * angle + shrunk)[:, None])


def _posture(facing: np.ndarray, aside: np.ndarray, count: float) -> np.ndarray:
    """Return how far a person leans forward and to their right (2,) when they stand.

    Args:
        facing: (S, 2) of `facing_of`; aside: (S,) lean to the right as the camera sees it, which the image shows well.
        count: independent rows for each of these.
    """
    usual, error = np.array([FORWARD_RAD, 0.0]), np.array([FORWARD_ERROR_RAD, SIDEWAYS_ERROR_RAD])
    known = count / SWAY_RAD**2 * facing
    return np.asarray(np.linalg.solve(known.T @ facing + np.diag(error**-2), known.T @ aside + usual / error**2))


def turned(rotvec: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Return rotations (T, 3) followed by others (T, 3), float32 axis-angle."""
    return np.asarray((Rotation.from_rotvec(by) * Rotation.from_rotvec(rotvec)).as_rotvec(), np.float32)


def scaled_shape(betas: np.ndarray, scale_log: float, stature_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the shape (10,) nearest to `betas` whose stature is `exp(scale_log)` times as large.

    Args:
        stature_of: gives the statures (R,) of shapes (R, 10), which are linear in them.
    """
    steps = np.concatenate([np.zeros((1, len(betas))), np.eye(len(betas))])
    statures = stature_of((betas + steps).astype(np.float32)).astype(np.float64)
    slope = statures[1:] - statures[0]
    wanted = statures[0] * np.expm1(np.clip(scale_log, -SCALE_MAX, SCALE_MAX))
    step = slope * wanted / max(float(slope @ slope), 1e-12)
    size = float(np.linalg.norm(step))
    return np.asarray(betas + step * min(1.0, SHAPE_STEP_MAX / max(size, 1e-12)), np.float32)
