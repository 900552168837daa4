"""Recorded motions laid on one floor so that people cross and hide each other: the plot of the demo clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, minimum_filter1d
from scipy.spatial.transform import Rotation, Slerp

from configs.errors import InputError
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.retarget import slerped

_APART_M = 0.5
_NEAR_PX = 50.0


@dataclass(frozen=True, slots=True)
class Motion:
    """One person in a world with y up; the floor is y = 0."""

    pose: np.ndarray  # (T, 24, 3) float32
    pelvis: np.ndarray  # (T, 3) float32 metres


@dataclass(frozen=True, slots=True)
class Role:
    """What one person of the clip does, and where."""

    sequence: str  # name in the pose bank
    looped: bool  # repeat the gait cycle until the clip ends
    across: tuple[float, float]  # metres right of the camera, drawn between; for a looped walk where it is half-way
    ahead: tuple[float, float]  # metres in front of the camera
    heading: float | None  # radians, where the first frames face: 0 towards the camera, pi/2 right; None is any


def read_motion(bank: PoseBank, name: str) -> Motion:
    """Return one recorded sequence. Raises InputError when the bank has none of that name."""
    rows = np.flatnonzero(bank.names == name)
    if len(rows) == 0:
        raise InputError(f"the pose bank has no sequence {name!r}; make it from both motion archives")
    part = slice(*bank.starts[rows[0] : rows[0] + 2])
    return Motion(bank.pose[part], bank.trans[part])


def loop_gait(motion: Motion, frames: int, rate_hz: float) -> Motion:
    """Return a walk of `frames` frames: the recorded one, then its best-closing cycle again and again."""
    turns = Rotation.from_rotvec(motion.pose.reshape(-1, 3)).as_matrix().reshape(len(motion.pose), -1)
    shortest, longest = round(0.8 * rate_hz), round(1.8 * rate_hz)
    best, start, stop = np.inf, 0, 0
    for i in range(len(turns) // 4, len(turns) - shortest):
        for j in range(i + shortest, min(i + longest, len(turns) - 1)):
            gap = float(((turns[i] - turns[j]) ** 2).sum() + ((turns[i + 1] - turns[j + 1]) ** 2).sum())
            if gap < best:
                best, start, stop = gap, i, j
    order = np.arange(stop)
    while len(order) < frames:
        order = np.append(order, np.arange(start, stop))
    order = order[:frames]
    step = np.gradient(motion.pelvis, axis=0)
    pelvis = motion.pelvis[order[0]] + np.cumsum(step[order], axis=0) - step[order[0]]
    pelvis[:, 1] = motion.pelvis[order, 1]
    return Motion(_smoothed_seams(motion.pose[order], np.flatnonzero(np.diff(order) != 1) + 1), pelvis)


def _smoothed_seams(pose: np.ndarray, seams: np.ndarray, reach: int = 4) -> np.ndarray:
    out = pose.copy()
    for seam in seams:
        first, last = max(seam - reach, 0), min(seam + reach, len(pose) - 1)
        for joint in range(pose.shape[1]):
            ends = Rotation.from_rotvec(pose[[first, last], joint])
            bridge = Slerp([first, last], ends)(np.arange(first, last + 1))
            own = Rotation.from_rotvec(pose[first : last + 1, joint])
            # Near the seam the bridge counts most: a triangle of weight up to one.
            weight = 1 - np.abs(np.arange(first, last + 1) - seam) / (reach + 1)
            turn = (own.inv() * bridge).as_rotvec() * weight[:, None]
            out[first : last + 1, joint] = (own * Rotation.from_rotvec(turn)).as_rotvec()
    return out


def resample(motion: Motion, rate_hz: float, wanted_hz: float, frames: int, start: int = 0) -> Motion:
    """Return `frames` frames at another rate, from frame `start` on, rotations by spherical interpolation."""
    times = start + np.arange(frames) * (rate_hz / wanted_hz)
    grid = np.arange(len(motion.pose))
    pelvis = [np.interp(times, grid, motion.pelvis[:, k]) for k in range(3)]
    return Motion(slerped(motion.pose, grid, times).astype(np.float32), np.stack(pelvis, 1).astype(np.float32))


def turned(motion: Motion, yaw_rad: float) -> Motion:
    """Return the motion turned about the vertical through the origin."""
    turn = Rotation.from_rotvec([0.0, yaw_rad, 0.0])
    pose = motion.pose.copy()
    pose[:, 0] = (turn * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    return Motion(pose, turn.apply(motion.pelvis).astype(np.float32))


def keep_on_floor(motion: Motion, lowest: np.ndarray, rate_hz: float) -> Motion:
    """Return the motion shifted so that within a second its lowest point touches the floor.

    Args:
        lowest: (T,) height of the body's lowest vertex.

    Jumps stay jumps; slow drifts of the recorded floor go.
    """
    window = max(int(rate_hz), 1)
    level = gaussian_filter1d(minimum_filter1d(lowest, window, mode="nearest"), window / 4, mode="nearest")
    pelvis = motion.pelvis.copy()
    pelvis[:, 1] -= level
    return Motion(motion.pose, pelvis)


def lay_out(
    rng: np.random.Generator,
    bank: PoseBank,
    roles: list[Role],
    frames: int,
    rate_hz: float,
    focal_px: float,
    width_px: int,
    tries: int = 8000,
) -> list[Motion]:
    """Return every role's motion in the world of the camera's foot, x right and z back, arranged so that people pass
    closely in the image but never through each other.

    Raises:
        InputError: no arrangement keeps them apart.
    """
    needed = int(np.ceil(frames * bank.rate_hz / rate_hz)) + 2
    sources = [read_motion(bank, role.sequence) for role in roles]
    sources = [
        loop_gait(s, max(needed, len(s.pose)), bank.rate_hz) if role.looped else s
        for s, role in zip(sources, roles, strict=True)
    ]
    best, chosen = -np.inf, [_Spot(0, 0.0, np.zeros(3))]
    for _ in range(tries):
        spots = [_draw_spot(rng, s, r, needed) for s, r in zip(sources, roles, strict=True)]
        paths = np.stack([_path(s, spot, needed) for s, spot in zip(sources, spots, strict=True)])
        score = _score(paths, [r.looped for r in roles], focal_px, width_px)
        if score > best:
            best, chosen = score, spots
    if not np.isfinite(best):
        raise InputError(f"no arrangement of {len(roles)} people in {tries} tries keeps them {_APART_M} m apart")
    cast = []
    for source, spot in zip(sources, chosen, strict=True):
        motion = turned(resample(source, bank.rate_hz, rate_hz, frames, spot.start), spot.yaw_rad)
        cast.append(Motion(motion.pose, motion.pelvis + spot.shift.astype(np.float32)))
    return cast


@dataclass(frozen=True, slots=True)
class _Spot:
    start: int  # first frame used
    yaw_rad: float
    shift: np.ndarray  # (3,) metres, after the turn


def _draw_spot(rng: np.random.Generator, source: Motion, role: Role, needed: int) -> _Spot:
    if len(source.pose) < needed:
        raise InputError(f"{role.sequence} lasts {len(source.pose)} frames, {needed} are needed")
    start = 0 if role.looped else int(rng.integers(0, len(source.pose) - needed + 1))
    if role.heading is None:
        yaw = rng.uniform(-np.pi, np.pi)
    else:
        facing = Rotation.from_rotvec(source.pose[start : start + 5, 0]).apply([0.0, 0.0, 1.0]).mean(0)
        yaw = role.heading + rng.normal(0, 0.08) - float(np.arctan2(facing[0], facing[2]))
    path = _path(source, _Spot(start, yaw, np.zeros(3)), needed)
    middle = path[needed // 2] if role.looped else (path.max(0) + path.min(0)) / 2
    spot = np.array([rng.uniform(*role.across), 0.0, -rng.uniform(*role.ahead)])
    return _Spot(start, yaw, spot - np.array([middle[0], 0.0, middle[1]]))


def _path(source: Motion, spot: _Spot, needed: int) -> np.ndarray:
    """Return where the pelvis goes over the floor (needed, 2), x and z."""
    x, _, z = source.pelvis[spot.start : spot.start + needed].T
    sin, cos = np.sin(spot.yaw_rad), np.cos(spot.yaw_rad)
    return np.stack([cos * x + sin * z, cos * z - sin * x], 1) + spot.shift[[0, 2]]


def _score(paths: np.ndarray, leaves: list[bool], focal_px: float, width_px: int) -> float:
    """Return how often people pass before each other; -infinity when two touch or one comes too near."""
    ahead = -paths[..., 1]
    column = paths[..., 0] / ahead.clip(0.5) * focal_px
    inside = np.abs(column) < width_px / 2 - 25
    if ahead.min() < 2.2:
        return -np.inf
    score = 0.0
    for i in range(len(paths)):
        if not leaves[i]:
            score -= 3.0 * float((~inside[i]).mean())
        for j in range(i):
            if np.linalg.norm(paths[i] - paths[j], axis=-1).min() < _APART_M:
                return -np.inf
            together = float((inside[i] & inside[j] & (np.abs(column[i] - column[j]) < _NEAR_PX)).mean())
            score += min(together, 0.2) - 2.0 * max(together - 0.3, 0.0)
    return score
