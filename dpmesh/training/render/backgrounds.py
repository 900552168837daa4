"""What is behind the people: photographs, or a floor and a wall made from them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from configs.errors import InputError

_LONGEST_PX = 768
_VALIDATION_SHARE = 0.15


def place_of(path: Path) -> str:
    """Return the place a picture shows: views of one panorama share it."""
    return path.stem.split("_y")[0] if path.stem.startswith("hdri_") else path.stem


def list_backgrounds(folder: str | Path, split: str) -> list[Path]:
    """Return the pictures of one split, sorted; a place belongs to one split only.

    Raises:
        InputError: the folder holds no picture of that split.
    """
    found = sorted(p for p in Path(folder).glob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    mine = [p for p in found if (split == "val") == _is_validation(place_of(p))]
    if not mine:
        raise InputError(f"{folder}: no background picture for split {split!r}; give a folder of .jpg or .png files")
    return mine


def _is_validation(place: str) -> bool:
    return int(hashlib.sha256(place.encode()).hexdigest()[:8], 16) / 2**32 < _VALIDATION_SHARE


@lru_cache(maxsize=400)
def read_background(path: Path) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 RGB, at most 768 px long, kept in memory."""
    data = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if data is None:
        raise InputError(f"{path}: not a readable picture; remove it or replace it")
    scale = _LONGEST_PX / max(data.shape[:2])
    if scale < 1:
        data = cv2.resize(data, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(data[..., ::-1])


def random_view(rng: np.random.Generator, picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return a random window of a picture as (height, width, 3) uint8, flipped and tinted at random."""
    h, w = picture.shape[:2]
    most = min(h / height, w / width)
    zoom = most * rng.uniform(0.25, 1.0)
    cut_w, cut_h = max(int(width * zoom), 8), max(int(height * zoom), 8)
    x, y = rng.integers(0, max(w - cut_w, 0) + 1), rng.integers(0, max(h - cut_h, 0) + 1)
    view = picture[y : y + cut_h, x : x + cut_w]
    if rng.random() < 0.5:
        view = view[:, ::-1]
    method = cv2.INTER_AREA if zoom > 1 else cv2.INTER_LINEAR
    view = cv2.resize(np.ascontiguousarray(view), (width, height), interpolation=method)
    return _tint(rng, view)


def _tint(rng: np.random.Generator, view: np.ndarray) -> np.ndarray:
    gain = rng.uniform(0.6, 1.25) * (1 + rng.normal(0, 0.06, 3))
    lift = rng.uniform(-15, 15)
    table = np.clip(np.arange(256)[:, None] * gain + lift, 0, 255).astype(np.uint8)
    return cv2.LUT(view, np.ascontiguousarray(table[None]))


def floor_and_wall(
    rng: np.random.Generator,
    floor: np.ndarray,
    wall: np.ndarray,
    foot: np.ndarray,
    camera_from_world: np.ndarray,
    focal_px: float,
    principal_px: np.ndarray,
    width: int,
    height: int,
) -> np.ndarray:
    """Return a picture (height, width, 3) uint8 of a textured floor in true perspective, with `wall` above it.

    Args:
        floor: (H, W, 3) uint8 texture, repeated.
        wall: (height, width, 3) uint8.
        foot: (3,) a point of the floor in camera axes.
        camera_from_world: (3, 3); column 1 is up.
    """
    x = (np.arange(width, dtype=np.float32) + 0.5 - principal_px[0]) / focal_px
    y = (np.arange(height, dtype=np.float32) + 0.5 - principal_px[1]) / focal_px
    right, up, back = camera_from_world.astype(np.float32).T
    sink = up[0] * x[None] + up[1] * y[:, None] + up[2]
    level = float(foot @ up)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(np.abs(sink) > 1e-4, level / sink, -1.0).astype(np.float32)
    reach = float(np.linalg.norm(foot)) * rng.uniform(1.5, 8.0)
    seen = (distance > 0) & (distance < reach)
    across = (right[0] * x[None] + right[1] * y[:, None] + right[2]) * distance
    along = (back[0] * x[None] + back[1] * y[:, None] + back[2]) * distance
    h, w = floor.shape[:2]
    metres = rng.uniform(1.0, 5.0)
    map_x = np.abs((across / metres % 2.0) - 1.0) * (w - 1)
    map_y = np.abs((along / metres % 2.0) - 1.0) * (h - 1)
    ground = cv2.remap(floor, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)
    return np.where(seen[..., None], ground, wall)
