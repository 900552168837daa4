"""What is behind the people: photographs, or a floor and a wall made from them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from configs.errors import InputError
from dpmesh.training.engine.rng import Rng
from dpmesh.training.render.layout import Views

_SIDE_PX = 512
_LEVELS = 4
_VALIDATION_FRACTION = 0.15


def place_of(path: Path) -> str:
    """Return the place an image shows: views of one panorama share it."""
    return path.stem.split("_y")[0] if path.stem.startswith("hdri_") else path.stem


def list_backgrounds(folder: str | Path, split: str) -> list[Path]:
    """Return the images of one split, sorted; a location belongs to one split only.

    Raises:
        InputError: the folder holds no image of that split.
    """
    found = sorted(p for p in Path(folder).glob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    mine = [p for p in found if (split == "val") == _is_validation(place_of(p))]
    if not mine:
        raise InputError(f"{folder}: no background picture for split {split!r}; give a folder of .jpg or .png files")
    return mine


def _is_validation(place: str) -> bool:
    return int(hashlib.sha256(place.encode()).hexdigest()[:8], 16) / 2**32 < _VALIDATION_FRACTION


def read_background(path: Path) -> np.ndarray:
    """Return an image (H, W, 3) uint8 RGB.

    Raises:
        InputError: the file is no readable image.
    """
    data = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if data is None:
        raise InputError(f"{path}: not a readable picture; remove it or replace it")
    return np.ascontiguousarray(data[..., ::-1])


class Textures:
    """Photographs in memory, each at several sizes, read at any place by many images at once.

    Args:
        paths: the photographs; each is stretched to a square.
        device: where they lie.
    """

    def __init__(self, paths: list[Path], device: torch.device | str = "cpu") -> None:
        images, aspects = [], []
        for path in paths:
            image = read_background(path)
            aspects.append(image.shape[1] / image.shape[0])
            square = cv2.resize(image, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
            images.append(torch.from_numpy(square))
        full = torch.stack(images).to(device)
        self.aspects = torch.tensor(aspects, dtype=torch.float32, device=full.device)
        levels, starts, start = [], [], 0
        for level in range(_LEVELS):
            side = _SIDE_PX >> level
            if level:
                shrunk = F.avg_pool2d(full.permute(0, 3, 1, 2).float(), 2**level)
                levels.append(shrunk.round().byte().permute(0, 2, 3, 1).reshape(-1, 3))
            else:
                levels.append(full.view(-1, 3))
            starts.append(start)
            start += len(paths) * side * side
        self._texels = torch.cat(levels)
        self._starts = torch.tensor(starts, device=full.device)

    def __len__(self) -> int:
        return len(self.aspects)

    def read(self, index: Tensor, u: Tensor, v: Tensor, texels_per_pixel: Tensor) -> Tensor:
        """Return colours (N, H, W, 3) float32 0 to 255, bilinear.

        Args:
            index: (N,) int64, which photograph.
            u, v: (N, H, W) places across and down, 0 to 1; what lies outside takes the edge's colour.
            texels_per_pixel: (N,) how many texels of the full size fall on one pixel: picks the size read.
        """
        level = texels_per_pixel.clamp_min(1.0).log2().round().long().clamp_max(_LEVELS - 1)
        side = (_SIDE_PX >> level)[:, None, None]
        base = self._starts[level][:, None, None] + index[:, None, None] * side * side
        x = (u * side - 0.5).clamp_min(0.0)
        y = (v * side - 0.5).clamp_min(0.0)
        left, top = torch.minimum(x.long(), side - 1), torch.minimum(y.long(), side - 1)
        right, below = torch.minimum(left + 1, side - 1), torch.minimum(top + 1, side - 1)
        fx, fy = (x - left).clamp(0, 1)[..., None], (y - top).clamp(0, 1)[..., None]

        def texel(line: Tensor, column: Tensor) -> Tensor:
            return self._texels[base + line * side + column].float()

        upper = torch.lerp(texel(top, left), texel(top, right), fx)
        return torch.lerp(upper, torch.lerp(texel(below, left), texel(below, right), fx), fy)


def sample_views_of(rng: Rng, textures: Textures, count: int, width: int, height: int) -> Tensor:
    """Return random windows of photographs (count, height, width, 3) float32, flipped and tinted at random."""
    index = rng.integers(len(textures), count)
    aspect = textures.aspects[index]
    zoom = rng.uniform(0.25, 1.0, count)
    # The widest window of the image's shape that fits, as shares of the photograph's sides.
    wide = (width / height / aspect).clamp_max(1.0) * zoom
    high = (height / width * aspect).clamp_max(1.0) * zoom
    left, top = (1 - wide) * rng.uniform(0, 1, count), (1 - high) * rng.uniform(0, 1, count)
    column = (torch.arange(width, device=rng.device) + 0.5) / width
    column = torch.where(rng.coin(0.5, count, 1), 1 - column, column)
    line = (torch.arange(height, device=rng.device) + 0.5) / height
    u = (left[:, None] + wide[:, None] * column)[:, None, :].expand(-1, height, -1)
    v = (top[:, None] + high[:, None] * line)[:, :, None].expand(-1, -1, width)
    colour = textures.read(index, u, v, torch.maximum(wide / width, high / height) * _SIDE_PX)
    gain = rng.uniform(0.6, 1.25, count, 1, 1, 1) * (1 + rng.normal(0.06, count, 1, 1, 3))
    return (colour * gain + rng.uniform(-15, 15, count, 1, 1, 1)).clamp(0, 255)


def sample_backgrounds(
    rng: Rng, textures: Textures, views: Views, foot: Tensor, width: int, height: int, floor_probability: float = 0.3
) -> Tensor:
    """Return what is behind the people (N, height, width, 3) float32 0 to 255.

    A photograph, one colour, or a textured floor in true perspective before one of them.

    Args:
        rng: what draws.
        textures: photographs.
        views: cameras of the images drawn; for crops, the crops'.
        foot: (N, 3) a point of each floor in camera axes.
        width, height: of the images.
        floor_probability: how often there is a floor.
    """
    count = len(foot)
    back = sample_views_of(rng, textures, count, width, height)
    plain = rng.uniform(5, 250, count, 1, 1, 3)
    back = torch.where(rng.coin(0.05, count, 1, 1, 1), plain, back)
    some = rng.coin(floor_probability, count).nonzero().squeeze(1)
    if len(some) == 0:
        return back
    focal, principal = views.focal_px[some, None, None], views.principal_px[some]
    x = (torch.arange(width, device=back.device) + 0.5 - principal[:, :1])[:, None, :] / focal
    y = (torch.arange(height, device=back.device) + 0.5 - principal[:, 1:])[:, :, None] / focal
    axes = views.camera_from_world[some]

    def along(axis: int) -> Tensor:
        across, down, ahead = axes[:, :, axis, None, None].unbind(1)
        return across * x + down * y + ahead

    level = (foot[some] * axes[:, :, 1]).sum(-1)[:, None, None]
    sink = along(1)
    distance = torch.where(sink.abs() > 1e-4, level / sink, -1.0)
    reach = foot[some].norm(dim=-1) * rng.uniform(1.5, 8.0, len(some))
    seen = (distance > 0) & (distance < reach[:, None, None])
    metres = rng.uniform(1.0, 5.0, len(some), 1, 1)
    u, v = (((along(axis) * distance / metres) % 2.0 - 1.0).abs() for axis in (0, 2))
    texels = _SIDE_PX / metres.flatten() * foot[some, 2].clamp_min(0.5) / views.focal_px[some]
    ground = textures.read(rng.integers(len(textures), len(some)), u, v, texels)
    ground = (ground * rng.uniform(0.6, 1.25, len(some), 1, 1, 1)).clamp(0, 255)
    back[some] = torch.where(seen[..., None], ground, back[some])
    return back
