"""Motion made smooth without any weights: smoothing splines over time, in rotations and in metres.

The spline is a low-pass filter whose cutoff is told in hertz, so the result does not depend on the frame rate.
"""

import numpy as np
from scipy.interpolate import make_smoothing_spline
from scipy.spatial.transform import Rotation

from refine.types import TrackFit, TrackRows

ROWS_MIN = 5  # fewer rows hold no spline
PART_ROWS = 2048  # of a track that are smoothed at once, so that memory does not grow with its length
MARGIN_S = 3.0  # beyond a part's own rows; what lies farther away moves a row by less than a millionth
GAP_SHARE = 0.2  # weight of rows that were filled in: without any, a spline swings far out in a gap of half a second


def smooth_values(
    time_s: np.ndarray, values: np.ndarray, cutoff_hz: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return values (T, ...) as a smoothing spline sees them at the same times, float64.

    Args:
        time_s: (T,) increasing.
        cutoff_hz: frequency of which half the amplitude is left.
        weights: (T,) at least 0, 1 for a usual row; rows of weight 0 are filled from the others. None: all are usual.

    Source: the spline damps a frequency w by 1 / (1 + lam w^4) when each row counts with the time it stands for.
    """
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    trust = np.ones(len(flat)) if weights is None else np.asarray(weights, np.float64)
    used = trust > 0
    if used.sum() < ROWS_MIN:
        return flat.reshape(values.shape)
    time = np.asarray(time_s, np.float64)
    spans = np.gradient(time[used])
    # A row at either side of a long gap stands for its own frame, not for the gap.
    spans = np.minimum(spans, 2.0 * np.median(spans))
    damping = (2.0 * np.pi * cutoff_hz) ** -4.0
    spline = make_smoothing_spline(time[used], flat[used], w=spans * trust[used], lam=damping)
    return spline(time).reshape(values.shape)


def smooth_rotations(
    time_s: np.ndarray, rotvec: np.ndarray, cutoff_hz: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return axis-angle rotations (T, J, 3) smoothed over time, float32.

    Unit quaternions of one sign along the track are smoothed and made unit again, which commutes with any fixed turn
    of the axes before or after.
    """
    rows, joints = rotvec.shape[:2]
    if rows < ROWS_MIN:
        return np.array(rotvec, np.float32)
    quaternions = Rotation.from_rotvec(np.asarray(rotvec, np.float64).reshape(-1, 3)).as_quat().reshape(rows, joints, 4)
    turns = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1))
    turns[turns == 0] = 1.0
    signs = np.cumprod(np.concatenate([np.ones((1, joints)), turns]), axis=0)
    smoothed = smooth_values(time_s, quaternions * signs[..., None], cutoff_hz, weights)
    length = np.linalg.norm(smoothed, axis=-1)
    # Quaternions that cancel each other have no mean; such rows stay as they are.
    smoothed = np.where((length > 0.1)[..., None], smoothed, quaternions)
    return Rotation.from_quat(smoothed.reshape(-1, 4)).as_rotvec().reshape(rotvec.shape).astype(np.float32)


def smooth_trajectory(
    time_s: np.ndarray, trans: np.ndarray, pelvis: np.ndarray, cutoff_hz: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return translations (T, 3) in metres smoothed over time, float32.

    In a camera the depth is far noisier than the direction. So the direction of the pelvis and the logarithm of its
    depth are smoothed, each by itself, and a person stays where the picture shows them.

    Args:
        trans: (T, 3) in camera axes.
        pelvis: (3,) of the unposed body, about which the root turns.
        cutoff_hz: for the direction; the depth gets half of it.
    """
    place = np.asarray(trans, np.float64) + pelvis
    if not (place[:, 2] > 0.05).all():
        return (smooth_values(time_s, place, cutoff_hz, weights) - pelvis).astype(np.float32)
    slope = smooth_values(time_s, place[:, :2] / place[:, 2:], cutoff_hz, weights)
    depth = np.exp(smooth_values(time_s, np.log(place[:, 2:]), 0.5 * cutoff_hz, weights))
    return (np.concatenate([slope * depth, depth], axis=1) - pelvis).astype(np.float32)


def smooth_track(track: TrackRows, pelvis: np.ndarray, cutoff_hz: float) -> TrackFit:
    """Return a track smoothed over time.

    Args:
        pelvis: (3,) of the unposed body with the track's shape.
    """
    weights = np.where(track.is_observed, np.clip(track.joint_confidence.mean(1), 0.05, 1.0), GAP_SHARE)
    weights = weights / weights.mean()
    pose, trans = np.empty(track.pose.shape, np.float32), np.empty(track.trans.shape, np.float32)
    time_s = np.asarray(track.time_s, np.float64)
    for first in range(0, len(time_s), PART_ROWS):
        own = slice(first, min(first + PART_ROWS, len(time_s)))
        start, stop = np.searchsorted(time_s, [time_s[own.start] - MARGIN_S, time_s[own.stop - 1] + MARGIN_S])
        part, kept = slice(start, stop), slice(own.start - start, own.stop - start)
        pose[own] = smooth_rotations(time_s[part], track.pose[part], cutoff_hz, weights[part])[kept]
        trans[own] = smooth_trajectory(time_s[part], track.trans[part], pelvis, cutoff_hz, weights[part])[kept]
    return TrackFit(pose, np.array(track.betas, np.float32), trans, ~np.asarray(track.is_observed, bool))
