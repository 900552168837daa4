"""What a camera and a codec do to images: exposure, blur, low resolution, noise, compression."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from dpmesh.training.engine.rng import Rng

_KERNEL = 11
# Quantisation of luminance and colour differences at quality 50, averaged along the diagonals of the tables that the
# JPEG standard gives as examples (ITU T.81, annex K).
_LUMINANCE = (16, 11, 13, 16, 22, 36, 54, 58, 62, 72, 84, 92, 98, 101, 99)
_COLOUR = (17, 18, 24, 47, 80, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99)


def photograph(rng: Rng, image: Tensor, native_fraction: Tensor | None = None) -> Tensor:
    """Return images (N, 3, H, W) uint8 as a mediocre camera would store them.

    Args:
        rng: what draws.
        image: (N, 3, H, W) float32 0 to 255; sides are multiples of 8.
        native_fraction: (N,) pixels that a crop had before it was enlarged, over those it has now; None for 1.
    """
    count = len(image)
    fraction = image.new_ones(count) if native_fraction is None else native_fraction.clamp_max(1.0)
    fraction = fraction * torch.where(rng.coin(0.3, count), rng.uniform(0.35, 0.9, count), 1.0)
    before = rng.normal(1.0, *image.shape)
    image = image + before * (rng.uniform(0, 8.0, count) * rng.coin(0.3, count))[:, None, None, None]
    image = _blur(rng, image, fraction)
    image = _expose(rng, image)
    after = rng.uniform(0.5, 9.0, count) * rng.uniform(0, 1, count) * rng.coin(0.6, count)
    image = image + rng.normal(1.0, *image.shape) * after[:, None, None, None]
    coded = _compress(image, rng.uniform(25, 95, count))
    image = torch.where(rng.coin(0.6, count, 1, 1, 1), coded, image)
    return image.clamp(0, 255).round().to(torch.uint8)


def _blur(rng: Rng, image: Tensor, fraction: Tensor) -> Tensor:
    """Blur by the lost resolution, the lens and motion, all as one Gaussian that may be longer one way."""
    count = len(image)
    lost = 0.45 * (1.0 / fraction.clamp_min(0.15) - 1.0)
    lens = rng.uniform(0.3, 1.2, count) * rng.coin(0.35, count)
    spread = torch.hypot(lost, lens).clamp(0.05, 3.0)
    length = spread + rng.uniform(0.8, 2.0, count) * rng.coin(0.12, count)
    angle = rng.uniform(0, math.pi, count)
    axis = torch.arange(_KERNEL, device=image.device) - (_KERNEL - 1) / 2
    x, y = axis[None, None, :], axis[None, :, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = (cos * x + sin * y) / length[:, None, None], (cos * y - sin * x) / spread[:, None, None]
    kernel = torch.exp(-0.5 * (along**2 + across**2))
    kernel = (kernel / kernel.sum((1, 2), keepdim=True)).repeat_interleave(3, 0)[:, None]
    padded = F.pad(image, [_KERNEL // 2] * 4, mode="replicate").flatten(0, 1)[None]
    return F.conv2d(padded, kernel, groups=3 * count).view(image.shape)


def _expose(rng: Rng, image: Tensor) -> Tensor:
    count = len(image)
    gamma = rng.normal(0.18, count, 1, 1, 1).exp()
    gain = rng.normal(0.15, count, 1, 1, 1).exp() * (1 + rng.normal(0.04, count, 3, 1, 1))
    black = rng.uniform(0, 14, count, 1, 1, 1) * rng.coin(0.4, count, 1, 1, 1)
    image = black + (255 - black) * (image / 255).clamp(1e-4, 1) ** gamma * gain
    grey = image.mean(1, keepdim=True).expand_as(image)
    return torch.where(rng.coin(0.06, count, 1, 1, 1), grey, image).clamp(0, 255)


def _compress(image: Tensor, quality: Tensor) -> Tensor:
    """Return the images after the lossy part of JPEG, without the halving of the colour planes."""
    basis, table, mix = _tables(image.device)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    step = (table * scale[:, None, None, None]).clamp(1, 255)[:, :, None, None]
    planes = torch.einsum("ij,njhw->nihw", mix, image)
    count, _, height, width = image.shape
    blocks = planes.view(count, 3, height // 8, 8, width // 8, 8).transpose(3, 4)
    coded = torch.round(basis @ (blocks - 128) @ basis.T / step) * step
    planes = (basis.T @ coded @ basis + 128).transpose(3, 4).reshape(count, 3, height, width)
    return torch.einsum("ij,njhw->nihw", torch.linalg.inv(mix), planes)


@lru_cache(maxsize=4)
def _tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cosine basis (8, 8), the quantisation steps (3, 8, 8) and the colour transform (3, 3)."""
    k = torch.arange(8, device=device)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * (math.pi / 16)) / 2
    basis[0] /= math.sqrt(2)
    diagonal = k[:, None] + k[None]
    steps = [torch.tensor(row, dtype=torch.float32, device=device)[diagonal] for row in (_LUMINANCE, _COLOUR, _COLOUR)]
    red, blue = 0.299, 0.114
    light = torch.tensor([red, 1 - red - blue, blue], device=device)
    # The differences are shifted by adding nothing here: only their rounding matters.
    cb = (torch.tensor([0.0, 0.0, 1.0], device=device) - light) / (2 * (1 - blue))
    cr = (torch.tensor([1.0, 0.0, 0.0], device=device) - light) / (2 * (1 - red))
    return basis, torch.stack(steps), torch.stack([light, cb, cr])
