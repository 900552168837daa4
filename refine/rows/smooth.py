"""Motion made smooth without any weights: smoothing splines over time, in rotations and in metres.

The spline is a low-pass filter whose cutoff is told in hertz, so the result does not depend on the frame rate.
"""

import numpy as np
from scipy.interpolate import make_smoothing_spline
from scipy.spatial.transform import Rotation

from refine.rows.gaps import interpolate_rotations
from refine.rows.types import TrackFit, TrackRows

ROWS_MIN = 5  # fewer rows hold no spline
PART_ROWS = 2048  # of a track that are smoothed at once, so that memory does not grow with its length
MARGIN_S = 3.0  # beyond a part's own rows; what lies farther away moves a row by less than a millionth
BRIDGE_HZ = (0.35, 0.7, 1.4, 2.8, 5.6)  # cutoffs of the splines that are tried across gaps
BRIDGE_SLACK = 0.25  # a stiffer spline is taken when it misses by no more than this above the best
BRIDGE_POWER = 3  # of the confidence: at the sides of a gap people are half hidden, and their poses poor
# To try a spline, so much of so much is hidden: as long as many gaps, and twice that seen.
HIDDEN_S, PERIOD_S = 0.5, 1.5
GAP_WEIGHT = 0.2  # weight of rows that were filled in: without any, a spline swings far out in a gap of half a second


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
    weight = np.ones(len(flat)) if weights is None else np.asarray(weights, np.float64)
    used = weight > 0
    if used.sum() < ROWS_MIN:
        return flat.reshape(values.shape)
    time = np.asarray(time_s, np.float64)
    spans = np.gradient(time[used])
    # A row at either side of a long gap stands for its own frame, not for the gap.
    spans = np.minimum(spans, 2.0 * np.median(spans))
    damping = (2.0 * np.pi * cutoff_hz) ** -4.0
    spline = make_smoothing_spline(time[used], flat[used], w=spans * weight[used], lam=damping)
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
    pelvis_m = np.asarray(trans, np.float64) + pelvis
    if not (pelvis_m[:, 2] > 0.05).all():
        return (smooth_values(time_s, pelvis_m, cutoff_hz, weights) - pelvis).astype(np.float32)
    slope = smooth_values(time_s, pelvis_m[:, :2] / pelvis_m[:, 2:], cutoff_hz, weights)
    depth = np.exp(smooth_values(time_s, np.log(pelvis_m[:, 2:]), 0.5 * cutoff_hz, weights))
    return (np.concatenate([slope * depth, depth], axis=1) - pelvis).astype(np.float32)


def bridge_gaps(time_s: np.ndarray, pose: np.ndarray, confidence: np.ndarray, is_observed: np.ndarray) -> np.ndarray:
    """Return poses (T, 24, 3) whose unobserved rows lie on a spline through the observed ones.

    How stiff it has to be depends on how good these are: through exact poses it follows the motion, through noisy ones
    it averages over more of them. So observed stretches are hidden, and the stiffest spline is taken that meets them
    nearly as well as the best. Rows stay as they are where interpolation meets them better than all, or nothing can be
    hidden.

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
    """Return the cutoff of `BRIDGE_HZ` to take across gaps between these rows; None to interpolate."""
    if len(time_s) < 3 * ROWS_MIN:
        return None
    is_hidden = (time_s - time_s[0]) % PERIOD_S > PERIOD_S - HIDDEN_S
    is_hidden[np.flatnonzero(~is_hidden)[-1] :] = False  # beyond the last row there is nothing to bridge to
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
        if track.pose_sigma_rad is None:  # a prior that is sure of its poses has filled the gaps
            poses = bridge_gaps(time_s[part], poses, confidence[part], is_observed[part])
        pose[own] = smooth_rotations(time_s[part], poses, cutoff_hz, weights[part])[kept]
        trans[own] = smooth_trajectory(time_s[part], track.trans[part], pelvis, cutoff_hz, weights[part])[kept]
    is_refined = np.ones(len(time_s), bool)
    return TrackFit(pose, np.array(track.betas, np.float32), trans, ~is_observed, is_refined)
