"""Light: a sky and one or two lamps, evaluated at the vertices; and the shadow that bodies throw on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Light:
    """What lights one picture; directions in world axes (y up), pointing towards the lamp."""

    sky: np.ndarray  # (3,) linear colour from straight above
    ground: np.ndarray  # (3,) linear colour from straight below
    lamp_directions: np.ndarray  # (2, 3)
    lamp_colours: np.ndarray  # (2, 3), zero for a lamp that is off
    shadow: float  # 0 no shadow on the ground, 1 black


def sample_light(rng: np.random.Generator) -> Light:
    """Return a random light: indoors, overcast or sun, now and then coloured."""
    level = rng.uniform(0.25, 0.7)
    sky = level * (1 + rng.normal(0, 0.08, 3))
    ground = sky * rng.uniform(0.25, 0.9) * (1 + rng.normal(0, 0.06, 3))
    azimuth = rng.uniform(0, 2 * np.pi, 2)
    height = rng.uniform(0.15, 1.4, 2)
    directions = np.stack([np.cos(height) * np.cos(azimuth), np.sin(height), np.cos(height) * np.sin(azimuth)], 1)
    power = np.array([rng.uniform(0.1, 1.1), rng.uniform(0, 0.6) * (rng.random() < 0.5)])
    tint = 1 + rng.normal(0, 0.25 if rng.random() < 0.15 else 0.08, (2, 3))
    shadow = float(rng.uniform(0.1, 0.75)) if rng.random() < 0.8 else 0.0
    return Light(sky.clip(0.02), ground.clip(0.02), directions, (power[:, None] * tint).clip(0), shadow)


def shade(albedo: Tensor, normals: Tensor, camera_from_world: Tensor, lights: list[Light]) -> Tensor:
    """Return the light leaving each vertex (R, V, 3), linear, about 0 to 1.

    Args:
        albedo: (R, V, 3) linear reflectance.
        normals: (R, V, 3) unit normals in camera axes.
        camera_from_world: (R, 3, 3).
        lights: one per row.
    """

    def stack(values: list[np.ndarray]) -> Tensor:
        return torch.as_tensor(np.stack(values), dtype=albedo.dtype, device=albedo.device)

    up = camera_from_world[:, :, 1]
    lamps = torch.einsum("rij,rlj->ril", camera_from_world, stack([x.lamp_directions for x in lights]))
    sides = torch.cat([up[:, :, None], lamps], dim=2)
    facing = torch.bmm(normals, sides)
    sky, ground = stack([x.sky for x in lights]), stack([x.ground for x in lights])
    colours = torch.cat([(0.5 * (sky - ground))[:, None], stack([x.lamp_colours for x in lights])], dim=1)
    facing[..., 1:].clamp_min_(0)
    return torch.baddbmm((0.5 * (sky + ground))[:, None], facing, colours).mul_(albedo)


def ground_shadow(
    points: np.ndarray,
    foot: np.ndarray,
    up: np.ndarray,
    towards_lamp: np.ndarray,
    focal_px: float,
    principal_px: np.ndarray,
    width: int,
    height: int,
) -> np.ndarray:
    """Return how dark the ground is where bodies stand in the light (H, W) float32, 0 to 1.

    Args:
        points: (M, 3) points of the bodies, camera axes, metres.
        foot: (3,) a point of the ground plane.
        up: (3,) its unit normal.
        towards_lamp: (3,) unit vector.
        focal_px, principal_px, width, height: of the picture; the map is made at half its size and enlarged.
    """
    small = (max(width // 2, 1), max(height // 2, 1))
    rise = (points - foot) @ up
    slope = max(float(towards_lamp @ up), 0.12)
    on_ground = points - (rise / slope)[:, None] * towards_lamp
    depth = on_ground[:, 2]
    ahead = depth > 0.1
    xy = (on_ground[ahead, :2] / depth[ahead, None] * focal_px + principal_px) * 0.5
    column, row = np.floor(xy).astype(np.int64).T
    inside = (column >= 0) & (column < small[0]) & (row >= 0) & (row < small[1])
    dark = np.zeros((small[1], small[0]), np.float32)
    dark[row[inside], column[inside]] = 1.0
    reach = max(3, int(0.06 * focal_px / max(float(np.median(depth[ahead])) if ahead.any() else 1.0, 0.5)) | 1)
    soft = np.asarray(cv2.blur(cv2.blur(dark, (reach, reach)), (3, 3)))
    return cv2.resize(np.minimum(soft * 1.8, 1.0), (width, height), interpolation=cv2.INTER_LINEAR)
