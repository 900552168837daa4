"""Light: a sky and one or two lamps, evaluated at the vertices; and the shadow that bodies throw on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from configs.checks import Shaped
from dpmesh.training.engine.rng import Rng
from dpmesh.training.render.layout import Views

_SHADOW_SPREADS_PX = (3, 7, 15)


@dataclass(frozen=True, slots=True)
class Lights(Shaped):
    """What lights each image; directions in world axes (y up), pointing towards the lamp."""

    sky: Annotated[Tensor, "N", 3]  # linear colour from straight above
    ground: Annotated[Tensor, "N", 3]  # linear colour from straight below
    lamp_directions: Annotated[Tensor, "N", 2, 3]
    lamp_colours: Annotated[Tensor, "N", 2, 3]  # zero for a lamp that is off
    shadow: Annotated[Tensor, "N"]  # 0 no shadow on the ground, 1 black

    def repeat(self, times: int) -> Lights:
        """Return the lights `times` over."""
        return self.each(lambda rows: torch.cat([rows] * times))


def sample_lights(rng: Rng, count: int) -> Lights:
    """Return random lights: indoors, overcast or sun, now and then coloured."""
    sky = rng.uniform(0.25, 0.7, count, 1) * (1 + rng.normal(0.08, count, 3))
    ground = sky * rng.uniform(0.25, 0.9, count, 1) * (1 + rng.normal(0.06, count, 3))
    azimuth, height = rng.uniform(0, 2 * torch.pi, count, 2), rng.uniform(0.15, 1.4, count, 2)
    directions = torch.stack([height.cos() * azimuth.cos(), height.sin(), height.cos() * azimuth.sin()], dim=-1)
    second = rng.uniform(0, 0.6, count) * rng.coin(0.5, count)
    power = torch.stack([rng.uniform(0.1, 1.1, count), second], dim=1)
    deviation = torch.where(rng.coin(0.15, count), 0.25, 0.08)[:, None, None]
    tint = 1 + rng.normal(deviation, count, 2, 3)
    shadow = rng.uniform(0.1, 0.75, count) * rng.coin(0.8, count)
    return Lights(
        sky.clamp_min(0.02), ground.clamp_min(0.02), directions, (power[..., None] * tint).clamp_min(0), shadow
    )


def shade(albedo: Tensor, normals: Tensor, camera_from_world: Tensor, lights: Lights, image_index: Tensor) -> Tensor:
    """Return the light leaving each vertex (R, V, 3), linear, about 0 to 1.

    Args:
        albedo: (R, V, 3) linear reflectance.
        normals: (R, V, 3) unit normals in camera axes.
        camera_from_world: (N, 3, 3) of the images.
        lights: of the images.
        image_index: (R,) int64.
    """
    lamps = torch.einsum("nij,nlj->nil", camera_from_world, lights.lamp_directions)
    sides = torch.cat([camera_from_world[:, :, 1:2], lamps], dim=2)
    facing = torch.bmm(normals, sides[image_index])
    facing[..., 1:].clamp_min_(0)
    colours = torch.cat([(0.5 * (lights.sky - lights.ground))[:, None], lights.lamp_colours], dim=1)
    level = (0.5 * (lights.sky + lights.ground))[:, None]
    return torch.baddbmm(level[image_index], facing, colours[image_index]).mul_(albedo)


def ground_shadows(
    points: Tensor, image_index: Tensor, foot: Tensor, views: Views, lights: Lights, width: int, height: int
) -> Tensor:
    """Return by how much the ground is darkened where bodies stand in the light (N, 1, height, width), 0 to 1.

    Args:
        points: (R, K, 3) points of the bodies, camera axes, metres.
        image_index: (R,) int64 image of each body, -1 for who throws no shadow.
        foot: (N, 3) a point of the ground plane.
        views: cameras of the images drawn.
        lights: of the images; the first lamp throws the shadow.
    """
    count = len(foot)
    wide, high = max(width // 2, 1), max(height // 2, 1)
    rows = (image_index >= 0).nonzero().squeeze(1)
    points, own = points[rows], image_index[rows]
    lamp = torch.einsum("nij,nj->ni", views.camera_from_world, lights.lamp_directions[:, 0])[own]
    up = views.up[own]
    rise = ((points - foot[own][:, None]) * up[:, None]).sum(-1)
    slope = (lamp * up).sum(-1).clamp_min(0.12)
    ground = points - (rise / slope[:, None])[..., None] * lamp[:, None]
    xy = views.project_rows(ground, own) * 0.5
    ahead = ground[..., 2] > 0.1
    column, line = xy[..., 0].nan_to_num(-1.0).floor(), xy[..., 1].nan_to_num(-1.0).floor()
    inside = ahead & (column >= 0) & (column < wide) & (line >= 0) & (line < high)
    place = (own[:, None] * high + line.clamp(0, high - 1).long()) * wide + column.clamp(0, wide - 1).long()
    dark = points.new_zeros(count * high * wide)
    dark[place[inside]] = 1.0
    dark = dark.view(count, 1, high, wide)
    depth = foot[:, 2].clamp_min(0.5)
    reach = 0.06 * views.focal_px / depth
    soft = dark
    for spread in _SHADOW_SPREADS_PX:
        blurred = F.avg_pool2d(dark, spread, stride=1, padding=spread // 2)
        soft = torch.where((reach >= 0.8 * spread)[:, None, None, None], blurred, soft)
    soft = F.avg_pool2d((1.8 * soft).clamp_max(1.0), 3, stride=1, padding=1)
    return lights.shadow[:, None, None, None] * F.interpolate(soft, (height, width), mode="bilinear")
