"""Keypoints as a detector would give them: jitter, misses, left-right inversion and swaps with neighbours.

The kinds of error follow PoseFix (Moon et al. 2019); the rates are simplified to one number per kind.
"""

from dataclasses import dataclass

import numpy as np

from dpmesh.keypoints import DPMESH30_FROM_COCO, DPMESH30_GIVEN, DPMESH30_NECK, DPMESH30_PELVIS

MIRROR_PAIRS = ((1, 2), (4, 5), (7, 8), (16, 17), (18, 19), (20, 21), (25, 26), (27, 28))
HIP_INDICES, SHOULDER_INDICES = (1, 2), (16, 17)


@dataclass(frozen=True, slots=True)
class KeypointNoise:
    """How often and how far keypoints are wrong; lengths are shares of the crop's side."""

    jitter: float = 0.012
    hidden_jitter: float = 0.035
    miss_rate: float = 0.03
    miss_length: float = 0.12
    inversion_rate: float = 0.03
    swap_rate: float = 0.04
    drop_visible: float = 0.04
    drop_hidden: float = 0.45
    weak_rate: float = 0.3  # share of crops whose detector is a weak one, with up to this many times the jitter
    weak_factor: float = 4.0
    detected_rate: float = 0.5  # share of the rows that a detector looked at in which its keypoints are taken
    detected_score_min: float = 0.3
    blackout_rate: float = 0.1  # share of crops in which a random half loses all its keypoints


def noisy_joints(
    joints_px: np.ndarray,
    visible: np.ndarray,
    neighbours_px: np.ndarray,
    crop_px: int,
    noise: KeypointNoise,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (R, 30, 2) in crop pixels as a detector would place them, and which are given (R, 30) bool.

    Args:
        joints_px: (R, 30, 2) true places in the crop.
        visible: (R, 30) 0 outside the crop, 1 hidden, 2 visible.
        neighbours_px: (R, N, 17, 2) COCO keypoints of people near by, NaN where nobody is.
    """
    rows = len(joints_px)
    out = joints_px.astype(np.float32).copy()
    for left, right in MIRROR_PAIRS:
        turned = rng.random(rows) < noise.inversion_rate
        out[turned, left], out[turned, right] = joints_px[turned, right], joints_px[turned, left]
    for target, source in DPMESH30_FROM_COCO.items():
        other = neighbours_px[np.arange(rows), rng.integers(neighbours_px.shape[1], size=rows), source]
        near = np.linalg.norm(other - joints_px[:, target], axis=-1) < 0.35 * crop_px
        # A hidden joint is the one a detector takes from the person in front.
        rate = np.where(visible[:, target] == 1, 4.0, 1.0) * noise.swap_rate
        taken = near & (rng.random(rows) < rate)
        out[taken, target] = other[taken]
    sigma = np.where(visible == 1, noise.hidden_jitter, noise.jitter) * rng.uniform(0.3, 1.7, (rows, 1))
    weak = np.where(rng.random((rows, 1)) < noise.weak_rate, rng.uniform(1.0, noise.weak_factor, (rows, 1)), 1.0)
    sigma *= weak
    missed = rng.random((rows, 30)) < noise.miss_rate
    sigma = np.where(missed, noise.miss_length, sigma) * crop_px
    out += rng.normal(size=out.shape).astype(np.float32) * sigma[..., None].astype(np.float32)
    for target, (left, right) in ((DPMESH30_PELVIS, HIP_INDICES), (DPMESH30_NECK, SHOULDER_INDICES)):
        out[:, target] = 0.5 * (out[:, left] + out[:, right])
    drop = np.where(visible == 1, noise.drop_hidden * rng.uniform(0, 2, (rows, 1)), noise.drop_visible)
    given = (visible > 0) & (rng.random((rows, 30)) >= drop)
    given &= ~_blackout(joints_px, crop_px, noise.blackout_rate, rng)
    given &= ((out >= 0) & (out < crop_px)).all(axis=-1)
    known = np.zeros(30, bool)
    known[list(DPMESH30_GIVEN)] = True
    given &= known
    return out, given


def _blackout(joints_px: np.ndarray, crop_px: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return which joints lie on the lost side of a random line, for a random share of the rows."""
    rows = len(joints_px)
    angle = rng.uniform(0, 2 * np.pi, rows)
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    offset = rng.uniform(-0.1, 0.3, rows) * crop_px
    side = ((joints_px - crop_px / 2) * normal[:, None]).sum(-1) > offset[:, None]
    return side & (rng.random(rows) < rate)[:, None]
