"""Shot cuts: the frames at which a video jumps to another image."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

COLOUR_WH = (64, 36)
LAYOUT_WH = (32, 18)
HISTOGRAM_BINS = (8, 4, 8)  # hue, saturation, value
BIN_COUNT = 8 * 4 * 8

# Measured on 15 real clips of 1 to 30 frames per second: the largest change within a shot is 0.32 (colour + layout);
# between frames of two different clips 99.8 % lie above 0.8 in colour and 96 % in gray.
COLOUR_MIN = 0.12
LAYOUT_MIN = 0.35  # a flash or a lamp changes every colour and leaves the layout
CHANGE_MIN = 0.8
RATIO_MIN = 2.5  # over the mean of the frames before: a fast pan changes much, but for many frames
MEMORY_FRAMES = 12


@dataclass(frozen=True, slots=True)
class _Look:
    """What is compared of an image."""

    histogram: np.ndarray  # (256,) float32, sums to 1
    layout: np.ndarray  # (18, 32) float32, gray


class ShotDetector:
    """Says of each frame, as it comes, whether a new shot begins with it. Cuts are found, slow fades are not."""

    def __init__(self) -> None:
        self._last: _Look | None = None
        self._changes = np.zeros(0)  # of the last frames within this shot, oldest first

    def update(self, image: np.ndarray) -> bool:
        """Return whether `image`, RGB uint8 (H, W, 3), begins a new shot; the first frame of all does not."""
        look = _look_at(image)
        last, self._last = self._last, look
        if last is None:
            return False
        colour, layout = _colour_change(last, look), _layout_change(last, look)
        change = colour + layout
        usual = float(self._changes.mean()) if len(self._changes) else 0.0
        if colour >= COLOUR_MIN and layout >= LAYOUT_MIN and change >= max(CHANGE_MIN, RATIO_MIN * usual):
            self._changes = np.zeros(0)
            return True
        self._changes = np.append(self._changes, change)[-MEMORY_FRAMES:]
        return False

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the whole state as arrays; `restore` continues from it exactly."""
        last = self._last
        return {
            "histogram": np.zeros(0, np.float32) if last is None else last.histogram,
            "layout": np.zeros((0, 0), np.float32) if last is None else last.layout,
            "changes": self._changes,
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the state that `snapshot` gave."""
        has_last = len(state["histogram"]) > 0
        self._last = _Look(state["histogram"].copy(), state["layout"].copy()) if has_last else None
        self._changes = state["changes"].copy()


def _look_at(image: np.ndarray) -> _Look:
    small = cv2.resize(image, COLOUR_WH, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    histogram = cv2.calcHist([hsv], [0, 1, 2], None, list(HISTOGRAM_BINS), [0, 180, 0, 256, 0, 256]).reshape(BIN_COUNT)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    layout = cv2.resize(gray, LAYOUT_WH, interpolation=cv2.INTER_AREA)
    return _Look((histogram / histogram.sum()).astype(np.float32), layout)


def _colour_change(first: _Look, second: _Look) -> float:
    """Return the Hellinger distance of the colour histograms, 0 to 1."""
    alike = float(np.sqrt(first.histogram.astype(np.float64) * second.histogram).sum())
    return float(np.sqrt(max(0.0, 1.0 - alike)))


def _layout_change(first: _Look, second: _Look) -> float:
    """Return one minus the correlation of the gray thumbnails, 0 to 2; brightness and contrast do not count."""
    a = first.layout.astype(np.float64) - first.layout.mean(dtype=np.float64)
    b = second.layout.astype(np.float64) - second.layout.mean(dtype=np.float64)
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if norm < 1.0:  # one of them is a flat field; black or white frames are a change of layout unless both are
        return 0.0 if (a * a).sum() < 1.0 and (b * b).sum() < 1.0 else 1.0
    return 1.0 - float((a * b).sum()) / norm
