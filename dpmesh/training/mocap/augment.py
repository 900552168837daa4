"""Making more poses out of few: mirror, mix of two bodies, interpolation, seats, tilts, noise within joint limits.

Every function takes poses (N, 24, 3) float32 axis-angle and returns new ones; chance comes from the generator alone.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from configs.skeletons import MIRRORED_24
from dpmesh.training.mocap.limits import clamp_to_limits
from dpmesh.training.mocap.skeleton import JOINT_COUNT, JOINT_INDEX, JOINT_NAMES

LOWER_JOINTS = tuple(
    JOINT_INDEX[f"{side}_{part}"] for part in ("hip", "knee", "ankle", "foot") for side in ("left", "right")
)
UPPER_JOINTS = tuple(row for row in range(1, JOINT_COUNT) if row not in LOWER_JOINTS)
LIMBS = tuple(
    tuple(JOINT_INDEX[f"{side}_{part}"] for part in parts)
    for parts in (("hip", "knee", "ankle", "foot"), ("collar", "shoulder", "elbow", "wrist"))
    for side in ("left", "right")
)
_LIMB_PROBABILITY = 0.6  # that one limb of a pose chosen for it comes from elsewhere
_LEAN_DEG = 22.0
# Standard deviation of the noise in degrees at strength 1; the recordings hold no wrist, so wrists get the most.
NOISE_DEG = {
    "hip": 6.0, "knee": 6.0, "ankle": 8.0, "foot": 5.0, "spine1": 4.0, "spine2": 4.0, "spine3": 3.0, "neck": 6.0,
    "head": 8.0, "collar": 4.0, "shoulder": 9.0, "elbow": 8.0, "wrist": 18.0, "hand": 0.0, "pelvis": 4.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How often a drawn pose is changed, each a probability; 0 everywhere gives the recorded poses."""

    mirror: float = 0.5
    mix: float = 0.25  # lower body of one frame, upper body of another
    limbs: float = 0.45  # each arm and leg from any frame
    between: float = 0.15  # on the way between two frames of one category
    seat: float = 0.08  # legs bent as on a seat
    lie: float = 0.03  # the whole body turned onto its back, front or side
    lean: float = 0.35  # the whole body leaning to any side
    tilt: float = 0.04  # the whole body in any orientation
    noise: float = 0.7
    strong: float = 0.25  # share of the noise that is 2.5 times as strong
    yaw: float = 1.0  # turned about the vertical by any angle


def mirror(pose: np.ndarray) -> np.ndarray:
    """Return the poses seen mirrored: left and right swapped across the body's YZ plane."""
    return pose[..., list(MIRRORED_24), :] * np.array([1.0, -1.0, -1.0], dtype=pose.dtype)


def mix(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return root and legs of `lower` under trunk, arms and head of `upper`."""
    out = lower.copy()
    out[:, list(UPPER_JOINTS)] = upper[:, list(UPPER_JOINTS)]
    return out


def mix_limbs(pose: np.ndarray, givers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the poses with some arms and legs from other poses, each limb from one of its own."""
    out = pose.copy()
    for limb in LIMBS:
        joints = np.array(limb)
        rows = np.flatnonzero(rng.random(len(pose)) < _LIMB_PROBABILITY)
        out[np.ix_(rows, joints)] = givers[np.ix_(rng.integers(len(givers), size=len(rows)), joints)]
    return out


def between(first: np.ndarray, second: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Return poses `fraction` (N,) of the way from first to second, joint by joint; the root stays the first's."""
    a, b = _rotation(first), _rotation(second)
    step = (a.inv() * b).as_rotvec().reshape(first.shape) * fraction[:, None, None]
    step[:, 0] = 0.0
    return _as_pose(a * _rotation(step), first)


def seat(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the poses with upright root and legs as on a seat, feet about level."""
    count = len(pose)
    out = pose.copy()
    out[:, 0] = np.radians(rng.uniform((-25, 0, -6), (20, 0, 6), (count, 3)))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hip = rng.uniform((-110, -15, -5), (-60, 15, 30), (count, 3)) * (1.0, sign, sign)
        knee = rng.uniform(45, 120, count)
        ankle = np.clip(-(hip[:, 0] + knee) + rng.normal(0, 12, count), -35, 35)
        out[:, JOINT_INDEX[f"{side}_hip"]] = np.radians(hip)
        out[:, JOINT_INDEX[f"{side}_knee"]] = np.radians(np.stack([knee, 0 * knee, 0 * knee], axis=1))
        out[:, JOINT_INDEX[f"{side}_ankle"]] = np.radians(np.stack([ankle, 0 * knee, 0 * knee], axis=1))
    return out


def lie(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the poses turned by about a right angle from upright: on the back, the front or a side."""
    count = len(pose)
    heading = rng.uniform(0, 2 * np.pi, count)
    angle = np.radians(rng.normal(90, 12, count))
    axis = np.stack([np.cos(heading), np.zeros(count), np.sin(heading)], axis=1)
    return turn_root(pose, axis * angle[:, None])


def lean(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the poses tilted a little from where they stand, to any side."""
    turn = rng.normal(0, np.radians(_LEAN_DEG), (len(pose), 3)) * np.array([1.0, 0.0, 1.0])
    return turn_root(pose, turn)


def tilt(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the poses in orientations drawn evenly from all rotations."""
    out = pose.copy()
    out[:, 0] = Rotation.random(len(pose), rng=rng).as_rotvec() if len(pose) else 0.0
    return out


def turn_root(pose: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return the poses turned in the world by rotation vectors (N, 3)."""
    out = pose.copy()
    if len(pose):
        out[:, 0] = (Rotation.from_rotvec(turn) * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    return out


def add_noise(pose: np.ndarray, strength: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the poses with every joint turned a little, strength (N,), cut to the joint limits."""
    deviation = np.radians([NOISE_DEG[name.split("_")[-1]] for name in JOINT_NAMES])
    noise = rng.normal(size=pose.shape) * deviation[:, None] * strength[:, None, None]
    return clamp_to_limits(_as_pose(_rotation(pose) * _rotation(noise), pose))


def augment(
    pose: np.ndarray, partner: np.ndarray, kin: np.ndarray, rng: np.random.Generator, probabilities: Augmentation
) -> np.ndarray:
    """Return each pose changed at random.

    Args:
        pose: (N, 24, 3) the drawn poses.
        partner: (N, 24, 3) other poses, givers of upper bodies.
        kin: (N, 24, 3) other poses of the same category, the far ends of interpolation.
    """
    count = len(pose)

    def chosen(probability: float) -> np.ndarray:
        return np.flatnonzero(rng.random(count) < probability)

    out = pose.copy()
    rows = chosen(probabilities.between)
    out[rows] = between(out[rows], kin[rows], rng.random(len(rows)))
    rows = chosen(probabilities.mix)
    out[rows] = mix(out[rows], partner[rows])
    rows = chosen(probabilities.limbs)
    out[rows] = mix_limbs(out[rows], partner, rng)
    rows = chosen(probabilities.seat)
    out[rows] = seat(out[rows], rng)
    rows = chosen(probabilities.lie)
    out[rows] = lie(out[rows], rng)
    rows = chosen(probabilities.lean)
    out[rows] = lean(out[rows], rng)
    rows = chosen(probabilities.tilt)
    out[rows] = tilt(out[rows], rng)
    rows = chosen(probabilities.noise)
    strength = rng.uniform(0.2, 1.3, len(rows)) * np.where(rng.random(len(rows)) < probabilities.strong, 2.5, 1.0)
    out[rows] = add_noise(out[rows], strength, rng)
    rows = chosen(probabilities.mirror)
    out[rows] = mirror(out[rows])
    rows = chosen(probabilities.yaw)
    angle = rng.uniform(-np.pi, np.pi, len(rows))
    out[rows] = turn_root(out[rows], angle[:, None] * np.array([0.0, 1.0, 0.0]))
    return out


def _rotation(pose: np.ndarray) -> Rotation:
    return Rotation.from_rotvec(pose.reshape(-1, 3).astype(np.float64))


def _as_pose(rotation: Rotation, like: np.ndarray) -> np.ndarray:
    return rotation.as_rotvec().reshape(like.shape).astype(like.dtype)
