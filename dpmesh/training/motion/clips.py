"""Stretches of recorded motion at many frame rates, changed so that few recordings become many."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from dpmesh.training.mocap.augment import LIMBS, NOISE_DEG, mirror, turn_root
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.limits import clamp_to_limits
from dpmesh.training.mocap.retarget import slerped
from dpmesh.training.mocap.skeleton import JOINT_NAMES

RATES_HZ = (20.0, 60.0)
PACES = (0.7, 1.4)  # how much faster than recorded
SWING_KNOTS = 4  # of slow noise over a clip
_SWAP_PROBABILITY, _LIMB_PROBABILITY, _NOISE_PROBABILITY, _LEAN_PROBABILITY = 0.35, 0.5, 0.6, 0.25
_LEAN_DEG = 15.0


@dataclass(frozen=True, slots=True)
class Clips:
    """Motions of the same length, Y up."""

    pose: np.ndarray  # (N, T, 24, 3) float32 axis-angle
    pelvis: np.ndarray  # (N, T, 3) float32 metres
    time_s: np.ndarray  # (N, T) float64 from 0


def draw_clips(bank: PoseBank, rng: np.random.Generator, count: int, frames: int, split: str) -> Clips:
    """Return clips of all categories in any direction: mirrored, leaning, with limbs of other clips, with slow noise.

    Frame rate and pace are drawn for each clip.

    Raises:
        ValueError: no recording of the split is long enough.
    """
    rate = np.exp(rng.uniform(math.log(RATES_HZ[0]), math.log(RATES_HZ[1]), count))
    pace = np.exp(rng.uniform(math.log(PACES[0]), math.log(PACES[1]), count))
    time = np.arange(frames) / rate[:, None]
    pose = np.empty((count, frames, 24, 3), np.float32)
    pelvis = np.empty((count, frames, 3), np.float32)
    for row in range(count):
        recorded = bank.clip(rng, time[row, -1] * pace[row] + 2.0 / bank.rate_hz, split)
        recorded_s, wanted_s = np.arange(len(recorded.pose)) / bank.rate_hz, time[row] * pace[row]
        pose[row] = slerped(recorded.pose, recorded_s, wanted_s)
        pelvis[row] = CubicSpline(recorded_s, recorded.trans)(wanted_s)
    pose = _with_swapped_limbs(pose, rng)
    turned = rng.random(count) < 0.5
    pose[turned] = mirror(pose[turned])
    pelvis[turned, :, 0] *= -1.0
    pose = _with_slow_noise(pose, rng)
    lean = rng.normal(0.0, np.radians(_LEAN_DEG), (count, 1, 3)) * (1.0, 0.0, 1.0)
    lean *= (rng.random(count) < _LEAN_PROBABILITY)[:, None, None]
    flat = turn_root(pose.reshape(-1, 24, 3), np.repeat(lean[:, 0], frames, axis=0))
    return Clips(flat.reshape(pose.shape), pelvis, time)


def _with_swapped_limbs(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return clips some of whose arms and legs move as in other clips."""
    out = pose.copy()
    for row in np.flatnonzero(rng.random(len(pose)) < _SWAP_PROBABILITY):
        for limb in LIMBS:
            if rng.random() < _LIMB_PROBABILITY:
                out[row][:, list(limb)] = pose[rng.integers(len(pose))][:, list(limb)]
    return out


def _with_slow_noise(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return clips some of whose joints swing away slowly and come back, within the joint limits."""
    out = pose.copy()
    rows = np.flatnonzero(rng.random(len(pose)) < _NOISE_PROBABILITY)
    if not len(rows):
        return out
    deviation = np.radians([NOISE_DEG[name.split("_")[-1]] for name in JOINT_NAMES])
    knots = rng.normal(size=(len(rows), SWING_KNOTS, 24, 3)) * deviation[:, None]
    knots *= rng.uniform(0.2, 1.6, (len(rows), 1, 1, 1))
    knots[:, :, 0] = knots[:, :1, 0]
    noise = CubicSpline(np.linspace(0.0, 1.0, SWING_KNOTS), knots, axis=1)(np.linspace(0.0, 1.0, pose.shape[1]))
    turned = Rotation.from_rotvec(out[rows].reshape(-1, 3)) * Rotation.from_rotvec(noise.reshape(-1, 3))
    limited = clamp_to_limits(turned.as_rotvec().reshape(-1, 24, 3).astype(np.float32))
    out[rows] = limited.reshape(len(rows), *pose.shape[1:])
    return out
