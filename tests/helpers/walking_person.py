"""A person who walks straight away from the camera, or in any other direction: gait in closed form, with its truth."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from dpmesh.body import BodyModel

RATE_HZ = 25.0
STEP_S = 0.52
SWING_RAD = 0.42  # of a thigh, to the front and to the back
NARROW_RAD = 0.09  # by which the thighs lean inwards: people do not walk astride
KNEE_RAD = (0.12, 0.95)  # bent at least, and at most, when the leg swings forward
HEEL_RAD = 0.5  # of the cycle by which the knee bends ahead of the thigh's swing: the heel is up before the step ends
LEFT_ANKLE, RIGHT_ANKLE = 7, 8  # of smpl24


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk in camera axes."""

    time_s: np.ndarray  # (T,)
    pose: np.ndarray  # (T, 24, 3) float32
    betas: np.ndarray  # (10,) float32
    trans: np.ndarray  # (T, 3) float32
    joints: np.ndarray  # (T, 24, 3) metres, smpl24
    coco: np.ndarray  # (T, 17, 3) metres


def walk(
    body: BodyModel,
    frames: int,
    *,
    heading_rad: float,
    start_m: float,
    camera_height_m: float = 1.2,
    pitch_rad: float = 0.0,
) -> Walk:
    """Return a walk on a level floor.

    Args:
        heading_rad: 0 away from the camera, pi towards it, pi / 2 to the right.
        start_m: distance at the start, along the floor.
        pitch_rad: by how much the camera looks down.
    """
    time_s = np.arange(frames) / RATE_HZ
    phase = np.pi * time_s / STEP_S
    local = np.zeros((frames, 24, 3))
    for side, sign in ((0, 1.0), (1, -1.0)):
        swing = sign * np.sin(phase)
        local[:, 1 + side] = (
            Rotation.from_rotvec([0.0, 0.0, -sign * NARROW_RAD])
            * Rotation.from_rotvec(np.stack([-SWING_RAD * swing, 0 * swing, 0 * swing], 1))
        ).as_rotvec()
        lifted = np.maximum(np.cos(phase + np.pi * side + HEEL_RAD), 0.0) ** 2
        local[:, 4 + side, 0] = KNEE_RAD[0] + (KNEE_RAD[1] - KNEE_RAD[0]) * lifted
        local[:, 7 + side, 0] = -0.1 * swing
        arm = Rotation.from_rotvec(np.stack([0.4 * swing, 0 * swing, 0 * swing], 1)) * Rotation.from_rotvec(
            [0.0, 0.0, -sign * 1.25]
        )
        local[:, 16 + side] = arm.as_rotvec()
        local[:, 18 + side, 1] = -sign * 0.35
    # SMPL faces +Z with y up; half a turn about x has it face the camera, a further one about its own y away from it.
    root = Rotation.from_rotvec([np.pi, 0.0, 0.0]) * Rotation.from_rotvec([0.0, np.pi + heading_rad, 0.0])
    local[:, 0] = root.as_rotvec()
    pose = local.astype(np.float32)
    betas = np.zeros(10, np.float32)
    at_zero = _joints(body, pose, betas, np.zeros((frames, 3), np.float32), "smpl24")
    lowest = at_zero[:, [LEFT_ANKLE, RIGHT_ANKLE], 1].max(axis=1)
    forward = root.apply([0.0, 0.0, 1.0])
    trans = start_m * np.array([0.0, 0.0, 1.0]) + np.outer(time_s * _speed(at_zero, forward), forward)
    trans[:, 1] = camera_height_m - 0.08 - lowest  # the lower ankle stays at its height over the floor
    pelvis = at_zero[0, 0]
    down = Rotation.from_rotvec([pitch_rad, 0.0, 0.0])
    trans = (down.apply(trans + pelvis) - pelvis).astype(np.float32)
    pose[:, 0] = (down * root).as_rotvec()
    joints, coco = (_joints(body, pose, betas, trans, name) for name in ("smpl24", "coco17"))
    return Walk(time_s, pose, betas, trans, joints, coco)


def step_lengths(joints: np.ndarray) -> np.ndarray:
    """Return how far (S,) the feet are apart, along the direction the hips face, at every step of joints (T, 24, 3)."""
    across = joints[:, 1] - joints[:, 2]
    forward = np.cross(across, joints[:, 12] - joints[:, 0])
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    apart = ((joints[:, LEFT_ANKLE] - joints[:, RIGHT_ANKLE]) * forward).sum(axis=1)
    half = max(round(STEP_S * RATE_HZ / 2), 1)
    peaks = [
        abs(apart[t])
        for t in range(half, len(apart) - half)
        if abs(apart[t]) == np.abs(apart[t - half : t + half + 1]).max()
    ]
    return np.array(peaks)


def project(points: np.ndarray, focal_px: float, principal_px: tuple[float, float]) -> np.ndarray:
    """Return points (..., 3) in pixels (..., 2)."""
    return focal_px * points[..., :2] / points[..., 2:] + np.array(principal_px)


def _speed(joints: np.ndarray, forward: np.ndarray) -> float:
    apart = (joints[:, LEFT_ANKLE] - joints[:, RIGHT_ANKLE]) @ forward
    return float(np.abs(apart).max()) / STEP_S


def _joints(body: BodyModel, pose: np.ndarray, betas: np.ndarray, trans: np.ndarray, name: str) -> np.ndarray:
    shape = torch.from_numpy(betas).expand(len(pose), 10)
    found: np.ndarray = body.joints(torch.from_numpy(pose), shape, torch.from_numpy(trans), name).numpy()  # type: ignore[arg-type]
    return found
