"""Folders and globs of images, read as a video."""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from configs.errors import InputError
from pipeline.media.container import check_readable, reason_of
from pipeline.media.info import fit_size, focal_from_35mm
from pipeline.media.pixels import grey_range, grey_to_rgb, over_black
from pipeline.media.suffixes import IMAGE_SUFFIXES, UNREAD_SUFFIXES

EXIF_ORIENTATION = 0x0112
EXIF_IFD = 0x8769
EXIF_FOCAL_35MM = 0xA405
EXIF_PIXELS_MAX = 2**25
NAMES_SHOWN = 8
TOO_LARGE = "declares more than 179 million pixels, the most that are decoded"
GREY_FILES = 8  # images looked at to find how many bits of 16-bit grey are used
ANIMATED = frozenset({"WEBP", "PNG", "AVIF", "GIF"})  # a phone's JPEG (MPO) holds previews, no frames


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """The images that make up a video, in order. Frame k is `files[k]`."""

    files: tuple[Path, ...]
    width: int
    height: int
    focal_px: float | None
    notes: tuple[str, ...]
    grey_max: int | None  # white of 16-bit grey that holds fewer bits; None = all are used


def is_glob(path: Path) -> bool:
    """Return whether a path is a pattern and not a name that exists."""
    return any(letter in str(path) for letter in "*?[") and not path.exists()


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key that puts 2 before 10."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def plan_images(path: Path) -> ImagePlan:
    """Return the usable images of a folder, glob or single file; reads headers only.

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
    grey: list[Path] = []
    moving: list[str] = []
    for name in names:
        try:
            found_size, focal = _read_header(name, grey, moving)
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
    notes = unread_notes(path)
    if moving:
        notes.append(
            f"{path}: {len(moving)} of {len(names)} images hold several pictures, and only the first of each is read: "
            f"{_join(moving)}; give such a file by its own name"
        )
    if dropped:
        notes.append(
            f"{path}: left out {len(dropped)} of {len(names)} images that are unreadable or not "
            f"{size[0]}x{size[1]} like the first: {_join(dropped)}"
        )
    gaps = _find_gaps(kept)
    if gaps:
        notes.append(f"{path}: the numbering has gaps, order is kept: {_join(gaps)}")
    return ImagePlan(tuple(kept), *size, focal_px, tuple(notes), _grey_max(grey))


def unread_notes(path: Path) -> list[str]:
    """Return one line about files of a folder that look like images or films and cannot be read here."""
    if not path.is_dir():
        return []
    unread = sorted(item for item in path.iterdir() if item.suffix.lower() in UNREAD_SUFFIXES)
    if not unread:
        return []
    what = UNREAD_SUFFIXES[unread[0].suffix.lower()]
    return [f"{path}: left out {len(unread)} files that cannot be read: {_join([u.name for u in unread])}; {what}"]


def read_image(path: Path, grey_max: int | None = None, max_side_px: int | None = None) -> np.ndarray:
    """Return an image file as (H, W, 3) uint8 RGB, turned upright; transparent pixels over black.

    Args:
        grey_max: white of 16-bit grey that holds fewer bits.
        max_side_px: longer side of the result at most; large images are shrunk before their arrays are made.
    """
    try:
        with open_image(path) as image:
            return decode_image(image, grey_max, max_side_px)
    except Exception as error:
        raise InputError(f"{path}: the image cannot be decoded ({reason_of(error)}); replace or remove it") from error


def open_image(path: Path) -> Image.Image:
    """Open an image; Pillow refuses more than 179 million pixels, and its warning from half of that on is silenced."""
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    return Image.open(path)


def decode_image(image: Image.Image, grey_max: int | None = None, max_side_px: int | None = None) -> np.ndarray:
    """Return an opened image as `read_image` does."""
    full = upright_size(image)
    size = fit_size(*full, max_side_px)
    if size != full and image.format == "JPEG":
        image.draft(None, (max(size), max(size)))  # decodes at an 8th, a quarter or a half where that is large enough
    image.load()  # a TIFF turns itself here
    ImageOps.exif_transpose(image, in_place=True)
    rgb: Image.Image = image
    if is_wide_grey(image):
        grey = np.asarray(image)
        rgb = Image.fromarray(grey_to_rgb(grey, grey_max or (1.0 if _is_unit(grey) else 65535.0)))
    elif image.has_transparency_data:
        rgb = Image.fromarray(over_black(np.asarray(image.convert("RGBA"))))
    elif image.mode != "RGB":
        rgb = image.convert("RGB")
    if size != full:
        rgb = rgb.resize(size, Image.Resampling.BILINEAR)
    return np.array(rgb)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height of an opened image once it is turned upright."""
    width, height = image.size
    is_sideways = _exif_of(image).get(EXIF_ORIENTATION, 1) in {5, 6, 7, 8}
    return (height, width) if is_sideways and image.format != "TIFF" else (width, height)


def _exif_of(image: Image.Image) -> Image.Exif:
    """Return what a camera wrote into an image; of a large PNG only what comes before the pixels.

    Pillow decodes a PNG to look behind them, too.
    """
    if image.format == "PNG" and image.width * image.height > EXIF_PIXELS_MAX:
        return Image.Image.getexif(image)
    return image.getexif()


def is_wide_grey(image: Image.Image) -> bool:
    """Return whether an image is grey with more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def _is_unit(pixels: np.ndarray) -> bool:
    return pixels.dtype.kind == "f" and float(pixels.max(initial=0.0)) <= 1.0


def _grey_max(files: list[Path]) -> int | None:
    """Return the white of a folder's 16-bit grey from a few of its images."""
    brightest = 0.0
    for path in files[:: max(1, len(files) // GREY_FILES)]:
        try:
            with open_image(path) as image:
                brightest = max(brightest, float(np.asarray(image).max()))
        except Exception:  # damage: the reader says so where it meets it
            continue
    return grey_range(brightest)


def check_declared(path: Path, image: Image.Image) -> None:
    """Raise `InputError` for a page that declares more pixels than can be decoded."""
    if image.width * image.height > 2 * (Image.MAX_IMAGE_PIXELS or 2**27):
        raise InputError(f"{path}: an image of {image.width}x{image.height} does not fit into memory; make it smaller")


def _read_header(path: Path, grey: list[Path], moving: list[str]) -> tuple[tuple[int, int], float | None]:
    """Return the upright size and focal length of an image; raises `InputError` holding its name and the reason.

    Images of wide grey are added to `grey`, the names of those with several images to `moving`.
    """
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path.name} (empty)")
        with open_image(path) as image:
            if is_wide_grey(image):
                grey.append(path)
            if image.format in ANIMATED and getattr(image, "is_animated", False):
                moving.append(path.name)
            width, height = upright_size(image)
            focal_35mm = _exif_of(image).get_ifd(EXIF_IFD).get(EXIF_FOCAL_35MM)
            focal_px = focal_from_35mm(float(focal_35mm), width, height) if focal_35mm else None
            has_checksums = image.format == "PNG"
        if has_checksums:
            with open_image(path) as image:
                image.verify()
        if not _has_end(path):
            raise InputError(f"{path.name} (cut off)")
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path.name} ({TOO_LARGE})") from error
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
