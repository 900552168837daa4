"""Recorded walks led along any path, with people who stop and stand, or hug, on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from dpmesh.training.mocap.demo_motion import Motion, loop_gait
from dpmesh.training.mocap.retarget import slerped

_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_ELBOW, _RIGHT_ELBOW = 16, 17, 18, 19


@dataclass(frozen=True, slots=True)
class Gait(Shaped):
    """A walk straight ahead: it faces +z."""

    pose: Annotated[np.ndarray, "F", 24, 3]  # axis-angle
    height_m: Annotated[np.ndarray, "F"]  # of the pelvis
    along_m: Annotated[np.ndarray, "F"]  # walked so far, increasing
    speed_mps: float


@dataclass(frozen=True, slots=True)
class Course(Shaped):
    """Where somebody goes, at the pose bank's rate."""

    spot_m: Annotated[np.ndarray, "T", 2]  # x and z of the pelvis
    heading_rad: Annotated[np.ndarray, "T"]  # from z towards x, without jumps
    along_m: Annotated[np.ndarray, "T"]  # walked so far
    standing: Annotated[np.ndarray, "T"]  # 0 walks, 1 stands
    hugging: Annotated[np.ndarray, "T"]  # 0 arms down, 1 arms round somebody, while standing


def gait_of(motion: Motion, rate_hz: float, length_m: float) -> Gait:
    """Return a recorded walk as one straight ahead, repeated until it is `length_m` long."""
    frames = len(motion.pose)
    while True:
        walk = loop_gait(motion, frames, rate_hz)
        smooth = gaussian_filter1d(walk.pelvis[:, [0, 2]].astype(np.float64), 0.4 * rate_hz, axis=0, mode="nearest")
        step = np.gradient(smooth, axis=0)
        along = np.cumsum(np.maximum(np.linalg.norm(step, axis=1), 1e-4))
        if along[-1] >= length_m:
            break
        frames = round(1.1 * frames * max(1.2, length_m / along[-1]))
    heading = np.unwrap(np.arctan2(step[:, 0], step[:, 1]))
    pose = walk.pose.copy()
    pose[:, 0] = (_yaw(-heading) * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    return Gait(pose, walk.pelvis[:, 1].astype(np.float64), along, float(along[-1] / len(along) * rate_hz))


def lead(gait: Gait, course: Course) -> Motion:
    """Return the walk along a course; the feet keep the recorded length of step whatever the speed."""
    frames = np.arange(len(gait.along_m))
    index = np.interp(course.along_m + gait.along_m[0], gait.along_m, frames)
    walking = Rotation.from_rotvec(slerped(gait.pose, frames, index).reshape(-1, 3))
    still = Rotation.from_rotvec(_standing_poses(course.hugging).reshape(-1, 3))
    share = np.repeat(course.standing, 24)[:, None]
    mixed = (walking * Rotation.from_rotvec(share * (walking.inv() * still).as_rotvec())).as_rotvec()
    pose = mixed.reshape(-1, 24, 3).astype(np.float32)
    pose[:, 0] = (_yaw(course.heading_rad) * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    height = np.interp(index, frames, gait.height_m)
    return Motion(pose, np.stack([course.spot_m[:, 0], height, course.spot_m[:, 1]], axis=1).astype(np.float32))


def loop_course(points: np.ndarray, along_m: np.ndarray) -> Course:
    """Return a walk round a closed path (K, 2), whose last point is its first, at lengths (T,) of any size."""
    reached = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])

    def at(lengths: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(lengths % reached[-1], reached, points[:, k]) for k in range(2)], axis=1)

    ahead = at(along_m + 0.1) - at(along_m - 0.1)
    none = np.zeros(len(along_m))
    heading = np.unwrap(np.arctan2(ahead[:, 0], ahead[:, 1]))
    return Course(at(along_m), heading, along_m - along_m.min(), none, none)


def _standing_poses(hugging: np.ndarray) -> np.ndarray:
    """Return poses (T, 24, 3) of somebody upright, arms hanging (0) or before the chest (1)."""
    pose = np.zeros((len(hugging), 24, 3))
    for side, shoulder, elbow in ((1.0, _LEFT_SHOULDER, _LEFT_ELBOW), (-1.0, _RIGHT_SHOULDER, _RIGHT_ELBOW)):
        hanging = Rotation.from_euler("z", -1.2 * side)
        forward = Rotation.from_euler("y", -1.1 * side) * Rotation.from_euler("z", -0.3 * side)
        turn = (hanging.inv() * forward).as_rotvec()
        pose[:, shoulder] = (hanging * Rotation.from_rotvec(hugging[:, None] * turn)).as_rotvec()
        pose[:, elbow, 1] = -side * (0.2 + 0.9 * hugging)
    return pose


def _yaw(angle_rad: np.ndarray) -> Rotation:
    return Rotation.from_rotvec(np.asarray(angle_rad)[:, None] * [0.0, 1.0, 0.0])
