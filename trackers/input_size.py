"""How large a detector's input is for a clip: chosen from how tall people are in some of its frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BASE_PX = 640  # longer side of the input that the detectors are made for
LOOK_PX = 1280  # the size at which some frames are looked at
SIZES = (640, 960, 1280, 1920, 2560)  # of a whole frame
TILED_SIZES = (3840,)  # of frames that are cut into tiles
TILE_PX = 1280
SMALL_QUANTILE = 0.1  # of the people's heights: how small they are
TALL_QUANTILE = 0.9
TALL_INPUT_PX = 560.0  # taller ones in the input are also looked for at `BASE_PX`
OVERLAP = 0.2  # of a tile's side: who is not taller is whole in some tile
NEAR = 1.5  # times what is needed: where the smallest who are seen are no taller, smaller ones may hide
SPARED = 0.9  # a size that reaches this share of what is needed will do


@dataclass(frozen=True, slots=True)
class Acuity:
    """What a detector can see; measured, see `docs/figures.md`."""

    needed_px: float  # height in the input from which it finds nearly everybody
    sure_score: float  # from here on nearly everybody is a person


@dataclass(frozen=True, slots=True)
class InputSize:
    """What a detector is given of a frame."""

    image_px: int  # longer side to which the frame is scaled
    tile_px: int = 0  # side of the overlapping squares it is cut into, in the same pixels; 0: it stays whole
    whole_px: int = 0  # longer side at which the whole frame is looked at besides; 0: it is not

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the size for a snapshot."""
        return {"input_px": np.array([self.image_px, self.tile_px, self.whole_px], np.int64)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> InputSize | None:
        """Return what `arrays` gave; None where it is not there."""
        found = arrays.get("input_px")
        return None if found is None else cls(*(int(value) for value in found))

    def work(self, frame_hw: tuple[int, int]) -> float:
        """Return how much of the detector's work a frame of this shape is, over that of one pass at `BASE_PX`."""
        height, width = frame_hw
        scale = self.image_px / max(height, width)
        if self.tile_px:
            tiles = tile_boxes(frame_hw, self.tile_px / scale)
            pixels = scale**2 * sum((right - left) * (bottom - top) for left, top, right, bottom in tiles)
        else:
            pixels = height * width * scale**2
        pixels += height * width * (self.whole_px / max(height, width)) ** 2
        return float(pixels / (height * width * (BASE_PX / max(height, width)) ** 2))

    def __str__(self) -> str:
        tiles = f" in tiles of {self.tile_px}" if self.tile_px else ""
        whole = f", and {self.whole_px}" if self.whole_px else ""
        return f"{self.image_px}{tiles}{whole}"


def tile_boxes(frame_hw: tuple[int, int], side_px: float) -> list[tuple[int, int, int, int]]:
    """Return tiles that cover a frame, row by row: left, top, right, bottom.

    No side is longer than `side_px`; neighbours overlap by `OVERLAP` of that, or by a pixel more.
    """
    parts = [_cut(length, side_px) for length in frame_hw]
    return [(left, top, right, bottom) for top, bottom in parts[0] for left, right in parts[1]]


def _cut(length: int, side_px: float) -> list[tuple[int, int]]:
    if length <= side_px:
        return [(0, length)]
    shared = OVERLAP * side_px
    count = math.ceil((length - shared) / (side_px - shared) - 1e-9)
    side = math.ceil((length + (count - 1) * shared) / count)
    starts = [round(place) for place in np.linspace(0, length - side, count)]
    return [(start, start + side) for start in starts]


def fit_batch(frames: int, image_px: int) -> int:
    """Return how many images go through a network at once: fewer of more than `LOOK_PX`, for the memory they take."""
    return max(1, min(frames, frames * LOOK_PX**2 // image_px**2))


def choose_size(
    heights_px: np.ndarray, frame_side_px: int, person_px_min: float, needed_px: float, fixed_px: int | None = None
) -> InputSize:
    """Return the smallest size at which people are tall enough to be found.

    Args:
        heights_px: (N,) of the people of some frames, in pixels of the frame.
        frame_side_px: the frame's longer side.
        person_px_min: smaller people do not count.
        needed_px: height in the input from which the detector finds nearly everybody.
        fixed_px: side of the input of a detector that takes no other.
    """
    base = fixed_px or BASE_PX
    counted = heights_px[heights_px >= person_px_min]
    if not len(counted):
        return InputSize(base)
    small, tall = np.quantile(counted, (SMALL_QUANTILE, TALL_QUANTILE))
    wanted = SPARED * needed_px * frame_side_px / small
    sizes = SIZES + TILED_SIZES if fixed_px is None else tuple(fixed_px * times for times in (1, 2, 3, 4, 6))
    image_px = next((size for size in sizes if size >= wanted), sizes[-1])
    if image_px == base:
        return InputSize(base)
    tile_px = fixed_px or (TILE_PX if image_px in TILED_SIZES else 0)
    is_tall = tall * image_px / frame_side_px > TALL_INPUT_PX
    return InputSize(image_px, tile_px, tile_px or (base if is_tall else 0))


def look_size(frame_side_px: int, person_px_min: float, needed_px: float) -> int:
    """Return at which size frames are looked at, `BASE_PX` if nobody who counts can be too small for it.

    Arguments as of `choose_size`.
    """
    wanted = SPARED * needed_px * frame_side_px / person_px_min
    return next((size for size in SIZES if wanted <= size < LOOK_PX), LOOK_PX)


def should_look_closer(
    heights_px: np.ndarray, frame_side_px: int, person_px_min: float, needed_px: float, look_px: int
) -> bool:
    """Return whether people may be there who are too small to be seen in a look at `look_px`.

    So it is where some of those found are hardly tall enough, or nobody is found. Arguments as of `choose_size`.
    """
    scale = look_px / frame_side_px
    if person_px_min * scale >= SPARED * needed_px:
        return False
    counted = heights_px[heights_px >= person_px_min]
    return not len(counted) or bool(np.quantile(counted, SMALL_QUANTILE) * scale < NEAR * needed_px)


def described(arrays: Mapping[str, np.ndarray]) -> dict[str, float | int | None]:
    """Return what `run.json` says of a choice, from the snapshot of the detection; empty where there is none."""
    size = InputSize.of_arrays(arrays)
    if size is None:
        return {}
    said: dict[str, float | int | None] = {
        "image_px": size.image_px,
        "tile_px": size.tile_px,
        "whole_px": size.whole_px,
    }
    if "look_frames" in arrays:
        small, tall = (None if np.isnan(value) else round(float(value), 1) for value in arrays["look_heights_px"])
        said |= {"look_frames": int(arrays["look_frames"]), "small_people_px": small, "tall_people_px": tall}
    return said


def look_frames(frame_count: int | None, passes: int) -> int:
    """Return how many frames are looked at: at most 3 % of the detector's work on a long clip, 4 to 12.

    Args:
        frame_count: of the clip; None where it is not known.
        passes: of the detector over each frame, 2 with the flip test.
    """
    work = (LOOK_PX / BASE_PX) ** 2
    return int(np.clip(0.03 * (frame_count or 0) * passes / work, 4, 12))


def spread_over(first: int, stop: int, count: int) -> list[int]:
    """Return up to `count` different numbers, evenly spread from `first` to before `stop`."""
    places = first + (np.arange(count) + 0.5) * (stop - first) / count
    return sorted({int(place) for place in places})


def heights_of(boxes_xyxy: Sequence[np.ndarray], scores: Sequence[np.ndarray], score_min: float) -> np.ndarray:
    """Return the heights (N,) of the people of some frames who have this score or more, in pixels."""
    sure = [box[score >= score_min] for box, score in zip(boxes_xyxy, scores, strict=True)]
    return np.concatenate([np.zeros(0), *(box[:, 3] - box[:, 1] for box in sure)])
