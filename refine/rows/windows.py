"""Overlapping windows over long tracks, and blending of their results."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

ROWS_WORTHWHILE = 192  # in a batch: with half of the rows, a row takes the solver 1.3 times as long


@dataclass(frozen=True, slots=True)
class Window:
    """Rows of one track that are solved together."""

    track: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def plan_windows(track: int, time_s: np.ndarray, frames: int, overlap: int, break_s: float) -> list[Window]:
    """Return the windows of one track in order; neighbours overlap by at least `overlap` rows.

    No window spans a gap of more than `break_s`. Windows do not depend on other tracks.

    Args:
        time_s: (T,) increasing.
        frames: rows of a window, above `overlap`.
    """
    if not 0 <= overlap < frames:
        raise ValueError(f"plan_windows: overlap {overlap} must lie below the window's {frames} frames")
    breaks = np.flatnonzero(np.diff(time_s) > break_s) + 1
    windows = []
    for first, last in zip([0, *breaks], [*breaks, len(time_s)], strict=True):
        if first == last:
            continue
        start = int(first)
        while last - start > frames:
            windows.append(Window(track, start, start + frames))
            start += frames - overlap
        windows.append(Window(track, max(int(first), int(last) - frames), int(last)))
    return windows


def plan_windows_round_gaps(
    track: int, time_s: np.ndarray, is_observed: np.ndarray, frames: int, overlap: int, break_s: float
) -> list[Window]:
    """Return windows of one track in order, such that gaps lie in one of them with observed rows on either side.

    As `plan_windows`, but no window ends in a gap of more than `overlap // 2` rows: the next one begins `overlap` rows
    before it, and may be longer than `frames`.

    Args:
        is_observed: (T,) bool.
    """
    breaks = np.flatnonzero(np.diff(time_s) > break_s) + 1
    windows = []
    for first, last in pairwise([0, *breaks.tolist(), len(time_s)]):
        gaps = [(first + a, first + b) for a, b in runs_of(~is_observed[first:last]) if b - a > overlap // 2]
        start, least = first, first
        while start < last:
            stop = min(last, max(start + frames, least))
            cut = next(((a, b) for a, b in gaps if a < stop < min(last, b + overlap)), None)
            if cut is None:
                windows.append(Window(track, start, stop))
                start, least = (last if stop == last else stop - overlap), first
            elif cut[0] - start > overlap:
                windows.append(Window(track, start, cut[0]))
                start = cut[0] - overlap
            else:
                least = min(last, cut[1] + overlap)
    return windows


def runs_of(is_true: np.ndarray) -> list[tuple[int, int]]:
    """Return first and last + 1 of each run of true values."""
    edges = np.flatnonzero(np.diff(np.r_[False, is_true, False].astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def group_windows(windows: list[Window], rows_max: int) -> list[list[Window]]:
    """Return the windows in batches of about the same size, in order: at most `rows_max` rows, or one window.

    Two at least from 2 * `ROWS_WORTHWHILE` rows on. How many does not depend on the threads: that changes rounding.
    """
    groups: list[list[Window]] = []
    total, count = sum(map(len, windows)), 0
    enough = total / max(-(-total // rows_max), min(2, total // ROWS_WORTHWHILE), 1)
    for window in windows:
        if not groups or count >= enough or count + len(window) > rows_max:
            groups.append([])
            count = 0
        groups[-1].append(window)
        count += len(window)
    return groups


class Joiner:
    """The motion of one track, blended from its windows in order."""

    def __init__(self, pose: np.ndarray, trans: np.ndarray) -> None:
        self.pose = np.array(pose, dtype=np.float32)
        self.trans = np.array(trans, dtype=np.float32)
        self._filled = 0

    def add(self, window: Window, pose: np.ndarray, trans: np.ndarray) -> None:
        """Add the rows of a window: pose (T, 24, 3), trans (T, 3).

        Rows shared with an earlier window are cross-faded.
        """
        shared = max(0, min(self._filled, window.stop) - window.start)
        blend = eased((np.arange(shared) + 1.0) / (shared + 1.0))
        rows = slice(window.start, window.start + shared)
        own = slice(window.start + shared, window.stop)
        self.pose[own], self.trans[own] = pose[shared:], trans[shared:]
        if shared:
            self.pose[rows] = blend_rotations(self.pose[rows], pose[:shared], blend)
            self.trans[rows] += blend[:, None].astype(np.float32) * (trans[:shared] - self.trans[rows])
        self._filled = max(self._filled, window.stop)


def eased(part: np.ndarray) -> np.ndarray:
    """Return the smoothstep of values 0 to 1."""
    return part * part * (3.0 - 2.0 * part)


def blend_rotations(first: np.ndarray, second: np.ndarray, blend: np.ndarray) -> np.ndarray:
    """Return axis-angles (T, J, 3) interpolated from `first` to `second` by `blend` (T,)."""
    start = Rotation.from_rotvec(first.reshape(-1, 3))
    turn = (start.inv() * Rotation.from_rotvec(second.reshape(-1, 3))).as_rotvec()
    turn *= np.repeat(blend, first.shape[1])[:, None]
    return (start * Rotation.from_rotvec(turn)).as_rotvec().reshape(first.shape).astype(np.float32)
