"""Image files that hold several images (animated WebP, PNG, AVIF, pages of a TIFF), read as a video."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from configs.errors import InputError
from pipeline.media.container import reason_of
from pipeline.media.images import (
    ANIMATED,
    TOO_LARGE,
    check_declared,
    decode_image,
    is_wide_grey,
    open_image,
    upright_size,
)
from pipeline.media.pixels import grey_range

SHORTEST_S = 0.011  # browsers show shorter delays for a tenth of a second
DEFAULT_S = 0.1
REDUCED = 1  # bit of TIFF tag 254: a smaller copy of another page
NEW_SUBFILE_TYPE = 254
GREY_PAGES = 8


@dataclass(frozen=True, slots=True)
class PagePlan:
    """The images of one file. Frame k is page `pages[k]`, shown at `times_s[k]`."""

    pages: tuple[int, ...]
    times_s: tuple[float, ...]
    rate: Fraction
    rate_source: str
    has_delays: bool
    width: int  # of the first image, upright
    height: int
    grey_max: int | None


def plan_pages(path: Path, page_rate: Fraction, rate: Fraction | None) -> PagePlan | None:
    """Return the images of an image file and when they are shown; None for a single image or none that opens.

    Args:
        page_rate: pages per second of a TIFF, which tells no delays.
        rate: images per second whatever the file says.
    """
    try:
        with open_image(path) as image:
            page_count = int(getattr(image, "n_frames", 1))
            if image.format not in ANIMATED | {"TIFF"} or page_count < 2:
                return None
            check_declared(path, image)
            width, height = upright_size(image)
            has_delays = image.format in ANIMATED and rate is None
            pages: list[int] = []
            delays: list[float] = []
            brightest = 0.0
            for page in range(page_count):
                if has_delays or image.format == "TIFF":
                    image.seek(page)
                if image.format == "TIFF" and image.tag_v2.get(NEW_SUBFILE_TYPE, 0) & REDUCED:  # type: ignore[attr-defined]
                    continue
                if len(pages) < GREY_PAGES and is_wide_grey(image):
                    brightest = max(brightest, float(np.asarray(image).max()))
                pages.append(page)
                if has_delays:
                    image.load()  # a WebP tells the delay of an image with its pixels
                    delay_s = float(image.info.get("duration") or 0.0) / 1000.0
                    delays.append(delay_s if delay_s >= SHORTEST_S else DEFAULT_S)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {TOO_LARGE}; make it smaller") from error
    except Exception as error:
        raise InputError(f"{path}: the image cannot be decoded ({reason_of(error)}); replace or remove it") from error
    if len(pages) < 2:
        return None
    if has_delays:
        starts = np.concatenate([[0.0], np.cumsum(delays)])
        mean = Fraction(len(pages) / float(starts[-1])).limit_denominator(1001)
        times, chosen, source = starts[:-1].tolist(), mean, "the file's delays"
    else:
        chosen = rate or page_rate
        times = [float(k / chosen) for k in range(len(pages))]
        source = "decode.rate_hz" if rate else "decode.folder_rate_hz, as pages carry none"
    return PagePlan(tuple(pages), tuple(times), chosen, source, has_delays, width, height, grey_range(brightest))


def read_pages(path: Path, plan: PagePlan, first: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (frame, (H, W, 3) uint8 RGB) from frame `first` on, one in memory; pages keep their own sizes.

    Raises:
        InputError: a page cannot be decoded; the message holds its number.
    """
    number = first
    try:
        with open_image(path) as image:
            for number in range(first, len(plan.pages)):
                image.seek(plan.pages[number])
                check_declared(path, image)
                yield number, decode_image(image, plan.grey_max)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: page {number + 1} of {len(plan.pages)} cannot be decoded ({reason_of(error)}); replace it"
        ) from error
