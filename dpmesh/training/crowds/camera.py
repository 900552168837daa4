"""A camera that stands, pans or is carried about, and what it sees of the people before it."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from dpmesh.training.crowds.paths import DEPTH_M, RATE_HZ

WIDTH, HEIGHT = 1280, 720
NEAR_M = 0.5  # nearer than this nothing is seen
PAN_RAD = 0.2  # largest turn to either side of a moving camera
SHAKE_RAD = 0.004  # of a camera in a hand
CARRY_M = 0.8  # how far it is carried to either side
PIXEL_ERROR = 0.3  # of the motion between two frames, as sparse flow finds it on a background


@dataclass(frozen=True, slots=True)
class Cameras(Shaped):
    """The camera of each frame."""

    centre_m: Annotated[np.ndarray, "T", 3]
    camera_from_world: Annotated[np.ndarray, "T", 3, 3]  # axes of the camera: x right, y down, z forward
    focal_px: float
    cuts: tuple[int, ...]  # frames with which another shot begins

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels (N, T, K, 2) and depths (N, T, K) of points (N, T, K, 3); pixels are NaN behind the camera."""
        seen = np.einsum("tij,ntkj->ntki", self.camera_from_world, points_m - self.centre_m[:, None])
        depth = seen[..., 2]
        safe = np.where(depth > NEAR_M, depth, np.nan)
        return seen[..., :2] / safe[..., None] * self.focal_px + np.array([WIDTH, HEIGHT]) / 2, depth

    def motion(self, rng: np.random.Generator) -> np.ndarray:
        """Return (T, 3, 3) homographies from the frame before to each, as measured on a far background; 1 at a cut."""
        intrinsic = np.array([[self.focal_px, 0, WIDTH / 2], [0, self.focal_px, HEIGHT / 2], [0, 0, 1]])
        found = np.tile(np.eye(3), (len(self.centre_m), 1, 1))
        for frame in range(1, len(found)):
            if frame in self.cuts:
                continue
            turn = self.camera_from_world[frame] @ self.camera_from_world[frame - 1].T
            found[frame] = intrinsic @ turn @ np.linalg.inv(intrinsic)
            found[frame] /= found[frame, 2, 2]
            found[frame, :2, 2] += rng.normal(0, PIXEL_ERROR, 2)
        return found


def stage_cameras(
    frames: int, *, is_moving: bool, has_cuts: bool, rng: np.random.Generator, height_m: float | None = None
) -> Cameras:
    """Return a camera that overlooks the place; with cuts, two of them take turns.

    Args:
        height_m: over the ground; None: between 1.8 and 3.6.
    """
    cuts = tuple(sorted(rng.choice(np.arange(frames // 5, frames - frames // 5), 2, False))) if has_cuts else ()
    shot = np.searchsorted(np.array(cuts, int), np.arange(frames), side="right") % 2
    turn, centre = np.zeros((frames, 3)), np.zeros((frames, 3))
    for which in range(2 if has_cuts else 1):
        side = rng.uniform(-1.0, 1.0) + (2.5 if which else 0.0)
        height = rng.uniform(1.8, 3.6) if height_m is None else height_m
        middle = np.array([0.0, 1.0, np.mean(DEPTH_M)])
        place = np.array([side, height, 0.0])
        to = middle - place
        base = np.array([np.arctan2(to[0], to[2]), np.arctan2(-to[1], np.hypot(to[0], to[2])), 0.0])
        here = shot == which
        turn[here], centre[here] = base, place
    if is_moving:
        turn += _drift(frames, 1.5, np.array([PAN_RAD, 0.04, 0.02]), rng)
        turn += _drift(frames, 0.08, np.full(3, SHAKE_RAD), rng)
        centre += _drift(frames, 2.0, np.array([CARRY_M, 0.1, 0.4]), rng)
    yaw_pitch_roll = Rotation.from_euler("yxz", turn).as_matrix()  # of the camera's axes x right, y up, z forward
    flip = np.diag([1.0, -1.0, 1.0])
    return Cameras(centre, flip @ yaw_pitch_roll.transpose(0, 2, 1), float(rng.uniform(850, 1150)), cuts)


def _drift(frames: int, slowness_s: float, size: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return smooth random movement (T, 3) of about this size."""
    wave = gaussian_filter1d(rng.normal(0, 1, (frames + 200, 3)), slowness_s * RATE_HZ, axis=0)[100:-100]
    return np.asarray(wave / np.maximum(np.abs(wave).max(axis=0), 1e-9) * size)
