"""Clothes, skin, hair and patterns, drawn at random on the vertices of many bodies at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from configs.checks import Shaped
from dpmesh.training.engine.rng import Rng, choose
from dpmesh.training.render.surface import ARM, FOOT, HAND, HEAD, LEG, TORSO, BodySurface

# Linear reflectance of human skin from light to dark, read off published colour charts by eye.
_SKIN = (
    (0.80, 0.56, 0.44),
    (0.72, 0.47, 0.34),
    (0.60, 0.36, 0.24),
    (0.45, 0.25, 0.15),
    (0.28, 0.14, 0.08),
    (0.14, 0.07, 0.04),
)
_HAIR = ((0.012, 0.010, 0.010), (0.05, 0.025, 0.015), (0.14, 0.07, 0.03), (0.45, 0.30, 0.13), (0.40, 0.40, 0.40))
_DENIM = (0.05, 0.09, 0.2)


@dataclass(frozen=True, slots=True)
class Outfits(Shaped):
    """How people look, for every vertex of their bodies."""

    albedo: Annotated[Tensor, "R", "V", 3]  # float32 linear reflectance, 0 to 1
    thickness: Annotated[Tensor, "R", "V"]  # float32 metres that cloth or hair stands off the skin

    def repeat(self, times: int) -> Outfits:
        """Return the rows `times` over, all rows before the second time."""
        return self.each(lambda rows: torch.cat([rows] * times))


def dress(rng: Rng, body: BodySurface, rows: int) -> Outfits:
    """Return random outfits of `rows` people."""
    region, along = body.region, body.along[None]
    torso, arm, leg, foot = (region == part for part in (TORSO, ARM, LEG, FOOT))
    albedo = _skin(rng, rows).expand(rows, len(region), 3).clone()
    thickness = albedo.new_zeros(rows, len(region))

    waist = rng.uniform(0.05, 0.3, rows, 1)
    sleeve = _one_of(rng, rows, (0.12, 0.45, 0.43), ((0.15, 0.15), (0.3, 0.8), (1.7, 2.0)))
    trouser = _one_of(rng, rows, (0.22, 0.08, 0.7), ((0.35, 0.9), (0.9, 1.5), (1.75, 2.2)))
    is_top = (torso & (along > waist)) | (arm & (along < sleeve))
    is_bottom = (torso & (along <= waist)) | (leg & (along < trouser))
    coat = rng.coin(0.15, rows, 1)  # a coat or dress that hangs over the hips
    hem = rng.uniform(0.2, 1.1, rows, 1)
    is_top = is_top | (coat & ((torso & (along <= waist)) | (leg & (along < hem))))
    is_top = is_top & ~rng.coin(0.04, rows, 1)
    is_bottom = is_bottom & ~is_top

    top, bottom = _cloth_colours(rng, rows), _cloth_colours(rng, rows)
    bottom = torch.where(rng.coin(0.12, rows, 1), top, bottom)
    albedo = torch.where(is_top[..., None], _pattern(rng, body, is_top, top, 0.5), albedo)
    albedo = torch.where(is_bottom[..., None], _pattern(rng, body, is_bottom, bottom, 0.8), albedo)
    printed = _print_place(rng, body, rows) & is_top & torso & rng.coin(0.3, rows, 1)
    albedo = torch.where(printed[..., None], _cloth_colours(rng, rows)[:, None], albedo)
    thickness = torch.where(is_top, _loose(rng, rows), thickness)
    thickness = torch.where(is_bottom, _loose(rng, rows), thickness)
    # Wide legs or a skirt: cloth stands off most at the hem.
    flare = rng.uniform(0.01, 0.05, rows, 1) * rng.coin(0.2, rows, 1)
    thickness = thickness + (is_bottom & leg) * flare * along.clamp_min(0) / trouser

    shaft = _one_of(rng, rows, (0.6, 0.3, 0.1), ((1.93, 1.93), (1.8, 1.8), (1.4, 1.4)))
    shoe = (foot | (leg & (along > shaft))) & rng.coin(0.94, rows, 1)
    albedo = torch.where(shoe[..., None], _cloth_colours(rng, rows)[:, None], albedo)
    thickness = torch.where(shoe, rng.uniform(0.003, 0.015, rows, 1), thickness)
    glove = (region == HAND) & rng.coin(0.08, rows, 1)
    albedo = torch.where(glove[..., None], _cloth_colours(rng, rows)[:, None], albedo)
    albedo, thickness = _cover_heads(rng, body, albedo, thickness)
    albedo = albedo * (1.0 + rng.uniform(0.0, 0.15, rows, 1) * _ripples(rng, body, rows, (8.0, 40.0)))[..., None]
    return Outfits(albedo.clamp(0.005, 0.95), thickness)


def _one_of(rng: Rng, rows: int, weights: tuple[float, ...], spans: tuple[tuple[float, float], ...]) -> Tensor:
    """Return (rows, 1): a number from one of several spans."""
    low, high = torch.tensor(spans, device=rng.device)[rng.pick(weights, rows, 1)].unbind(-1)
    return rng.uniform(low, high, rows, 1)


def _skin(rng: Rng, rows: int) -> Tensor:
    tones = torch.tensor(_SKIN, device=rng.device)
    place = rng.uniform(0, len(_SKIN) - 1.001, rows)
    low = place.long()
    tone = torch.lerp(tones[low], tones[low + 1], (place - low)[:, None])
    return (tone * rng.uniform(0.9, 1.1, rows, 3))[:, None]


def _cloth_colours(rng: Rng, rows: int) -> Tensor:
    """Return linear colours (rows, 3): mostly greys, blacks, whites and muted tones, some bright ones."""
    kind = rng.uniform(0, 1, rows, 1)
    grey = _one_of(rng, rows, (1, 1, 1), ((0.005, 0.06), (0.06, 0.4), (0.5, 0.9)))
    grey = grey * rng.uniform(0.88, 1.12, rows, 3)
    denim = torch.tensor(_DENIM, device=rng.device) * rng.uniform(0.3, 2.5, rows, 1)
    denim = denim * rng.uniform(0.85, 1.15, rows, 3)
    saturation = torch.where(kind < 0.8, rng.uniform(0.2, 0.6, rows, 1), rng.uniform(0.6, 1.0, rows, 1))
    turn = rng.uniform(0, 6, rows, 1) + torch.tensor([0.0, 4.0, 2.0], device=rng.device)
    hue = ((turn % 6.0 - 3.0).abs() - 1.0).clamp(0, 1)
    value = rng.uniform(0.15, 0.95, rows, 1)
    bright = (value * (1 - saturation * (1 - hue))) ** 2.2
    return torch.where(kind < 0.35, grey, torch.where(kind < 0.5, denim, bright))


def _loose(rng: Rng, rows: int) -> Tensor:
    return 0.03 * rng.uniform(0, 1, rows, 1) ** 1.5


def _ripples(rng: Rng, body: BodySurface, rows: int, frequency: tuple[float, float]) -> Tensor:
    """Return smooth noise (rows, V) of about unit size: a sum of sines in random directions."""
    waves = 6
    direction = rng.directions(rows, waves) * rng.uniform(*frequency, rows, waves, 1)
    turns = torch.einsum("rwk,vk->rwv", direction, body.rest) + rng.uniform(0, 2 * torch.pi, rows, waves, 1)
    return turns.sin_().sum(1) * (2.0 / waves) ** 0.5


def _pattern(rng: Rng, body: BodySurface, where: Tensor, colour: Tensor, plain: float) -> Tensor:
    """Return colours (R, V, 3): one, or hoops, stripes, checks, blots or a fade of two."""
    rows = len(colour)
    period, duty = rng.uniform(0.05, 0.25, rows, 1), rng.uniform(-0.6, 0.6, rows, 1)
    across = torch.sin(body.rest[:, 0] * (2 * torch.pi / period))
    upward = torch.sin(body.rest[:, 1] * (2 * torch.pi / period))
    checks = torch.where(rng.coin(0.5, rows, 1), across * upward > 0, torch.maximum(across, upward) > 0.8)
    height = body.rest[:, 1].expand(rows, -1)
    low = height.masked_fill(~where, torch.inf).amin(1, keepdim=True)
    high = height.masked_fill(~where, -torch.inf).amax(1, keepdim=True)
    fade = ((height - low) / (high - low).clamp_min(1e-6)).nan_to_num(0.0).clamp(0, 1)
    blots = _ripples(rng, body, rows, (15.0, 70.0)) > duty
    kinds = [(upward > duty).float(), (across > duty).float(), checks.float(), blots.float(), fade]
    mix = choose(rng.integers(5, rows, 1).expand(-1, height.shape[1]), kinds)
    mix = mix * ~rng.coin(plain, rows, 1)
    other = _cloth_colours(rng, rows)
    return colour[:, None] + mix[..., None] * (other - colour)[:, None]


def _print_place(rng: Rng, body: BodySurface, rows: int) -> Tensor:
    """Return which vertices (rows, V) lie under a print on the chest or the back."""
    front = torch.where(rng.coin(0.7, rows, 1), 1.0, -1.0)
    centre, radius = rng.uniform(0.45, 0.8, rows, 1), rng.uniform(0.1, 0.35, rows, 1)
    across = (body.rest[:, 0] / (0.4 * radius * rng.uniform(0.5, 2.0, rows, 1))).abs()
    up = ((body.along - centre) / radius).abs()
    inside = torch.where(rng.coin(0.3, rows, 1), across + up, torch.maximum(across, up)) < 1
    return inside & (body.rest[:, 2] * front > -0.01)


def _cover_heads(rng: Rng, body: BodySurface, albedo: Tensor, thickness: Tensor) -> tuple[Tensor, Tensor]:
    """Hair, a cap, a hood, or nothing, and sometimes a beard or a mask."""
    rows = len(albedo)
    x, y, z = body.head.T
    head = body.region == HEAD
    kind = rng.pick((0.5, 0.24, 0.12, 0.06, 0.08), rows, 1)  # short, long, cap, hood, bald
    hairline = rng.uniform(0.35, 0.6, rows, 1)
    crown = head & (y + 0.75 * (0.2 - z).clamp(0, 1.2) > hairline)
    hair = torch.tensor(_HAIR, device=rng.device)[rng.integers(len(_HAIR), rows)]
    hair = hair * rng.uniform(0.6, 1.4, rows, 3)
    fall = rng.uniform(-2.2, -0.6, rows, 1)
    back = (z < 0.25 - 0.3 * (x.abs() < 0.45)) & (y > fall) & (y < 1.5) & (x.abs() < 1.2)
    mane = crown | (back & (head | ((body.region == TORSO) & (z < -0.1))))
    hood = head & ((z < 0.35) | (y > 0.6))
    covered = choose(kind.expand(-1, len(y)), [crown, mane, crown, hood.expand(rows, -1), torch.zeros_like(crown)])
    cloth = _cloth_colours(rng, rows)
    colour = torch.where(kind < 2, hair, cloth)
    albedo = torch.where(covered[..., None], colour[:, None], albedo)
    depth = choose(
        kind,
        [
            rng.uniform(0.0, 0.02, rows, 1),
            rng.uniform(0.01, 0.035, rows, 1),
            rng.uniform(0.005, 0.025, rows, 1),
            rng.uniform(0.01, 0.03, rows, 1),
            torch.zeros(rows, 1, device=rng.device),
        ],
    )
    thickness = torch.where(covered, depth, thickness)
    beard = head & (y < -0.35) & (y > -1.1) & (z > 0.1) & (kind != 3) & rng.coin(0.2, rows, 1)
    shown = torch.where(rng.coin(0.7, rows, 1), hair, _cloth_colours(rng, rows))
    return torch.where(beard[..., None], shown[:, None], albedo), thickness
