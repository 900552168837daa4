"""Temporal smoothing of rotations and translations with smoothing splines; needs no network weights.

The spline is a low-pass filter with a cutoff in hertz, so the result does not depend on the frame rate.
"""

import numpy as np
from scipy.interpolate import make_smoothing_spline
from scipy.spatial.transform import Rotation

from refine.rows.gaps import interpolate_rotations
from refine.rows.types import TrackFit, TrackRows

ROWS_MIN = 5  # a spline needs more rows
PART_ROWS = 2048  # rows smoothed per part, so that memory does not grow with the track
MARGIN_S = 3.0  # overlap of parts; rows farther away have an influence below 1e-6
BRIDGE_HZ = (0.35, 0.7, 1.4, 2.8, 5.6)  # cutoffs tried for filling gaps
BRIDGE_SLACK = 0.25  # relative error above the best at which the stiffest spline is chosen
BRIDGE_POWER = 3  # of the confidence: at the edges of a gap people are half occluded and their poses poor
# For cross-validation, this much of every period is hidden: the length of a typical gap.
HIDDEN_S, PERIOD_S = 0.5, 1.5
GAP_WEIGHT = 0.2  # weight of interpolated rows: without it a spline overshoots in a gap of half a second


def smooth_values(
    time_s: np.ndarray, values: np.ndarray, cutoff_hz: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return values (T, ...) smoothed by a smoothing spline, float64.

    Args:
        time_s: (T,) increasing.
        cutoff_hz: frequency attenuated by half.
        weights: (T,) 1 for a normal row, 0 for a row that is filled from the others. None: all 1.

    Source: the spline damps a frequency w by 1 / (1 + lam w^4) when each row counts with the time it stands for.
    """
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    weight = np.ones(len(flat)) if weights is None else np.asarray(weights, np.float64)
    used = weight > 0
    if used.sum() < ROWS_MIN:
        return flat.reshape(values.shape)
    time = np.asarray(time_s, np.float64)
    spans = np.gradient(time[used])
    # A row at the edge of a long gap represents its own frame, not the gap.
    spans = np.minimum(spans, 2.0 * np.median(spans))
    damping = (2.0 * np.pi * cutoff_hz) ** -4.0
    spline = make_smoothing_spline(time[used], flat[used], w=spans * weight[used], lam=damping)
    return spline(time).reshape(values.shape)


def smooth_rotations(
    time_s: np.ndarray, rotvec: np.ndarray, cutoff_hz: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return axis-angle rotations (T, J, 3) smoothed over time, float32.

    Unit quaternions of consistent sign are smoothed and normalised, which commutes with any fixed rotation of the
    axes.
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
    # Quaternions that cancel out have no mean; such rows are left unchanged.
    smoothed = np.where((length > 0.1)[..., None], smoothed, quaternions)
    return Rotation.from_quat(smoothed.reshape(-1, 4)).as_rotvec().reshape(rotvec.shape).astype(np.float32)


def smooth_trajectory(
    time_s: np.ndarray, trans: np.ndarray, pelvis: np.ndarray, cutoff_hz: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return translations (T, 3) in metres smoothed over time, float32.

    Monocular depth is far noisier than the viewing direction. The direction of the pelvis and the logarithm of its
    depth are therefore smoothed separately, which keeps the person's position in the image.

    Args:
        trans: (T, 3) in camera axes.
        pelvis: (3,) of the unposed body, about which the root turns.
        cutoff_hz: for the direction; half of it is used for the depth.
    """
    pelvis_m = np.asarray(trans, np.float64) + pelvis
    if not (pelvis_m[:, 2] > 0.05).all():
        return smooth_path(time_s, trans, pelvis, cutoff_hz, weights)
    slope = smooth_values(time_s, pelvis_m[:, :2] / pelvis_m[:, 2:], cutoff_hz, weights)
    depth = np.exp(smooth_values(time_s, np.log(pelvis_m[:, 2:]), 0.5 * cutoff_hz, weights))
    return (np.concatenate([slope * depth, depth], axis=1) - pelvis).astype(np.float32)


def smooth_path(
    time_s: np.ndarray, trans: np.ndarray, pelvis: np.ndarray, cutoff_hz: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return translations (T, 3) smoothed alike in all directions, float32: those that several cameras tell.

    The arguments are those of `smooth_trajectory`.
    """
    return (smooth_values(time_s, np.asarray(trans, np.float64) + pelvis, cutoff_hz, weights) - pelvis).astype(
        np.float32
    )


def bridge_gaps(time_s: np.ndarray, pose: np.ndarray, confidence: np.ndarray, is_observed: np.ndarray) -> np.ndarray:
    """Return poses (T, 24, 3) whose unobserved rows lie on a spline through the observed ones.

    The stiffness depends on the noise of the observed poses and is cross-validated: observed intervals are hidden, and
    the stiffest spline whose error is close to the best is used. Rows stay unchanged if linear interpolation has the
    smallest error, or if there are too few rows to hide.

    Args:
        time_s: (T,) increasing.
        pose: (T, 24, 3) axis-angle, gaps filled by interpolation.
        confidence: (T,) confidence of each row, above 0.
        is_observed: (T,) bool.
    """
    if is_observed.all():
        return pose
    weights = np.where(is_observed, confidence**BRIDGE_POWER, 0.0)
    weights = weights / max(weights.sum() / max(is_observed.sum(), 1), 1e-9)
    cutoff_hz = _bridge_cutoff(time_s[is_observed], pose[is_observed], weights[is_observed])
    if cutoff_hz is None:
        return pose
    found = smooth_rotations(time_s, pose, cutoff_hz, weights)
    return np.where(is_observed[:, None, None], pose, found)


def _bridge_cutoff(time_s: np.ndarray, pose: np.ndarray, weights: np.ndarray) -> float | None:
    """Return the cutoff of `BRIDGE_HZ` for gaps between these rows; None to interpolate linearly."""
    if len(time_s) < 3 * ROWS_MIN:
        return None
    is_hidden = (time_s - time_s[0]) % PERIOD_S > PERIOD_S - HIDDEN_S
    is_hidden[np.flatnonzero(~is_hidden)[-1] :] = False  # nothing to bridge to beyond the last row
    seen = ~is_hidden
    if not is_hidden.any() or seen.sum() < 2 * ROWS_MIN:
        return None

    def error_rad(found: np.ndarray) -> float:
        turn = Rotation.from_rotvec(found.reshape(-1, 3)).inv() * Rotation.from_rotvec(pose[is_hidden].reshape(-1, 3))
        return float(turn.magnitude().mean())

    straight = error_rad(interpolate_rotations(time_s[seen], pose[seen], time_s[is_hidden]))
    splines = [smooth_rotations(time_s, pose, cutoff, np.where(seen, weights, 0.0))[is_hidden] for cutoff in BRIDGE_HZ]
    errors_rad = [error_rad(found) for found in splines]
    limit = (1.0 + BRIDGE_SLACK) * min(straight, *errors_rad)
    return next((cutoff for cutoff, value in zip(BRIDGE_HZ, errors_rad, strict=True) if value <= limit), None)


def smooth_track(track: TrackRows, pelvis: np.ndarray, cutoff_hz: float) -> TrackFit:
    """Return a track smoothed over time.

    Args:
        pelvis: (3,) of the unposed body with the track's shape.
    """
    is_observed = np.asarray(track.is_observed, bool)
    confidence = np.clip(track.joint_confidence.mean(1), 0.05, 1.0)
    weights = np.where(is_observed, confidence, GAP_WEIGHT)
    weights = weights / weights.mean()
    pose, trans = np.empty(track.pose.shape, np.float32), np.empty(track.trans.shape, np.float32)
    time_s = np.asarray(track.time_s, np.float64)
    for first in range(0, len(time_s), PART_ROWS):
        own = slice(first, min(first + PART_ROWS, len(time_s)))
        start, stop = np.searchsorted(time_s, [time_s[own.start] - MARGIN_S, time_s[own.stop - 1] + MARGIN_S])
        part, kept = slice(start, stop), slice(own.start - start, own.stop - start)
        poses = track.pose[part]
        if track.pose_sigma_rad is None:  # otherwise the prior has filled the gaps
            poses = bridge_gaps(time_s[part], poses, confidence[part], is_observed[part])
        pose[own] = smooth_rotations(time_s[part], poses, cutoff_hz, weights[part])[kept]
        path = smooth_trajectory if track.views[0].shift_m is None else smooth_path
        trans[own] = path(time_s[part], track.trans[part], pelvis, cutoff_hz, weights[part])[kept]
    is_refined = np.ones(len(time_s), bool)
    return TrackFit(pose, np.array(track.betas, np.float32), trans, ~is_observed, is_refined)
