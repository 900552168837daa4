"""Where the camera is and where people stand, so that they share one floor and hide each other on purpose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from configs.checks import check_shape

_SIZES = ((1920, 1080), (1280, 720), (640, 480), (854, 480), (1080, 1920), (720, 1280), (1000, 1000), (640, 360))
_NEAREST_M = 0.9
_APART_M = 0.38


@dataclass(frozen=True, slots=True)
class View:
    """One picture's camera; the world has y up and its z axis points back at the camera."""

    width: int
    height: int
    focal_px: float
    principal_px: np.ndarray  # (2,)
    camera_from_world: np.ndarray  # (3, 3)

    def __post_init__(self) -> None:
        check_shape("principal_px", self.principal_px, (2,))
        check_shape("camera_from_world", self.camera_from_world, (3, 3))

    @property
    def up(self) -> np.ndarray:
        """Return the upward unit vector in camera axes (3,)."""
        return self.camera_from_world[:, 1]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return pixels (..., 2) of points (..., 3) in camera axes; NaN for what lies behind the camera."""
        depth = np.where(points[..., 2:] > 0.05, points[..., 2:], np.nan)
        return points[..., :2] / depth * self.focal_px + self.principal_px

    def contains(self, pixels: np.ndarray) -> np.ndarray:
        """Return which pixels (..., 2) lie inside the picture (...,) bool; NaN does not."""
        with np.errstate(invalid="ignore"):
            return np.all((pixels >= 0) & (pixels < (self.width, self.height)), axis=-1)


def tilted_camera(pitch_rad: float, roll_rad: float) -> np.ndarray:
    """Return `camera_from_world` (3, 3) of a camera that looks down by `pitch_rad`."""
    sin, cos = np.sin(pitch_rad), np.cos(pitch_rad)
    pitch = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    sin, cos = np.sin(roll_rad), np.cos(roll_rad)
    roll = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return roll @ pitch @ np.diag([1.0, -1.0, -1.0])


def sample_view(rng: np.random.Generator, size: tuple[int, int] | None = None) -> View:
    """Return a random camera: focal 0.5 to 2 diagonals, pitch -5 to 30 degrees, little roll.

    Args:
        size: width and height in pixels; a common video size when not given.
    """
    width, height = _SIZES[rng.integers(len(_SIZES))] if size is None else size
    focal = float(np.hypot(width, height) * np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
    pitch = np.deg2rad(rng.uniform(-5, 30) if rng.random() < 0.7 else rng.uniform(-3, 8))
    roll = np.deg2rad(rng.normal(0, 2.0))
    return View(width, height, focal, np.array([width / 2, height / 2]), tilted_camera(pitch, roll))


def turn(rng: np.random.Generator) -> np.ndarray:
    """Return a random turn about the world's upward axis (3, 3)."""
    angle = rng.uniform(-np.pi, np.pi)
    sin, cos = np.sin(angle), np.cos(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


@dataclass(frozen=True, slots=True)
class Stance:
    """What placing a body needs to know, in camera axes with the body's `trans` at zero."""

    root: np.ndarray  # (3,) pelvis
    low: np.ndarray  # (3,) smallest corner of the bounding box
    high: np.ndarray  # (3,) largest corner
    sole: float  # metres, how far down the lowest vertex reaches along the floor's normal


def measure_stances(vertices: Tensor, roots: np.ndarray, ups: np.ndarray) -> list[Stance]:
    """Return the stance of each mesh (R, V, 3), with its pelvis (R, 3) and the floor's normal (R, 3)."""
    low, high = vertices.amin(1).cpu().numpy(), vertices.amax(1).cpu().numpy()
    normals = torch.as_tensor(ups.astype(np.float32), device=vertices.device)
    soles = torch.bmm(vertices, normals[..., None]).amin((1, 2)).tolist()
    return [Stance(*measured) for measured in zip(roots, low, high, soles, strict=True)]


def stand_at(stance: Stance, spot: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return the `trans` (3,) that puts the pelvis above `spot` (3,) and the lowest vertex on the floor."""
    return spot - stance.root + up * (float(stance.root @ up) - stance.sole)


def spot_below(stance: Stance, trans: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return the point of the floor (3,) under the pelvis of a placed body."""
    root = stance.root + trans
    return root - up * (float(root @ up) - (stance.sole + float(trans @ up)))


def place_first(
    rng: np.random.Generator, view: View, stance: Stance, shares: tuple[float, float], cut_chance: float
) -> np.ndarray:
    """Return the `trans` (3,) of a person somewhere in the picture.

    Args:
        shares: smallest and largest height of the person over that of the picture.
        cut_chance: how often the person may stand across the picture's edge.
    """
    extent = stance.high - stance.low
    middle = (stance.high + stance.low) / 2
    best, least = np.zeros(3), np.inf
    for _ in range(12):
        share = float(np.exp(rng.uniform(np.log(shares[0]), np.log(shares[1]))))
        depth = view.focal_px * extent[1] / (share * view.height)
        depth = min(max(depth, _NEAREST_M + extent[2] / 2), 60.0)
        half = 0.5 * view.focal_px / depth * extent[:2]
        room = np.array([view.width, view.height]) - 2 * half
        pixel = half + rng.uniform(0, 1, 2) * room
        if rng.random() < cut_chance:
            pixel = pixel + rng.uniform(-1.1, 1.1, 2) * half
        ray = np.append((pixel - view.principal_px) / view.focal_px, 1.0)
        trans = ray * depth - middle
        height = -(stance.sole + float(trans @ view.up))  # of the camera above the floor
        fault = max(0.1 - height, height - 6.0, 0.0)
        if fault < least:
            best, least = trans, fault
        if fault == 0.0:
            break
    return best


def spot_near(rng: np.random.Generator, view: View, spot: np.ndarray, spots: list[np.ndarray]) -> np.ndarray | None:
    """Return a free point of the floor (3,) before or behind `spot` as the camera sees it, or None."""
    up = view.up
    below = up * float(spot @ up)
    away = spot - below
    away = away / max(float(np.linalg.norm(away)), 1e-6)
    aside = np.cross(away, up)
    for _ in range(8):
        gap = rng.uniform(0.3, 2.5) * (-1 if rng.random() < 0.55 else 1)
        shift = rng.normal(0, 0.38) if rng.random() < 0.8 else rng.normal(0, 1.2)
        found = spot + gap * away + shift * aside
        if found[2] > _NEAREST_M + 0.4 and _is_free(found, spots):
            return found
    return None


def spot_anywhere(
    rng: np.random.Generator, view: View, floor: np.ndarray, shares: tuple[float, float], spots: list[np.ndarray]
) -> np.ndarray | None:
    """Return a free point of the floor (3,) that the picture shows, or None.

    Args:
        floor: (3,) any point of the floor.
        shares: smallest and largest height of a person of 1.65 m there, over that of the picture.
    """
    up = view.up
    level = float(floor @ up)
    ahead = np.array([0.0, 0.0, 1.0]) - up[2] * up
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, up)
    for _ in range(8):
        share = float(np.exp(rng.uniform(np.log(shares[0]), np.log(shares[1]))))
        depth = view.focal_px * 1.65 / (share * view.height)
        across = (rng.uniform(-0.03, 1.03) * view.width - view.principal_px[0]) / view.focal_px * depth
        start = level * up
        found = start + right * across
        found = found + ahead * (depth - found[2]) / max(float(ahead[2]), 0.2)
        pixel = view.project(found + 0.9 * up)
        if found[2] > _NEAREST_M + 0.4 and view.contains(pixel) and _is_free(found, spots):
            return found
    return None


def _is_free(spot: np.ndarray, spots: list[np.ndarray]) -> bool:
    return all(float(np.linalg.norm(spot - other)) > _APART_M for other in spots)
