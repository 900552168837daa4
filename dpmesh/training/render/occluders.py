"""Things in front of the people: boxes, posts, tables, blobs, rails, drawn with a texture or a colour."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpmesh.training.engine.rng import Rng, choose
from dpmesh.training.render.backgrounds import Textures, sample_views_of

_WAVES = 5


@dataclass(frozen=True, slots=True)
class Covers:
    """Occluders in front of images."""

    alpha: Tensor  # (N, H, W) float32, 1 where nothing behind is seen
    colour: Tensor  # (N, H, W, 3) float32 0 to 255

    def only(self, kept: Tensor) -> Covers:
        """Return the covers with nothing on images where `kept` (N,) is False."""
        return Covers(self.alpha * kept[:, None, None], self.colour)


def sample_covers(rng: Rng, textures: Textures, centre_px: Tensor, reach_px: Tensor, width: int, height: int) -> Covers:
    """Return one or two random things near a person in every image.

    Args:
        rng: what draws.
        textures: photographs, the surface of half of the things.
        centre_px: (N, 2) middle of the person.
        reach_px: (N,) about the person's height.
        width, height: of the images.
    """
    first = _sample_one(rng, textures, centre_px, reach_px, width, height)
    some = rng.coin(0.2, len(centre_px)).nonzero().squeeze(1)
    if len(some):
        second = _sample_one(rng, textures, centre_px[some], reach_px[some], width, height)
        over = second.alpha[..., None]
        first.colour[some] = torch.lerp(first.colour[some], second.colour, over)
        first.alpha[some] = torch.maximum(first.alpha[some], second.alpha)
    return first


def _sample_one(rng: Rng, textures: Textures, centre_px: Tensor, reach_px: Tensor, width: int, height: int) -> Covers:
    count = len(centre_px)
    middle = centre_px + rng.normal(0.28, count, 2) * reach_px[:, None]
    reach = reach_px[:, None, None]
    x = torch.arange(width, device=middle.device)[None, None] + 0.5 - middle[:, 0, None, None]
    y = torch.arange(height, device=middle.device)[None, :, None] + 0.5 - middle[:, 1, None, None]
    kind = rng.integers(5, count, 1, 1)
    # Each shape as a signed distance in pixels, negative inside.
    angle = rng.normal(0.21, count, 1, 1)
    across, down = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    half = 0.5 * reach * rng.uniform(0.12, 0.6, count, 1, 1)
    tall = 0.5 * reach * rng.uniform(0.12, 0.6, count, 1, 1)
    box = torch.maximum(across.abs() - half, down.abs() - tall)
    lean = rng.normal(0.06, count, 1, 1)
    post = (x + lean * y).abs() - 0.5 * reach * rng.uniform(0.04, 0.22, count, 1, 1)
    top = (centre_px[:, 1] - middle[:, 1])[:, None, None] + reach * rng.uniform(-0.1, 0.4, count, 1, 1)
    ends = rng.uniform(-0.7, 1.7, count, 1, 1, 2).sort(-1).values * width - middle[:, 0, None, None, None]
    beside = torch.maximum(ends[..., 0] - x, x - ends[..., 1])
    table = torch.maximum(top + rng.normal(0.05, count, 1, 1) * x - y, beside)
    aspect = rng.uniform(0.5, 2.0, count, 1, 1)
    bearing = torch.atan2(y, x / aspect)
    radius = torch.ones_like(bearing)
    roughness = rng.uniform(0, 0.3, count, 1, 1)
    for wave in range(2, 2 + _WAVES):
        phase = rng.uniform(0, 2 * torch.pi, count, 1, 1)
        radius = radius + roughness * rng.normal(1.0, count, 1, 1) * torch.cos(wave * bearing + phase)
    blob = torch.hypot(x / aspect, y) - reach * rng.uniform(0.08, 0.32, count, 1, 1) * radius.clamp_min(0.3)
    thick = 0.5 * reach * rng.uniform(0.03, 0.12, count, 1, 1)
    sloped = y + rng.normal(0.05, count, 1, 1) * x
    rails = sloped.abs() - thick
    second = (sloped - 0.25 * reach).abs() - thick
    rails = torch.where(rng.coin(0.5, count, 1, 1), torch.minimum(rails, second), rails)
    shapes = [box, post.expand_as(box), table, blob, rails.expand_as(box)]
    distance = choose(kind.expand_as(box), shapes)
    textured = sample_views_of(rng, textures, count, width, height)
    ramp = torch.lerp(
        rng.uniform(0.6, 1.0, count, 1, 1, 1),
        rng.uniform(0.6, 1.0, count, 1, 1, 1),
        torch.linspace(0, 1, width, device=middle.device)[None, None, :, None],
    )
    plain = rng.uniform(10, 245, count, 1, 1, 3) * ramp
    colour = torch.where(rng.coin(0.5, count, 1, 1, 1), textured, plain.expand_as(textured))
    return Covers((0.5 - distance).clamp(0, 1), colour)
