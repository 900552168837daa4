"""Filling of short gaps in a track by interpolation."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp


@dataclass(frozen=True, slots=True)
class FilledTimes:
    """The rows of a track with filled gaps."""

    frame_index: np.ndarray  # (T,) int64, consecutive across short gaps
    time_s: np.ndarray  # (T,) float64
    source_row: np.ndarray  # (T,) int64, the observed row at or before each frame
    is_observed: np.ndarray  # (T,) bool


def find_gaps(frame_index: np.ndarray, time_s: np.ndarray, gap_max_s: float) -> FilledTimes:
    """Return the frames of a track with short gaps filled; longer gaps stay open.

    Filled frames are evenly spaced in time between the observed ones.

    Args:
        frame_index: (T,) increasing.
        time_s: (T,) increasing.
        gap_max_s: longest gap that is filled.
    """
    frames: list[np.ndarray] = []
    times: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for row in range(len(frame_index)):
        is_last = row + 1 == len(frame_index)
        is_open = is_last or time_s[row + 1] - time_s[row] > gap_max_s
        step = 1 if is_open else int(frame_index[row + 1] - frame_index[row])
        length_s = 0.0 if is_last else time_s[row + 1] - time_s[row]
        frames.append(frame_index[row] + np.arange(step))
        times.append(time_s[row] + np.arange(step) / step * length_s)
        rows.append(np.full(step, row))
    all_frames, source = np.concatenate(frames).astype(np.int64), np.concatenate(rows).astype(np.int64)
    return FilledTimes(all_frames, np.concatenate(times).astype(np.float64), source, np.isin(all_frames, frame_index))


def interpolate_rotations(time_s: np.ndarray, rotvec: np.ndarray, wanted_s: np.ndarray) -> np.ndarray:
    """Return axis-angle rotations at the wanted times, by spherical linear interpolation.

    Args:
        time_s: (T,) increasing.
        rotvec: (T, J, 3) radians.
        wanted_s: (S,) within the first and last time (clamped to them).
    """
    wanted = np.clip(wanted_s, time_s[0], time_s[-1])
    if len(time_s) == 1:
        return np.repeat(rotvec, len(wanted), axis=0).astype(np.float32)
    found = np.empty((len(wanted), rotvec.shape[1], 3), np.float32)
    for joint in range(rotvec.shape[1]):
        found[:, joint] = Slerp(time_s, Rotation.from_rotvec(rotvec[:, joint]))(wanted).as_rotvec()
    return found


def interpolate_linear(time_s: np.ndarray, values: np.ndarray, wanted_s: np.ndarray) -> np.ndarray:
    """Return values (T, ...) at the wanted times, by linear interpolation."""
    flat = values.reshape(len(values), -1)
    columns = [np.interp(wanted_s, time_s, flat[:, c]) for c in range(flat.shape[1])]
    return np.stack(columns, axis=1).reshape(len(wanted_s), *values.shape[1:]).astype(np.float32)
