"""A picture put together: background, shadows, people, things in front, and the camera's faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dpmesh.training.render.backgrounds import floor_and_wall, random_view, read_background
from dpmesh.training.render.light import Light, ground_shadow
from dpmesh.training.render.occluders import Cover, sample_cover
from dpmesh.training.render.people import Drawn
from dpmesh.training.render.sensor import photograph
from dpmesh.training.render.staging import View


def sample_background(
    rng: np.random.Generator, pictures: list[Path], view: View, foot: np.ndarray, floor_chance: float = 0.3
) -> np.ndarray:
    """Return what is behind the people (H, W, 3) uint8: a photograph, or a textured floor before one.

    Args:
        view: camera of the picture drawn; for a crop, the crop's.
        foot: (3,) a point of the floor in camera axes.
    """

    def draw(width: int, height: int) -> np.ndarray:
        return random_view(rng, read_background(pictures[rng.integers(len(pictures))]), width, height)

    if rng.random() < 0.05:
        back = np.broadcast_to(rng.uniform(5, 250, 3).astype(np.uint8), (view.height, view.width, 3))
    else:
        back = draw(view.width, view.height)
    if rng.random() < floor_chance:
        texture = draw(128, 128)
        back = floor_and_wall(
            rng, texture, back, foot, view.camera_from_world, view.focal_px, view.principal_px, view.width, view.height
        )
    return back


def sample_covers(
    rng: np.random.Generator, pictures: list[Path], centre_px: np.ndarray, reach_px: float, width: int, height: int
) -> Cover:
    """Return one or two things in front of a person, as one layer."""

    def texture() -> np.ndarray:
        return random_view(rng, read_background(pictures[rng.integers(len(pictures))]), width, height)

    cover = sample_cover(rng, texture(), centre_px, reach_px, width, height)
    if rng.random() < 0.2:
        second = sample_cover(rng, texture(), centre_px, reach_px, width, height)
        over = second.alpha[..., None]
        colour = cover.colour + over * (second.colour.astype(np.float32) - cover.colour)
        cover = Cover(np.maximum(cover.alpha, second.alpha), colour.astype(np.uint8))
    return cover


def cast_shadows(back: np.ndarray, view: View, light: Light, points: np.ndarray, foot: np.ndarray) -> np.ndarray:
    """Return the background (H, W, 3) float32 darkened where bodies' points (M, 3) stand in the light."""
    floating = back.astype(np.float32)
    if light.shadow == 0.0 or len(points) == 0:
        return floating
    lamp = view.camera_from_world @ light.lamp_directions[0]
    dark = ground_shadow(points, foot, view.up, lamp, view.focal_px, view.principal_px, view.width, view.height)
    return floating * (1.0 - light.shadow * dark)[..., None]


def assemble(
    rng: np.random.Generator, back: np.ndarray, people: Drawn, cover: Cover | None, native_px: float | None = None
) -> np.ndarray:
    """Return the finished picture (H, W, 3) uint8 from its layers, back to front.

    Args:
        native_px: how many pixels the width had before a crop was enlarged; None when it was not.
    """
    image = back * (1.0 - people.alpha[..., None]) + people.colour
    if cover is not None:
        image += cover.alpha[..., None] * (cover.colour - image)
    return photograph(rng, np.clip(image, 0, 255).astype(np.uint8), native_px)
