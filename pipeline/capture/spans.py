"""Parts of captures in frames, and the frames' own numbers where images have them."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.errors import InputError, SettingsError
from configs.schema import DecodeSettings
from pipeline.media import VideoInfo
from pipeline.media.images import plan_images

FRAME_MAX = 10**9
_NUMBER = re.compile(r"(\d{1,9})\D*$")


@dataclass(frozen=True, slots=True)
class FrameSpan:
    """Frames from `start` up to, but without, `stop`; None: to the end."""

    start: int = 0
    stop: int | None = None

    def holds(self, frames: np.ndarray) -> np.ndarray:
        """Return which frames lie in it."""
        return (frames >= self.start) & (frames < (FRAME_MAX if self.stop is None else self.stop))


def parse_span(text: str) -> FrameSpan:
    """Return the span that a text such as 1000:2000, 1000: or :2000 names.

    Raises:
        SettingsError: it names none, or an empty one.
    """
    found = re.fullmatch(r"(\d{0,9}):(\d{0,9})", text.strip())
    if found is None:
        raise SettingsError(f"--frames {text!r}: give first frame and the one to stop before, such as 1000:2000")
    span = FrameSpan(int(found[1] or 0), int(found[2]) if found[2] else None)
    if span.stop is not None and span.stop <= span.start:
        raise SettingsError(f"--frames {text!r}: ends before it starts; give the smaller number first")
    return span


def image_numbers(folder: Path) -> np.ndarray:
    """Return the number (F,) at the end of each image's name: which frame of the video it was.

    Raises:
        InputError: a name has no number, or one number is there twice.
    """
    files = plan_images(folder).files
    found = [_NUMBER.search(file.stem) for file in files]
    missing = next((file.name for file, number in zip(files, found, strict=True) if number is None), None)
    if missing is not None:
        raise InputError(f"{folder}: {missing} has no frame number in its name; name images as 00_16_00000168.jpg")
    numbers = np.array([int(number[1]) for number in found if number is not None], np.int64)
    if (np.diff(numbers) <= 0).any():
        later = int(np.flatnonzero(np.diff(numbers) <= 0)[0]) + 1
        raise InputError(f"{folder}: {files[later].name} has the number of another image; leave one of them")
    return numbers


def decode_span(decode: DecodeSettings, span: FrameSpan, info: VideoInfo, numbers: np.ndarray | None) -> DecodeSettings:
    """Return settings that read the frames of a span; a border lies half a frame before its frame.

    Args:
        numbers: of the video's frames, where they are not 0, 1, 2 and so on.

    Raises:
        InputError: the video has none of the frames.
    """
    start, stop = span.start, span.stop
    if numbers is not None:
        start, end = np.searchsorted(numbers, [start, FRAME_MAX if stop is None else stop]).tolist()
        stop = None if end == len(numbers) else end
        if start == end:
            raise InputError(f"{info.path}: has no frame in --frames {span.start}:{span.stop or ''}")

    def time_s(frame: int) -> float:
        return float((frame - 0.5) / info.rate)

    changed = {"start_s": time_s(start) if start else None, "end_s": None if stop is None else time_s(stop)}
    return decode.model_copy(update=changed)
