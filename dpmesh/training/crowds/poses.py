"""Joints of walking, standing and dancing people, made from a few angles."""

import numpy as np

from dpmesh.training.crowds.paths import RATE_HZ, Paths

# Of a person 1 m tall: heights above the ground and half widths. Source: Drillis and Contini 1966, segment lengths.
HIP, KNEE, ANKLE, SHOULDER, EYE = 0.53, 0.285, 0.045, 0.818, 0.936
HIP_WIDE, SHOULDER_WIDE, EAR_WIDE, EYE_WIDE = 0.052, 0.115, 0.045, 0.02
UPPER_ARM, FOREARM = 0.186, 0.146
STEP_M = 1.4  # one walking cycle of somebody 1.7 m tall
TOP = 1.0
POINTS = 18  # the 17 keypoints of COCO, and the top of the head


def pose_points(paths: Paths, height_m: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (N, T, 18, 3) points in the world: x right, y up from the ground, z away from the camera, metres.

    Args:
        height_m: (N,) of each person.
    """
    people, frames = paths.heading_rad.shape
    time_s = np.arange(frames) / RATE_HZ
    phase = 2 * np.pi * (paths.along_m / (STEP_M * height_m[:, None] / 1.7) + rng.random((people, 1)))
    speed = np.gradient(paths.along_m, axis=1) * RATE_HZ
    swing = np.clip(speed / 1.3, 0, 1.6)
    dance = paths.dance[:, None]

    def wave(low_hz: float, high_hz: float) -> np.ndarray:
        rates = rng.uniform(low_hz, high_hz, (people, 2, 1))
        waves = np.sin(2 * np.pi * rates * time_s + rng.uniform(0, 2 * np.pi, (people, 2, 1)))
        return np.asarray(waves.mean(axis=1))

    lean = 0.05 * swing + dance * 0.35 * wave(0.2, 0.9)
    crouch = 0.02 * np.abs(wave(0.1, 0.4)) + dance * 0.22 * np.clip(wave(0.3, 1.2), 0, 1)
    sway = 0.01 * wave(0.1, 0.4) + dance * 0.06 * wave(0.4, 1.5)
    points = np.zeros((people, frames, POINTS, 3))
    hips = HIP * (1 - crouch)
    for side, (hip, knee, ankle) in ((1.0, (11, 13, 15)), (-1.0, (12, 14, 16))):
        angle = side * 0.45 * swing * np.sin(phase) + dance * 0.5 * wave(0.4, 1.4)
        bend = 0.1 + 0.7 * swing * np.clip(-side * np.cos(phase), 0, 1) + 1.5 * crouch
        points[..., hip, :] = _at(side * HIP_WIDE + sway, hips, 0.0)
        points[..., knee, :] = points[..., hip, :] + _limb(HIP - KNEE, angle + bend / 2)
        points[..., ankle, :] = points[..., knee, :] + _limb(KNEE - ANKLE, angle - bend / 2)
    # The lower foot stands on the ground.
    lowest = np.minimum(points[..., 15, 1], points[..., 16, 1]) - ANKLE
    points[..., 11:17, 1] -= lowest[..., None]
    trunk_y = (points[..., 11, 1] + points[..., 12, 1]) / 2
    for side, (shoulder, elbow, wrist) in ((1.0, (5, 7, 9)), (-1.0, (6, 8, 10))):
        angle = -side * 0.5 * swing * np.sin(phase) + dance * 1.8 * wave(0.3, 1.3)
        bend = 0.2 + 0.2 * swing + dance * 1.2 * np.abs(wave(0.3, 1.3))
        points[..., shoulder, :] = _at(
            side * SHOULDER_WIDE + sway, trunk_y + (SHOULDER - HIP) * np.cos(lean), (SHOULDER - HIP) * np.sin(lean)
        )
        points[..., elbow, :] = points[..., shoulder, :] + _limb(UPPER_ARM, angle)
        points[..., wrist, :] = points[..., elbow, :] + _limb(FOREARM, angle + bend)
        out = side * dance * 0.25 * np.clip(wave(0.3, 1.0), 0, 1)
        points[..., elbow, 0] += side * 0.02 + out * 0.4
        points[..., wrist, 0] += side * 0.02 + out
    nod = 0.15 * wave(0.1, 0.5)
    head_y, head_z = trunk_y + (EYE - HIP) * np.cos(lean), (EYE - HIP) * np.sin(lean)
    points[..., 0, :] = _at(sway + 0.05 * nod, head_y - 0.02, head_z + 0.06)
    for side, (eye, ear) in ((1.0, (1, 3)), (-1.0, (2, 4))):
        points[..., eye, :] = _at(side * EYE_WIDE + sway, head_y, head_z + 0.05)
        points[..., ear, :] = _at(side * EAR_WIDE + sway, head_y, head_z)
    points[..., 17, :] = _at(sway, head_y + TOP - EYE, head_z)
    points *= height_m[:, None, None, None]
    cos, sin = np.cos(paths.heading_rad)[..., None], np.sin(paths.heading_rad)[..., None]
    # The left side (+1) of somebody who walks away from the camera is to the left in the image.
    across, ahead = -points[..., 0], points[..., 2]
    world_x = paths.spot_m[..., None, 0] + cos * across + sin * ahead
    world_z = paths.spot_m[..., None, 1] - sin * across + cos * ahead
    return np.stack([world_x, points[..., 1], world_z], axis=-1)


def _at(x: np.ndarray | float, y: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def _limb(length: float, angle: np.ndarray) -> np.ndarray:
    """Return the vector (..., 3) of a limb that hangs down, turned forwards by an angle."""
    return _at(np.zeros_like(angle), -length * np.cos(angle), length * np.sin(angle))
