"""A motion at a constant rate, whatever the timestamps of the video were."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.errors import InputError
from configs.setting_values import check_whole_rate
from pipeline.types import MotionTrack

SAMPLES_MAX = 1_000_000  # 9 hours at 30 per second; each takes some kilobytes while it is made
TIME_SLACK = 1e-6  # of a sample: keeps the last frame when its timestamp was rounded down


@dataclass(frozen=True, slots=True)
class SampledMotion(Shaped):
    """A motion in the camera frame at chosen times."""

    rate_hz: float  # samples per second; the mean where the original frames were kept
    time_s: Annotated[np.ndarray, "N"]  # float64
    nearest_row: Annotated[np.ndarray, "N"]  # int64, row of the track that is nearest in time
    pose: Annotated[np.ndarray, "N", 24, 3]  # float64 axis-angle
    trans: Annotated[np.ndarray, "N", 3]  # float64 SMPL translation, metres
    joint_confidence: Annotated[np.ndarray, "N", 24]  # float32
    joint_sigma_rad: Annotated[np.ndarray | None, "N", 24]  # float32; None: not known
    ground_cov_m2: Annotated[np.ndarray | None, "N", 2, 2]  # float32; None: not known
    ground_systematic_m: Annotated[np.ndarray | None, "N", 2, 5]  # float32; None: not known
    is_observed: Annotated[np.ndarray, "N"]  # bool; False = filled in between
    focal_px: Annotated[np.ndarray, "N"]  # float64
    principal_px: Annotated[np.ndarray, "N", 2]  # float64


@dataclass(frozen=True, slots=True)
class Brackets:
    """For every sample the two rows it lies between."""

    before: np.ndarray  # (N,) int64
    after: np.ndarray  # (N,) int64, equal to `before` where the sample lies on a row
    weight: np.ndarray  # (N,) float64, share of `after`


def resample(track: MotionTrack, pelvis: np.ndarray, rate: Fraction | None, gap_max_s: float) -> SampledMotion:
    """Return the motion at a constant rate, from the first timestamp of the track to the last.

    Rotations follow the shortest arc; the pelvis moves on a straight line. A sample is observed where the rows it
    lies between are observed and neighbouring frames of the video, or at most `gap_max_s` apart.

    Args:
        pelvis: (3,) pelvis of the shaped template.
        rate: samples per second, a whole number; None keeps the frames of the track as they are.

    Raises:
        ValueError: the rate is not a whole positive number, the track is empty, or its timestamps do not increase.
    """
    if len(track.time_s) == 0:
        raise ValueError(f"track {track.track_id} has no frames; leave it out")
    if not np.all(np.diff(track.time_s) > 0):
        raise ValueError(f"track {track.track_id}: timestamps must increase from row to row")
    times = np.array(track.time_s, np.float64) if rate is None else uniform_times(track.time_s, rate)
    rate_hz = mean_rate(track.time_s) if rate is None else float(rate)
    return sample_at(track, pelvis, times, rate_hz, gap_max_s)


def sample_at(
    track: MotionTrack, pelvis: np.ndarray, times: np.ndarray, rate_hz: float, gap_max_s: float
) -> SampledMotion:
    """Return the motion at times (N,) that lie within the track's, as `resample` does."""
    brackets = find_brackets(track.time_s, times)
    before, after, weight = brackets.before, brackets.after, brackets.weight
    gap_s = track.time_s[after] - track.time_s[before]
    is_near = (gap_s <= gap_max_s) | (track.frame_index[after] - track.frame_index[before] <= 1)
    sigma, cov, lasting = track.joint_sigma_rad, track.ground_cov_m2, track.ground_systematic_m
    pelvis_path = blend(pelvis + track.trans.astype(np.float64), brackets)
    return SampledMotion(
        rate_hz=rate_hz,
        time_s=times,
        nearest_row=np.where(weight > 0.5, after, before),
        pose=slerp(track.pose, brackets),
        trans=pelvis_path - pelvis,
        joint_confidence=blend(track.joint_confidence, brackets).astype(np.float32),
        joint_sigma_rad=None if sigma is None else blend(sigma, brackets).astype(np.float32),
        ground_cov_m2=None if cov is None else blend(cov, brackets).astype(np.float32),
        ground_systematic_m=None if lasting is None else blend(lasting, brackets).astype(np.float32),
        is_observed=track.is_observed[before] & track.is_observed[after] & is_near,
        focal_px=blend(track.focal_px, brackets),
        principal_px=blend(track.principal_px, brackets),
    )


def uniform_times(time_s: np.ndarray, rate: Fraction) -> np.ndarray:
    """Return times (N,) from the first of `time_s` to the last, `1 / rate` apart and free of accumulated error.

    Raises:
        InputError: there would be more than `SAMPLES_MAX`, as over a jump of the timestamps.
    """
    check_whole_rate(rate)
    length_s = float(time_s[-1] - time_s[0])
    if length_s * float(rate) > SAMPLES_MAX:
        raise InputError(
            f"a motion of {len(time_s)} frames lies over {length_s / 3600:.1f} h, and at {rate} samples per second it "
            f"would have more than {SAMPLES_MAX}; keep its frames with --fps source, take a lower rate, "
            "or number the frames of the video with --set decode.rate_hz=RATE"
        )
    steps = int(np.floor((time_s[-1] - time_s[0]) * float(rate) + TIME_SLACK))
    return np.minimum(time_s[0] + np.arange(steps + 1) / float(rate), time_s[-1])


def mean_rate(time_s: np.ndarray) -> float:
    """Return the mean number of frames per second; 1 for a single frame, which has no rate."""
    return float((len(time_s) - 1) / (time_s[-1] - time_s[0])) if len(time_s) > 1 else 1.0


def find_brackets(time_s: np.ndarray, wanted_s: np.ndarray) -> Brackets:
    """Return between which of the increasing times (T,) each wanted time (N,) lies; none lies outside them."""
    last = len(time_s) - 1
    before = np.clip(np.searchsorted(time_s, wanted_s, side="right") - 1, 0, last)
    after = np.minimum(before + 1, last)
    step_s = np.where(after > before, time_s[after] - time_s[before], 1.0)
    weight = np.clip((wanted_s - time_s[before]) / step_s, 0.0, 1.0)
    weight = np.where(weight < TIME_SLACK, 0.0, np.where(weight > 1.0 - TIME_SLACK, 1.0, weight))
    return Brackets(np.where(weight == 1.0, after, before), np.where(weight == 0.0, before, after), weight)


def blend(values: np.ndarray, brackets: Brackets) -> np.ndarray:
    """Return values (T, ...) interpolated linearly, (N, ...) float64."""
    weight = brackets.weight.reshape(-1, *[1] * (values.ndim - 1))
    values = values.astype(np.float64)
    return (1.0 - weight) * values[brackets.before] + weight * values[brackets.after]


def slerp(pose: np.ndarray, brackets: Brackets) -> np.ndarray:
    """Return axis-angle rotations (T, J, 3) interpolated along the shortest arc, (N, J, 3) float64."""
    joints = pose.shape[1]
    start = Rotation.from_rotvec(pose[brackets.before].reshape(-1, 3))
    stop = Rotation.from_rotvec(pose[brackets.after].reshape(-1, 3))
    arc = (start.inv() * stop).as_rotvec() * np.repeat(brackets.weight, joints)[:, None]
    return (start * Rotation.from_rotvec(arc)).as_rotvec().reshape(-1, joints, 3)
