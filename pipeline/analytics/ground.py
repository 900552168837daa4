"""The ground of a run, and rays from pixels to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from configs.errors import InputError
from pipeline.motion.scene import read_scene
from pipeline.motion.world import WORLD_FROM_CAM


@dataclass(frozen=True, slots=True)
class Ground(Shaped):
    """Where the camera stands over the ground; world axes in metres, z up."""

    world_from_cam: Annotated[np.ndarray, 4, 4]
    height_m: float | None  # of the ground along z; None: not known
    is_measured: bool
    reason: str  # why not; empty: it is
    is_fixed: bool | None  # whether places stay where they are; False: the camera moves; None: not known
    focal_px: float | None
    principal_px: Annotated[np.ndarray, 2]

    @property
    def camera_xy_m(self) -> np.ndarray:
        """Where the camera stands (2,)."""
        return np.asarray(self.world_from_cam[:2, 3])

    def cast(self, pixels: np.ndarray) -> np.ndarray:
        """Return where the rays through pixels (N, 2) meet the ground (N, 2), metres.

        Raises:
            InputError: the ground or the camera is not known, or a pixel lies above the horizon.
        """
        if self.height_m is None or self.focal_px is None:
            why = self.reason or "this run does not say where the ground is"
            raise InputError(f"pixels cannot be cast to the ground: {why}; give the shape in metres")
        rays = np.column_stack([(pixels - self.principal_px) / self.focal_px, np.ones(len(pixels))])
        world = rays @ self.world_from_cam[:3, :3].T
        down = self.height_m - self.world_from_cam[2, 3]
        if np.any(world[:, 2] * np.sign(down) <= 1e-6):
            x, y = pixels[int(np.argmin(world[:, 2] * np.sign(down)))]
            raise InputError(f"pixel ({x:.0f}, {y:.0f}) lies above the horizon of the ground; draw the shape lower")
        return np.asarray(self.world_from_cam[:2, 3] + world[:, :2] * (down / world[:, 2])[:, None])

    def project(self, xy_m: np.ndarray) -> np.ndarray:
        """Return the pixels (N, 2) of places on the ground (N, 2); NaN behind the camera."""
        if self.height_m is None or self.focal_px is None:
            return np.full((len(xy_m), 2), np.nan)
        places = np.column_stack([xy_m, np.full(len(xy_m), self.height_m)]) - self.world_from_cam[:3, 3]
        cam = places @ self.world_from_cam[:3, :3]
        depth = np.where(cam[:, 2] > 0.05, cam[:, 2], np.nan)
        return np.asarray(cam[:, :2] / depth[:, None] * self.focal_px + self.principal_px)


def read_ground(path: Path, size_px: tuple[int, int] | None, lowest_m: float | None, focal_px: float | None) -> Ground:
    """Return the ground that `scene.json` says; without one, that of a level camera and of the people's feet.

    Args:
        path: of `scene.json`.
        size_px: width and height of the frames; the image's centre is taken as principal point.
        lowest_m: height of the people's feet in the axes of a level camera, used where there is no `scene.json`.
        focal_px: of the people, used likewise.

    Raises:
        InputError: `scene.json` is damaged.
    """
    centre = np.array(size_px, np.float64) / 2 if size_px else np.zeros(2)
    scene = read_scene(path)
    if scene is None:
        reason = "the run has no scene.json, so the camera is taken as level"
        return Ground(WORLD_FROM_CAM, lowest_m, False, reason, None, focal_px, centre)
    if scene.is_turn_followed:  # a pixel is a place of its own in each frame
        focal_px, reason = None, scene.reason or "the camera turns, so that a pixel shows another place in each frame"
    else:
        focal_px, reason = focal_px if scene.focal_px is None else scene.focal_px, scene.reason
    return Ground(
        scene.world_from_cam, 0.0 if scene.is_ground_measured else lowest_m, scene.is_ground_measured, reason,
        scene.is_fixed, focal_px, centre,
    )  # fmt: skip
