"""Folders and globs of images, read as a video."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from configs.errors import InputError
from pipeline.media.container import check_readable, reason_of
from pipeline.media.info import focal_from_35mm
from pipeline.media.pixels import over_black

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
EXIF_ORIENTATION = 0x0112
EXIF_IFD = 0x8769
EXIF_FOCAL_35MM = 0xA405
NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """The images that make up a video, in order. Frame k is `files[k]`."""

    files: tuple[Path, ...]
    width: int
    height: int
    focal_px: float | None
    notes: tuple[str, ...]


def is_glob(path: Path) -> bool:
    """Return whether a path is a pattern and not a name that exists."""
    return any(letter in str(path) for letter in "*?[") and not path.exists()


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key that puts 2 before 10."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def plan_images(path: Path) -> ImagePlan:
    """Return the usable images of a folder, glob or single image, by headers alone.

    All share the size of the first. Others and unreadable ones are left out and named in the notes.
    """
    if is_glob(path):
        root = Path(path.anchor or ".")
        found: Iterable[Path] = root.glob(str(path.relative_to(path.anchor)) if path.anchor else str(path))
    elif path.is_dir():
        check_readable(path)
        found = path.iterdir()
    else:
        found = [path]
    names = [p for p in found if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and p.is_file()]
    names.sort(key=lambda p: (natural_key(str(p.parent)), natural_key(p.name), p.name))
    kept: list[Path] = []
    dropped: list[str] = []
    size: tuple[int, int] | None = None
    focal_px: float | None = None
    for name in names:
        try:
            found_size, focal = _read_header(name)
        except InputError as error:
            dropped.append(str(error))
            continue
        if size is None:
            size, focal_px = found_size, focal
        if found_size != size:
            dropped.append(f"{name.name} ({found_size[0]}x{found_size[1]})")
            continue
        kept.append(name)
    if size is None:
        what = f"none of {len(names)} images can be read: {_join(dropped)}" if names else "no images found"
        raise InputError(f"{path}: {what}; give a video file or a folder of {', '.join(sorted(IMAGE_SUFFIXES))}")
    notes = []
    if dropped:
        notes.append(
            f"{path}: left out {len(dropped)} of {len(names)} images that are unreadable or not "
            f"{size[0]}x{size[1]} like the first: {_join(dropped)}"
        )
    gaps = _find_gaps(kept)
    if gaps:
        notes.append(f"{path}: the numbering has gaps, order is kept: {_join(gaps)}")
    return ImagePlan(tuple(kept), *size, focal_px, tuple(notes))


def read_image(path: Path) -> np.ndarray:
    """Return an image file as (H, W, 3) uint8 RGB, turned upright; transparent pixels over black."""
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I") or image.mode == "F":  # 16-bit grey: keep the upper byte
                grey = np.clip(np.asarray(image, np.float64) / 257.0, 0, 255)
                return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
            if image.has_transparency_data:
                return np.ascontiguousarray(over_black(np.asarray(image.convert("RGBA"))))
            return np.array(image.convert("RGB"))
    except Exception as error:
        raise InputError(f"{path}: the image cannot be decoded ({reason_of(error)}); replace or remove it") from error


def _read_header(path: Path) -> tuple[tuple[int, int], float | None]:
    """Return the upright size and focal length of an image; raises `InputError` holding its name and the reason."""
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path.name} (empty)")
        with Image.open(path) as image:
            exif = image.getexif()
            width, height = image.size
            if exif.get(EXIF_ORIENTATION, 1) in {5, 6, 7, 8}:
                width, height = height, width
            focal_35mm = exif.get_ifd(EXIF_IFD).get(EXIF_FOCAL_35MM)
            focal_px = focal_from_35mm(float(focal_35mm), width, height) if focal_35mm else None
            has_checksums = image.format == "PNG"
        if has_checksums:
            with Image.open(path) as image:
                image.verify()
        if not _has_end(path):
            raise InputError(f"{path.name} (cut off)")
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path.name} (unreadable)") from error
    return (width, height), focal_px


def _has_end(path: Path) -> bool:
    """Return whether a JPEG or PNG has its end marker; cameras may append data after it."""
    with path.open("rb") as file:
        head = file.read(2)
        size = file.seek(0, 2)
        file.seek(max(0, size - 65536))
        tail = file.read()
    if head == b"\xff\xd8":
        return b"\xff\xd9" in tail
    if head == b"\x89P":
        return b"IEND" in tail
    return True


def _find_gaps(files: list[Path]) -> list[str]:
    """Return where a numbering that otherwise has one step skips, as "after NAME"."""
    found = [re.fullmatch(r"(.*?)(\d+)", file.stem) for file in files]
    matches = [(file, match) for file, match in zip(files, found, strict=True) if match]
    if len(matches) != len(files) or len({match[1] for _, match in matches}) != 1:
        return []
    numbers = [int(match[2]) for _, match in matches]
    steps = [b - a for a, b in pairwise(numbers)]
    usual = min(steps, default=1)
    return [f"after {files[k].name}" for k, step in enumerate(steps) if step > usual]


def _join(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
