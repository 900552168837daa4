"""Clothes, skin, hair and patterns, drawn at random on the vertices of a body."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from dpmesh.training.render.surface import ARM, FOOT, HAND, HEAD, LEG, TORSO, BodySurface

# Linear reflectance of human skin from light to dark, read off published colour charts by eye.
_SKIN = np.array(
    [
        [0.80, 0.56, 0.44],
        [0.72, 0.47, 0.34],
        [0.60, 0.36, 0.24],
        [0.45, 0.25, 0.15],
        [0.28, 0.14, 0.08],
        [0.14, 0.07, 0.04],
    ]
)
_HAIR = np.array(
    [[0.012, 0.010, 0.010], [0.05, 0.025, 0.015], [0.14, 0.07, 0.03], [0.45, 0.30, 0.13], [0.40, 0.40, 0.40]]
)


@dataclass(frozen=True, slots=True)
class Outfit:
    """How one person looks, for every vertex of the body."""

    albedo: np.ndarray  # (V, 3) float32 linear reflectance, 0 to 1
    thickness: np.ndarray  # (V,) float32 metres that cloth or hair stands off the skin


def dress(rng: np.random.Generator, body: BodySurface) -> Outfit:
    """Return a random outfit; the same generator state gives the same clothes."""
    skin = _skin(rng)
    albedo = np.broadcast_to(skin, body.rest.shape).astype(np.float32).copy()
    thickness = np.zeros(len(body.rest), np.float32)
    region, along = body.region, body.along

    torso, arm, leg = region == TORSO, region == ARM, region == LEG
    waist = rng.uniform(0.05, 0.3)
    top, bottom = _cloth_colour(rng), _cloth_colour(rng)
    if rng.random() < 0.12:
        bottom = top
    sleeve = rng.choice([0.15, rng.uniform(0.3, 0.8), rng.uniform(1.7, 2.0)], p=[0.12, 0.45, 0.43])
    trouser = rng.choice([rng.uniform(0.35, 0.9), rng.uniform(0.9, 1.5), rng.uniform(1.75, 2.2)], p=[0.22, 0.08, 0.7])
    is_top = (torso & (along > waist)) | (arm & (along < sleeve))
    is_bottom = (torso & (along <= waist)) | (leg & (along < trouser))
    if rng.random() < 0.15:  # a coat or dress that hangs over the hips
        hem = rng.uniform(0.2, 1.1)
        is_top |= (torso & (along <= waist)) | (leg & (along < hem))
        is_bottom &= ~is_top
    if rng.random() < 0.04:
        is_top[:] = False
    albedo[is_top] = _pattern(rng, body, is_top, top)
    albedo[is_bottom] = _pattern(rng, body, is_bottom, bottom, plain=0.8)
    if rng.random() < 0.3:
        _draw_print(rng, body, albedo, is_top & torso)
    thickness[is_top] = _loose(rng, 0.03)
    thickness[is_bottom] = _loose(rng, 0.03)
    if rng.random() < 0.2:  # wide legs or a skirt: cloth stands off most at the hem
        flare = is_bottom & leg
        thickness[flare] += rng.uniform(0.01, 0.05) * along[flare].clip(0) / trouser

    shoe = (region == FOOT) | (leg & (along > rng.choice([1.93, 1.8, 1.4], p=[0.6, 0.3, 0.1])))
    if rng.random() < 0.94:
        albedo[shoe] = _cloth_colour(rng)
        thickness[shoe] = rng.uniform(0.003, 0.015)
    if rng.random() < 0.08:
        albedo[region == HAND] = _cloth_colour(rng)
    _cover_head(rng, body, albedo, thickness)

    albedo *= 1.0 + rng.uniform(0.0, 0.15) * _ripples(rng, body.rest, 6, (8.0, 40.0))[:, None]
    return Outfit(albedo.clip(0.005, 0.95), thickness)


def _skin(rng: np.random.Generator) -> np.ndarray:
    place = rng.uniform(0, len(_SKIN) - 1.001)
    low = int(place)
    tone = _SKIN[low] + (place - low) * (_SKIN[low + 1] - _SKIN[low])
    return tone * rng.uniform(0.9, 1.1, 3)


def _cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """Return a linear colour: mostly greys, blacks, whites and muted tones, some bright ones."""
    kind = rng.random()
    if kind < 0.35:
        grey = rng.choice([rng.uniform(0.005, 0.06), rng.uniform(0.06, 0.4), rng.uniform(0.5, 0.9)])
        return grey * rng.uniform(0.88, 1.12, 3)
    if kind < 0.5:  # denim and navy
        return np.array([0.05, 0.09, 0.2]) * rng.uniform(0.3, 2.5) * rng.uniform(0.85, 1.15, 3)
    saturation = rng.uniform(0.2, 0.6) if kind < 0.8 else rng.uniform(0.6, 1.0)
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.15, 0.95))) ** 2.2


def _loose(rng: np.random.Generator, most: float) -> float:
    return float(most * rng.random() ** 1.5)


def _ripples(rng: np.random.Generator, points: np.ndarray, waves: int, frequency: tuple[float, float]) -> np.ndarray:
    """Return smooth noise of about unit size at points (M, 3): a sum of sines in random directions."""
    direction = rng.normal(size=(3, waves))
    direction *= rng.uniform(*frequency, waves) / np.linalg.norm(direction, axis=0)
    phase = rng.uniform(0, 2 * np.pi, waves)
    turns = (points @ direction.astype(np.float32) + phase.astype(np.float32)).astype(np.float32)
    return np.sin(turns).sum(1) * np.float32((2.0 / waves) ** 0.5)


def _pattern(
    rng: np.random.Generator, body: BodySurface, where: np.ndarray, colour: np.ndarray, plain: float = 0.5
) -> np.ndarray:
    points = body.rest[where]
    if rng.random() < plain:
        return np.broadcast_to(colour, points.shape)
    other = _cloth_colour(rng)
    kind = rng.integers(5)
    period = rng.uniform(0.05, 0.25)
    duty = rng.uniform(-0.6, 0.6)
    if kind == 0:  # hoops round the torso, and along the limbs where they hang or stretch
        mix = np.sin(points[:, 1] * (2 * np.pi / period)) > duty
    elif kind == 1:
        mix = np.sin(points[:, 0] * (2 * np.pi / period)) > duty
    elif kind == 2:
        wave = np.sin(points[:, :2] * (2 * np.pi / period))
        mix = (wave[:, 0] * wave[:, 1] > 0) if rng.random() < 0.5 else (wave.max(1) > 0.8)
    elif kind == 3:
        mix = _ripples(rng, points, 8, (15.0, 70.0)) > duty
    else:
        span = points[:, 1] - points[:, 1].min() if len(points) else np.zeros(0)
        mix = span / max(float(span.max(initial=0.0)), 1e-6)
    amount = np.asarray(mix, np.float32)[:, None]
    return colour + amount * (other - colour)


def _draw_print(rng: np.random.Generator, body: BodySurface, albedo: np.ndarray, where: np.ndarray) -> None:
    front = 1 if rng.random() < 0.7 else -1
    centre, radius = rng.uniform(0.45, 0.8), rng.uniform(0.1, 0.35)
    aspect = rng.uniform(0.5, 2.0)
    across = body.rest[:, 0] / (0.4 * radius * aspect)
    up = (body.along - centre) / radius
    inside = np.abs(across) + np.abs(up) < 1 if rng.random() < 0.3 else np.maximum(np.abs(across), np.abs(up)) < 1
    facing = body.rest[:, 2] * front > -0.01
    albedo[where & inside & facing] = _cloth_colour(rng)


def _cover_head(rng: np.random.Generator, body: BodySurface, albedo: np.ndarray, thickness: np.ndarray) -> None:
    """Hair, a cap, a hood, or nothing, and sometimes a beard or a mask."""
    x, y, z = body.head.T
    head = body.region == HEAD
    kind = rng.choice(["short", "long", "cap", "hood", "bald"], p=[0.5, 0.24, 0.12, 0.06, 0.08])
    hairline = rng.uniform(0.35, 0.6)
    crown = head & (y + 0.75 * (0.2 - z).clip(0, 1.2) > hairline)
    colour = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.6, 1.4, 3)
    if kind == "short":
        albedo[crown], thickness[crown] = colour, rng.uniform(0.0, 0.02)
    elif kind == "long":
        fall = rng.uniform(-2.2, -0.6)
        back = (z < 0.25 - 0.3 * (np.abs(x) < 0.45)) & (y > fall) & (y < 1.5) & (np.abs(x) < 1.2)
        mane = crown | (back & (head | ((body.region == TORSO) & (z < -0.1))))
        albedo[mane], thickness[mane] = colour, rng.uniform(0.01, 0.035)
    elif kind == "cap":
        albedo[crown], thickness[crown] = _cloth_colour(rng), rng.uniform(0.005, 0.025)
    elif kind == "hood":
        hood = head & ((z < 0.35) | (y > 0.6))
        albedo[hood], thickness[hood] = _cloth_colour(rng), rng.uniform(0.01, 0.03)
    if kind != "hood" and rng.random() < 0.2:
        albedo[head & (y < -0.35) & (y > -1.1) & (z > 0.1)] = colour if rng.random() < 0.7 else _cloth_colour(rng)
