"""The room behind the people: a floor and a round wall, the same for every camera."""

from __future__ import annotations

import cv2
import numpy as np

from dpmesh.training.capture.rig import WALL_M, DomeCamera
from dpmesh.training.render.lens import undistort

WALL_HEIGHT_M = 4.5
_FLOOR_TILE_M = 3.0
_TEXTURE_PX = 480  # height of the wall's picture, which is as fine as a camera sees it


def paint_room(camera: DomeCamera, picture: np.ndarray) -> np.ndarray:
    """Return what a camera sees of the empty room (H, W, 3) uint8.

    Args:
        picture: (h, w, 3) uint8, hung round the wall, mirrored from panel to panel; its lower half, darker, is the
            floor's.
    """
    width, height = camera.size_px
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([columns, rows], axis=-1)
    slopes = undistort((pixels - camera.principal_px) / camera.focal_px, camera.distortion)
    rays = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1) @ camera.camera_from_room
    to_wall = _distance_to_wall(camera.centre_m, rays)
    to_floor = np.where(rays[..., 1] < 0, -camera.centre_m[1] / np.minimum(rays[..., 1], -1e-9), np.inf)
    points = camera.centre_m + rays * np.minimum(to_wall, to_floor)[..., None]
    small = cv2.resize(
        picture, None, fx=_TEXTURE_PX / len(picture), fy=_TEXTURE_PX / len(picture), interpolation=cv2.INTER_AREA
    )
    high, wide = small.shape[:2]
    bearing = np.arctan2(points[..., 0], points[..., 2])
    panels = 2 * max(1, round(np.pi * WALL_M * high / (WALL_HEIGHT_M * wide)))
    up = np.clip(points[..., 1] / WALL_HEIGHT_M, 0, 1)
    wall = _read(small, _mirrored(bearing / (2 * np.pi) * panels), 1 - up)
    across, ahead = (_mirrored(points[..., axis] / _FLOOR_TILE_M) for axis in (0, 2))
    floor = 0.75 * _read(small, across, 0.5 + ahead / 2)
    return np.where((to_floor < to_wall)[..., None], floor, wall).clip(0, 255).astype(np.uint8)


def _distance_to_wall(centre: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return how many rays (H, W, 3) long the way from a point inside to the wall is (H, W)."""
    flat, start = rays[..., [0, 2]], centre[[0, 2]]
    square = np.maximum((flat**2).sum(-1), 1e-12)
    along = flat @ start
    way: np.ndarray = (np.sqrt(along**2 + square * (WALL_M**2 - start @ start)) - along) / square
    return way


def _mirrored(place: np.ndarray) -> np.ndarray:
    """Return 0 to 1, back to 0, and so on, for places of any size."""
    return np.abs((place % 2.0) - 1.0)


def _read(image: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return colours (H, W, 3) float32 at places from 0 to 1."""
    height, width = image.shape[:2]
    return cv2.remap(
        image.astype(np.float32),
        (across * (width - 1)).astype(np.float32),
        (down * (height - 1)).astype(np.float32),
        cv2.INTER_LINEAR,
    )
