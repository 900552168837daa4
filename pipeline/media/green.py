"""Frames that a decoder or recorder filled with green, its zeros in YUV, where it had no picture."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.types import Frame

STEP_PX = 8  # one pixel of so many in each direction is looked at
SHARE_MIN = 0.1  # of the frame
DARK_MAX = 12  # red and blue of zero YUV are 0, and a little more after compression
GREEN_RANGE = (60, 160)  # 135 in BT.601, 77 in BT.709
FRAMES_SHOWN = 8


def is_green(image: np.ndarray) -> bool:
    """Return whether a tenth of an image (H, W, 3) or more is the green of missing data."""
    red, green, blue = np.moveaxis(image[::STEP_PX, ::STEP_PX], -1, 0)
    is_empty = (red <= DARK_MAX) & (blue <= DARK_MAX) & (green >= GREEN_RANGE[0]) & (green <= GREEN_RANGE[1])
    return bool(is_empty.mean() >= SHARE_MIN)


class WithoutGreen:
    """The frames of a video without green ones.

    Args:
        left_out: indices of green frames before these.
    """

    def __init__(self, frames: Iterable[Frame], left_out: Sequence[int] = ()) -> None:
        self._frames = frames
        self.left_out = list(left_out)

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            if is_green(frame.image):
                self.left_out.append(frame.index)
            else:
                yield frame


def green_warning(left_out: Sequence[int]) -> str:
    """Say which frames were left out; empty: none."""
    if not left_out:
        return ""
    shown = ", ".join(map(str, left_out[:FRAMES_SHOWN]))
    more = f" and {len(left_out) - FRAMES_SHOWN} more" if len(left_out) > FRAMES_SHOWN else ""
    return f"{len(left_out)} green frames left out: {shown}{more}"
