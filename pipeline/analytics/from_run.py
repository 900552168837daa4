"""People of a finished run on the ground: positions with covariance, and what their bodies say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from configs.analytics_schema import AnalyticsSettings
from configs.checks import Shaped
from configs.skeletons import SMPL24
from pipeline.analytics.ground import Ground, read_ground
from pipeline.analytics.trajectories import OF_PERSON, Postures, Trajectories, square
from pipeline.flow.outputs import RunFolder, person_number
from pipeline.motion.library import read_track
from pipeline.motion.posing import Body, joint_positions, pelvis_of, vertex_positions
from pipeline.motion.world import WORLD_FROM_CAM, in_scene_axes
from pipeline.types import MotionTrack

SOLE_M = 0.08  # of an ankle over the sole
RIG_SIGMA_M = 0.05  # of a position in a capture of several cameras, where the run does not say it
(PELVIS, NECK, L_HIP, R_HIP, L_KNEE, R_KNEE, L_ANKLE, R_ANKLE, L_SHOULDER, R_SHOULDER) = (
    SMPL24.index(name)
    for name in (
        *("pelvis", "neck", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
        *("left_shoulder", "right_shoulder"),
    )
)
HEAD_CHAIN = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
LEVEL_MIN = 0.2  # of a direction's length: less of it lies in the ground plane, and it points nowhere


@dataclass(frozen=True, slots=True)
class RunPeople:
    """Everybody of a run."""

    people: Trajectories
    postures: Postures
    ground: Ground
    is_covariance_assumed: bool  # the run does not say it; the assumption of the settings was used


def read_people(
    files: RunFolder,
    body: Body,
    settings: AnalyticsSettings,
    rate_hz: float,
    size_px: tuple[int, int] | None,
) -> RunPeople | None:
    """Return the people of a run; None where it has nobody.

    Args:
        rate_hz: frames per second of the video.
        size_px: width and height of the frames as they are read.

    Raises:
        InputError: a motion or the scene is damaged.
    """
    matrix = read_ground(files.scene, size_px, None, None).world_from_cam
    found = [_read_person(path, body, matrix, round(settings.smooth_s * rate_hz)) for path in files.motions()]
    if not found:
        return None
    lowest = float(np.median(np.concatenate([person.lower_ankle_m for person in found]))) - SOLE_M
    ground = read_ground(files.scene, size_px, lowest, found[0].focal_px)
    errors = [
        assumed_errors(person.xy_m, ground, person.focal_px is not None, settings)
        if person.errors is None
        else person.errors
        for person in found
    ]
    people = Trajectories(
        np.concatenate([np.full(len(person.frame), person.number) for person in found]),
        np.concatenate([person.frame for person in found]),
        np.concatenate([person.time_s for person in found]),
        np.concatenate([person.xy_m for person in found]),
        rate_hz,
        np.concatenate([person.is_filled for person in found]),
        np.concatenate([each.covariance_m2 for each in errors]).astype(np.float64),
        np.concatenate([each.systematic_m for each in errors]).astype(np.float64),
    )
    columns = {
        name: np.concatenate([getattr(person.postures, name) for person in found]) for name in Postures.__slots__
    }
    is_assumed = any(person.errors is None for person in found)
    return RunPeople(people, Postures(**columns), ground, is_assumed)


@dataclass(frozen=True, slots=True)
class Errors(Shaped):
    """How sure places are, as in `Trajectories`."""

    covariance_m2: Annotated[np.ndarray, "T", 2, 2]
    systematic_m: Annotated[np.ndarray, "T", 2, 5]


@dataclass(frozen=True, slots=True)
class _Person:
    """What is kept of one person's motion; the bodies of all people at once would not fit in memory."""

    number: int
    frame: np.ndarray  # (T,)
    time_s: np.ndarray  # (T,)
    xy_m: np.ndarray  # (T, 2)
    is_filled: np.ndarray  # (T,)
    errors: Errors | None
    focal_px: float | None  # None: of a capture
    lower_ankle_m: np.ndarray  # (T,) its height in the axes of a level camera
    postures: Postures


def _read_person(path: Path, body: Body, world_from_cam: np.ndarray, smooth_frames: int) -> _Person:
    track = read_track(path)
    track = in_scene_axes(track, pelvis_of(body, track.betas))
    rig = joint_positions(body, track.pose, track.betas, track.trans).astype(np.float64)
    world = rig @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]
    rest = vertex_positions(body, np.zeros((1, 24, 3)), track.betas, np.zeros((1, 3)))[0]
    return _Person(
        person_number(path),
        track.frame_index,
        track.time_s,
        smoothed(track.frame_index, world[:, PELVIS, :2], smooth_frames),
        ~track.is_observed,
        _errors_of(track),
        float(np.median(track.focal_px)) if track.has_camera else None,
        (rig[:, (L_ANKLE, R_ANKLE)] @ WORLD_FROM_CAM[2, :3]).min(axis=1),
        postures_of(world, track.pose, world_from_cam, float(np.ptp(rest[:, 1]))),
    )


def _errors_of(track: MotionTrack) -> Errors | None:
    if track.ground_cov_m2 is None or track.ground_systematic_m is None:
        return None
    return Errors(track.ground_cov_m2, track.ground_systematic_m)


def assumed_errors(xy_m: np.ndarray, ground: Ground, has_camera: bool, settings: AnalyticsSettings) -> Errors:
    """Return the errors that are assumed of positions (T, 2) whose run does not say them.

    In every direction `across_sigma` times the distance from the camera, for a moment; and along the ray `depth_sigma`
    times its part in the ground plane, as long as the person is there, whose size is not known: seen from straight
    above, depth moves nobody. In a capture of several cameras 5 cm, for a moment.
    """
    lasting = np.zeros((len(xy_m), 2, 5))
    if not has_camera:
        return Errors(np.broadcast_to(np.eye(2) * RIG_SIGMA_M**2, (len(xy_m), 2, 2)).copy(), lasting)
    ray = xy_m - ground.camera_xy_m
    high = 0.0 if ground.height_m is None else float(ground.world_from_cam[2, 3]) - ground.height_m
    momentary = np.eye(2) * (settings.across_sigma**2 * ((ray**2).sum(axis=1) + high**2))[:, None, None]
    lasting[..., OF_PERSON] = settings.depth_sigma * ray[..., None]
    return Errors(momentary + square(lasting), lasting)


def smoothed(frames: np.ndarray, xy_m: np.ndarray, window: int) -> np.ndarray:
    """Return positions (T, 2) smoothed by a parabola through each window of frames; gaps are not bridged.

    Source: Savitzky & Golay 1964. A window below 5 frames changes nothing.
    """
    found = xy_m.copy()
    for part in np.split(np.arange(len(frames)), np.flatnonzero(np.diff(frames) > 1) + 1):
        length = min(window, len(part))
        length -= 1 - length % 2
        if length >= 5:
            found[part] = savgol_filter(xy_m[part], length, 2, axis=0)
    return found


def postures_of(joints: np.ndarray, pose: np.ndarray, world_from_cam: np.ndarray, height_m: float) -> Postures:
    """Return what bodies say beside their place.

    Args:
        joints: (T, 24, 3) of SMPL, world axes.
        pose: (T, 24, 3) axis-angle, the root in camera or rig axes.
        height_m: of the person.
    """
    right = joints[:, R_SHOULDER] - joints[:, L_SHOULDER] + joints[:, R_HIP] - joints[:, L_HIP]
    front = np.stack([-right[:, 1], right[:, 0], np.zeros(len(right))], axis=1)  # up x right
    turn = Rotation.from_matrix(world_from_cam[:3, :3])
    for name in HEAD_CHAIN:
        turn = turn * Rotation.from_rotvec(pose[:, SMPL24.index(name)].astype(np.float64))
    head = turn.apply([0.0, 0.0, 1.0])  # a body at rest faces z
    thighs = ((L_HIP, L_KNEE), (R_HIP, R_KNEE))
    shins = ((L_KNEE, L_ANKLE), (R_KNEE, R_ANKLE))
    bends = [
        np.pi - _angle(joints[:, hip] - joints[:, knee], joints[:, ankle] - joints[:, knee])
        for (hip, knee), (_, ankle) in zip(thighs, shins, strict=True)
    ]
    down = np.array([0.0, 0.0, -1.0])
    leg = sum(np.linalg.norm(joints[:, a] - joints[:, b], axis=1) for a, b in (*thighs, *shins)) / 2
    lower = joints[:, (L_ANKLE, R_ANKLE), 2].min(axis=1)
    return Postures(
        _heading(front, np.linalg.norm(right, axis=1)),
        _heading(head, np.ones(len(head))),
        _angle(joints[:, NECK] - joints[:, PELVIS], -down),
        np.mean([_angle(joints[:, knee] - joints[:, hip], down) for hip, knee in thighs], axis=0),
        (joints[:, PELVIS, 2] - lower) / leg,
        np.mean(bends, axis=0),
        np.full(len(joints), height_m),
    )


def _heading(ways: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return the direction (T,) in the ground plane; NaN where too little of the way lies in it."""
    is_clear = np.hypot(ways[:, 0], ways[:, 1]) > LEVEL_MIN * length
    return np.where(is_clear, np.arctan2(ways[:, 1], ways[:, 0]), np.nan)


def _angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the angle (T,) between vectors, radians."""
    cosine = np.sum(first * second, axis=-1) / np.maximum(
        np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1), 1e-12
    )
    return np.asarray(np.arccos(np.clip(cosine, -1, 1)))
