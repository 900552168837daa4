"""Where the cameras are and where people stand, so that they share one floor and hide each other on purpose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from configs.checks import Shaped
from dpmesh.training.engine.rng import Rng
from dpmesh.training.render.lens import distort

VIDEO_SIZES = ((1920, 1080), (1280, 720), (640, 480), (854, 480), (1080, 1920), (720, 1280), (1000, 1000), (640, 360))
_NEAREST_M = 0.9
_APART_M = 0.38
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Views(Shaped):
    """The cameras of N images; the world has y up and its z axis points back at the camera."""

    size: Annotated[Tensor, "N", 2]  # float32 width and height in pixels
    focal_px: Annotated[Tensor, "N"]
    principal_px: Annotated[Tensor, "N", 2]
    camera_from_world: Annotated[Tensor, "N", 3, 3]
    distortion: Annotated[Tensor | None, "N", 5] = None  # as in `lens`; None for lenses without any

    @property
    def up(self) -> Tensor:
        """Return the upward unit vectors in camera axes (N, 3)."""
        return self.camera_from_world[:, :, 1]

    def repeat(self, times: int) -> Views:
        """Return the cameras `times` over."""
        return self.each(lambda rows: torch.cat([rows] * times))

    def project(self, points: Tensor) -> Tensor:
        """Return pixels (N, ..., 2) of points (N, ..., 3) in camera axes; NaN for what lies behind the camera."""
        return _project(points, self.focal_px, self.principal_px, self.distortion)

    def project_rows(self, points: Tensor, image_index: Tensor) -> Tensor:
        """Return pixels (R, ..., 2) of points (R, ..., 3), row r seen by camera `image_index[r]`."""
        lens = None if self.distortion is None else self.distortion[image_index]
        return _project(points, self.focal_px[image_index], self.principal_px[image_index], lens)

    def contains(self, pixels: Tensor) -> Tensor:
        """Return which pixels (N, ..., 2) lie inside their image (N, ...) bool; NaN does not."""
        size = self.size.view(-1, *([1] * (pixels.ndim - 2)), 2)
        return ((pixels >= 0) & (pixels < size)).all(-1)


def _project(points: Tensor, focal_px: Tensor, principal_px: Tensor, lens: Tensor | None) -> Tensor:
    inner = [1] * (points.ndim - 2)
    depth = torch.where(points[..., 2:] > 0.05, points[..., 2:], torch.nan)
    slopes = points[..., :2] / depth
    if lens is not None:
        slopes = distort(slopes, lens)
    return slopes * focal_px.view(-1, *inner, 1) + principal_px.view(-1, *inner, 2)


def tilted_cameras(pitch_rad: Tensor, roll_rad: Tensor) -> Tensor:
    """Return `camera_from_world` (N, 3, 3) of cameras that look down by `pitch_rad` (N,)."""
    zero, one = torch.zeros_like(pitch_rad), torch.ones_like(pitch_rad)

    def matrix(*rows: tuple[Tensor, ...]) -> Tensor:
        return torch.stack([torch.stack(row, -1) for row in rows], -2)

    sin, cos = pitch_rad.sin(), pitch_rad.cos()
    pitch = matrix((one, zero, zero), (zero, cos, -sin), (zero, sin, cos))
    sin, cos = roll_rad.sin(), roll_rad.cos()
    roll = matrix((cos, -sin, zero), (sin, cos, zero), (zero, zero, one))
    return roll @ pitch @ torch.diag(pitch_rad.new_tensor([1.0, -1.0, -1.0]))


def turns(angle: Tensor) -> Tensor:
    """Return turns (N, 3, 3) about the world's upward axis by angles (N,)."""
    sin, cos, zero, one = angle.sin(), angle.cos(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = ((cos, zero, sin), (zero, one, zero), (-sin, zero, cos))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def sample_views(rng: Rng, count: int) -> Views:
    """Return random cameras: a common video size, focal 0.5 to 2 diagonals, pitch -5 to 30 degrees, little roll."""
    sizes = torch.tensor(VIDEO_SIZES, dtype=torch.float32, device=rng.device)
    chosen = sizes[rng.integers(len(sizes), count)]
    focal = chosen.norm(dim=-1) * rng.log_uniform(0.5, 2.0, count)
    level = torch.where(rng.coin(0.7, count), rng.uniform(-5, 30, count), rng.uniform(-3, 8, count))
    roll = rng.normal(2.0, count)
    return Views(chosen, focal, chosen / 2, tilted_cameras(level * (math.pi / 180), roll * (math.pi / 180)))


@dataclass(frozen=True, slots=True)
class Stances:
    """What placing bodies needs to know, in camera axes with every `trans` at zero; M places per image."""

    root: Tensor  # (N, M, 3) pelvis
    low: Tensor  # (N, M, 3) smallest corner of the bounding box
    high: Tensor  # (N, M, 3) largest corner
    sole: Tensor  # (N, M) metres, how far down the lowest vertex reaches along the floor's normal


def measure_stances(
    vertices: Tensor, roots: Tensor, up: Tensor, image_index: Tensor, slot: Tensor, most: int
) -> Stances:
    """Return the stances of meshes (R, V, 3) with their pelvises (R, 3).

    Args:
        vertices: (R, V, 3).
        roots: (R, 3).
        up: (N, 3) floor normals of the images.
        image_index: (R,) int64.
        slot: (R,) int64, which of the image's `most` places each row takes; the others are zero.
        most: M.
    """
    sole = torch.bmm(vertices, up[image_index][..., None]).amin((1, 2))

    def spread(values: Tensor) -> Tensor:
        out = values.new_zeros(len(up), most, *values.shape[1:])
        out[image_index, slot] = values
        return out

    return Stances(spread(roots), spread(vertices.amin(1)), spread(vertices.amax(1)), spread(sole))


def stand_at(stances: Stances, slot: int, spot: Tensor, up: Tensor) -> Tensor:
    """Return the `trans` (N, 3) that puts each image's person at `slot` above `spot` (N, 3), soles on the floor."""
    root = stances.root[:, slot]
    return spot - root + up * ((root * up).sum(-1) - stances.sole[:, slot])[:, None]


def spot_below(stances: Stances, trans: Tensor, up: Tensor) -> Tensor:
    """Return the point of the floor (N, 3) under the pelvis of each image's first person, placed by `trans`."""
    root = stances.root[:, 0] + trans
    floor = stances.sole[:, 0] + (trans * up).sum(-1)
    return root - up * ((root * up).sum(-1) - floor)[:, None]


def place_first(
    rng: Rng, views: Views, stances: Stances, fractions: tuple[float, float], cut_probability: float, tries: int
) -> tuple[Tensor, Tensor]:
    """Return candidates (N, T, 3) for the `trans` of each image's first person, and their faults (N, T).

    A fault is how far, in metres, the camera would be from a sound height above the floor.

    Args:
        rng: what draws.
        views: the cameras.
        stances: of the people.
        fractions: smallest and largest height of the person over that of the image.
        cut_probability: how often the person may stand across the image's edge.
        tries: T.
    """
    count = len(views.size)
    low, high = stances.low[:, 0], stances.high[:, 0]
    extent, middle = (high - low)[:, None], ((low + high) / 2)[:, None]
    fraction = rng.log_uniform(*fractions, count, tries)
    depth = views.focal_px[:, None] * extent[..., 1] / (fraction * views.size[:, 1:])
    depth = torch.maximum(depth, _NEAREST_M + extent[..., 2] / 2).clamp_max(60.0)
    half = 0.5 * views.focal_px[:, None, None] / depth[..., None] * extent[..., :2]
    room = views.size[:, None] - 2 * half
    pixel = half + rng.uniform(0, 1, count, tries, 2) * room
    cut = rng.coin(cut_probability, count, tries, 1)
    pixel = pixel + cut * rng.uniform(-1.1, 1.1, count, tries, 2) * half
    ray = (pixel - views.principal_px[:, None]) / views.focal_px[:, None, None]
    trans = torch.cat([ray, torch.ones_like(ray[..., :1])], -1) * depth[..., None] - middle
    height = -(stances.sole[:, :1] + (trans * views.up[:, None]).sum(-1))
    return trans, torch.maximum(0.1 - height, height - 6.0).clamp_min(0.0)


def first_good(candidates: Tensor, good: Tensor) -> Tensor:
    """Return, of candidates (N, T, C), the first of each row that is good (N, T); the first of all where none is."""
    slot = good.float().argmax(1)
    return candidates[torch.arange(len(slot), device=slot.device), slot]


def spots_near(rng: Rng, views: Views, spot: Tensor, taken: Tensor, is_taken: Tensor) -> tuple[Tensor, Tensor]:
    """Return a free point of the floor (N, 3) before or behind `spot` as each camera sees it, and which are sound (N,).

    Args:
        rng: what draws.
        views: the cameras.
        spot: (N, 3).
        taken: (N, K, 3) points where somebody stands.
        is_taken: (N, K) bool, which of them count.
    """
    count, up = len(spot), views.up
    away = spot - up * (spot * up).sum(-1, keepdim=True)
    away = away / away.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    aside = torch.linalg.cross(away, up)
    side = torch.where(rng.coin(0.55, count, _TRIES, 1), -1.0, 1.0)
    gap = rng.uniform(0.3, 2.5, count, _TRIES, 1) * side
    spread = torch.where(rng.coin(0.8, count, _TRIES, 1), 0.38, 1.2)
    shift = rng.normal(spread, count, _TRIES, 1)
    found = spot[:, None] + gap * away[:, None] + shift * aside[:, None]
    good = (found[..., 2] > _NEAREST_M + 0.4) & _is_free(found, taken, is_taken)
    return first_good(found, good), good.any(1)


def _is_free(found: Tensor, taken: Tensor, is_taken: Tensor) -> Tensor:
    apart = (found[:, :, None] - taken[:, None]).norm(dim=-1) > _APART_M
    return (apart | ~is_taken[:, None]).all(-1)
