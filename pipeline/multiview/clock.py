"""The common clock of a capture: what each camera saw, at the same instants for all.

A camera's offset is the time in its video at which the clock of the capture shows 0: what happens at 2 s of a video
with offset 0.25 s is at 1.75 s of the clock. Times are the frames' own, so dropped frames and other rates need no more.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from pipeline.types import Observations, concatenate_observations, no_observations

GAP_MAX_STEPS = 1.6  # between two frames, in usual steps: over longer gaps nothing is interpolated
SNAP_STEPS = 0.05  # an instant so near a frame is that frame
ROTATIONS = ("pose",)
LINEAR = ("boxes_xyxy", "betas", "trans", "focal_px", "principal_px")
LEAST = ("scores", "joint_confidence")
POINTS = ("keypoints", "feet", "hints")
"""Coordinates, and a confidence at the end: 0 means that there is no such point."""


@dataclass(frozen=True, slots=True)
class Between(Shaped):
    """Where instants lie among the frames of one track."""

    index: Annotated[np.ndarray, "T"]  # int64, the frame at or before each instant
    share: Annotated[np.ndarray, "T"]  # float64, 0 to below 1: how far on to the next frame
    is_given: Annotated[np.ndarray, "T"]  # bool; False: outside of the track, or in a gap


def usual_step_s(time_s: np.ndarray) -> float:
    """Return the usual time from frame to frame, of times (R,) of rows; 0 where there is one frame or none."""
    steps = np.diff(np.unique(time_s))
    return float(np.median(steps)) if len(steps) else 0.0


def find_between(time_s: np.ndarray, wanted_s: np.ndarray, step_s: float) -> Between:
    """Return where instants (T,) lie among the times (R,) of a track's frames, increasing.

    Args:
        step_s: usual time from frame to frame.
    """
    slack = SNAP_STEPS * step_s
    index = np.clip(np.searchsorted(time_s, wanted_s + slack, side="right") - 1, 0, len(time_s) - 1)
    following = np.minimum(index + 1, len(time_s) - 1)
    past, length = wanted_s - time_s[index], time_s[following] - time_s[index]
    is_on = np.abs(past) <= slack
    is_next = (length > 0) & (length <= GAP_MAX_STEPS * step_s) & (past > 0)
    share = np.where(is_on | ~is_next, 0.0, past / np.where(length > 0, length, 1.0))
    return Between(index, share, is_on | is_next)


def on_common_clock(rows: Observations, offset_s: float, rate_hz: float) -> Observations:
    """Return what a camera saw at the frames of the common clock, each track by itself, in order of frame and track.

    Frame k of the clock is at k / `rate_hz`. Between two neighbouring frames of the video everything is interpolated,
    rotations along the shortest arc; over gaps nothing is. A frame at one of those instants stays as it is.
    """
    step_s = usual_step_s(rows.time_s)
    parts = []
    for track in np.unique(rows.track_id):
        mine = np.flatnonzero(rows.track_id == track)
        time_s = rows.time_s[mine] - offset_s
        first, last = np.ceil(time_s[0] * rate_hz - 0.5), np.floor(time_s[-1] * rate_hz + 0.5)
        frames = np.arange(max(first, 0), last + 1).astype(np.int64)
        place = find_between(time_s, frames / rate_hz, step_s)
        if place.is_given.any():
            parts.append(_interpolated(rows.take(mine), place.take(place.is_given), frames[place.is_given], rate_hz))
    if not parts:
        return no_observations()
    found = concatenate_observations(parts)
    return found.take(np.lexsort((found.track_id, found.frame_index)))


def _interpolated(rows: Observations, place: Between, frames: np.ndarray, rate_hz: float) -> Observations:
    """Return the rows of one track between its frames."""
    one = rows.take(place.index)
    if not place.share.any():
        return replace(one, frame_index=frames, time_s=frames / rate_hz)
    other = rows.take(np.minimum(place.index + 1, len(rows.frame_index) - 1))
    share = place.share
    made: dict[str, np.ndarray] = {}
    for name in (*LINEAR, *LEAST, *POINTS, *ROTATIONS):
        before, after = getattr(one, name), getattr(other, name)
        part = share.reshape(-1, *[1] * (before.ndim - 1))
        if name in LINEAR:
            value = before + part * (after - before)
        elif name in LEAST:
            value = np.minimum(before, after)
        elif name in POINTS:
            value = _points(before, after, part)
        else:
            value = _turned(before, after, share)
        is_between = (share > 0).reshape(part.shape)
        made[name] = np.where(is_between, value, before).astype(before.dtype)
    return replace(one, frame_index=frames, time_s=frames / rate_hz, **made)


def _points(before: np.ndarray, after: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return points (T, K, C) between others; where one of the two is not there, neither is what lies between."""
    sure = np.minimum(before[..., -1:], after[..., -1:])
    found = before[..., :-1] + share * (after[..., :-1] - before[..., :-1])
    return np.where(sure > 0, np.concatenate([found, sure], axis=-1), 0.0)


def _turned(before: np.ndarray, after: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return axis-angle rotations (T, J, 3) between others, along the shortest arc."""
    start, end = (Rotation.from_rotvec(turn.reshape(-1, 3)) for turn in (before, after))
    arc = (start.inv() * end).as_rotvec() * np.repeat(share, before.shape[1])[:, None]
    return (start * Rotation.from_rotvec(arc)).as_rotvec().reshape(before.shape)
