"""The posterior mean of the motion prior, conditioned on what was recovered and seen."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dpmesh.body import JOINT_SETS
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, six_to_matrix
from refine.prior.cameras import KEYPOINT_SCORE_MIN, joined_cameras, one_camera_each
from refine.prior.conditions import MotionConditions, describe_windows
from refine.prior.network import MotionPrior
from refine.prior.schedule import TIME_COUNT
from refine.rows.bones import bones_of
from refine.rows.types import TrackRows, ViewRows
from refine.rows.windows import Joiner, Window, plan_windows

WINDOW_ROWS, OVERLAP_ROWS = 64, 24  # as trained
RATE_HZ = 45.0  # trained on 20 to 60
COCO_OF_OPENPOSE = tuple(JOINT_SETS["openpose25"].index(name) for name in JOINT_SETS["coco17"])


@torch.no_grad()
def with_posterior_mean(
    tracks: Sequence[TrackRows], prior: MotionPrior, *, break_s: float, batch_rows: int, device: torch.device
) -> list[TrackRows]:
    """Return the tracks with the posterior mean instead of the recovered poses, and its standard deviation.

    Video of a higher frame rate than in training is split into k tracks of every k-th row.

    Args:
        break_s: windows do not span longer gaps.
        batch_rows: rows of all tracks per batch.
    """
    cameras = [one_camera_each(track) for track in tracks]
    seen = [each for group in cameras for each in group]
    steps = [row_step(track.time_s) for track in seen]
    parts = [_every(track, step, first) for track, step in zip(seen, steps, strict=True) for first in range(step)]
    made = iter(_follow(parts, prior.to(device), break_s, batch_rows, device))
    told = iter([_woven(track, [next(made) for _ in range(step)]) for track, step in zip(seen, steps, strict=True)])
    return [
        joined_cameras([next(told) for _ in group], track) for track, group in zip(tracks, cameras, strict=True)
    ]


def _follow(
    tracks: Sequence[TrackRows], prior: MotionPrior, break_s: float, batch_rows: int, device: torch.device
) -> list[TrackRows]:
    joiners = [Joiner(track.pose, np.zeros_like(track.trans)) for track in tracks]
    sigmas = [np.zeros(track.joint_confidence.shape, np.float32) for track in tracks]
    for group in _groups(tracks, break_s, batch_rows):
        conditions = describe(tracks, group, device)
        noise = torch.zeros_like(conditions.recovered)
        last = torch.full((len(group),), TIME_COUNT - 1, device=device)
        made, sigma = prior.forward(noise, last, conditions)
        pose = matrix_to_axis_angle(six_to_matrix(conditions.to_camera(made))).cpu().numpy()
        sigma_rad = sigma.exp().cpu().numpy()
        for row, window in enumerate(group):
            rows = np.arange(window.start, window.stop)
            track = tracks[window.track]
            own = track.pose[rows]
            if track.is_observed[rows].any():  # otherwise the condition is empty
                own = _turned(track.views[0], pose[row, : len(window)], is_back=True)
            joiners[window.track].add(window, own, np.zeros((len(window), 3), np.float32))
            sigmas[window.track][rows] = np.maximum(sigmas[window.track][rows], sigma_rad[row, : len(window)])
    return [
        replace(track, pose=joiner.pose, pose_sigma_rad=sigma)
        for track, joiner, sigma in zip(tracks, joiners, sigmas, strict=True)
    ]


def row_step(time_s: np.ndarray) -> int:
    """Return the row stride whose time step is closest to the one in training."""
    if len(time_s) < 2:
        return 1
    return min(len(time_s), max(1, round(1.0 / (RATE_HZ * float(np.median(np.diff(time_s)))))))


def _every(track: TrackRows, step: int, first: int) -> TrackRows:
    """Return every `step`-th row of a track, from row `first` on."""
    return track if step == 1 else take_rows(track, slice(first, None, step))


def take_rows(track: TrackRows, rows: slice) -> TrackRows:
    """Return some rows of a track."""
    named = ("time_s", "pose", "trans", "joint_confidence", "is_observed")
    views = tuple(view.take(rows) for view in track.views)
    joints = None if track.joints_m is None else track.joints_m[rows]
    return replace(track, views=views, joints_m=joints, **{name: getattr(track, name)[rows] for name in named})


def _woven(track: TrackRows, parts: Sequence[TrackRows]) -> TrackRows:
    """Return the track with the interleaved poses of its parts."""
    pose, sigma = np.empty_like(track.pose), np.empty_like(track.joint_confidence)
    for first, part in enumerate(parts):
        pose[first :: len(parts)], sigma[first :: len(parts)] = part.pose, part.pose_sigma_rad
    return replace(track, pose=pose, pose_sigma_rad=sigma)


def describe(tracks: Sequence[TrackRows], windows: Sequence[Window], device: torch.device) -> MotionConditions:
    """Return the conditions of windows of tracks of one camera; short windows are padded."""
    length = max(len(window) for window in windows)

    def stacked(values: Sequence[np.ndarray]) -> Tensor:
        filled = [np.pad(each, [(0, length - len(each))] + [(0, 0)] * (each.ndim - 1), "edge") for each in values]
        return torch.from_numpy(np.stack(filled).astype(np.float32)).to(device)

    cut = [slice(window.start, window.stop) for window in windows]
    whose = [tracks[window.track] for window in windows]
    views = [track.views[0] for track in whose]
    keypoints = stacked([_coco(view.keypoints[rows]) for view, rows in zip(views, cut, strict=True)])
    poses = stacked([_turned(view, t.pose[rows]) for t, view, rows in zip(whose, views, cut, strict=True)])
    observed = stacked([track.is_observed[rows] for track, rows in zip(whose, cut, strict=True)])
    starts = stacked([track.time_s[rows] - track.time_s[rows.start] for track, rows in zip(whose, cut, strict=True)])
    lengths = torch.tensor([len(window) for window in windows], device=device)
    return describe_windows(
        axis_angle_to_matrix(poses),
        keypoints,
        stacked([view.focal_px[rows] for view, rows in zip(views, cut, strict=True)]),
        stacked([view.principal_px[rows] for view, rows in zip(views, cut, strict=True)]),
        stacked([bones_of(t, view, rows) for t, view, rows in zip(whose, views, cut, strict=True)]),
        observed > 0,
        torch.arange(length, device=device)[None] < lengths[:, None],
        starts,
    )


def _coco(keypoints: np.ndarray) -> np.ndarray:
    found = keypoints if keypoints.shape[1] == len(COCO_OF_OPENPOSE) else keypoints[:, list(COCO_OF_OPENPOSE)]
    return np.where(found[..., 2:] >= KEYPOINT_SCORE_MIN, found, 0.0)


def _turned(view: ViewRows, pose: np.ndarray, *, is_back: bool = False) -> np.ndarray:
    """Return poses (T, 24, 3) with the root rotated from the track's axes to a camera's, or back."""
    rotation = view.rotation
    if rotation is None:
        return pose
    turn = torch.from_numpy(np.asarray(rotation, np.float64).T if is_back else np.asarray(rotation, np.float64))
    root = matrix_to_axis_angle(turn @ axis_angle_to_matrix(torch.from_numpy(pose[:, 0].astype(np.float64))))
    return np.concatenate([root.numpy()[:, None], pose[:, 1:]], axis=1).astype(np.float32)


def _groups(tracks: Sequence[TrackRows], break_s: float, batch_rows: int) -> Iterable[list[Window]]:
    windows = [
        window
        for index, track in enumerate(tracks)
        for window in plan_windows(index, track.time_s, WINDOW_ROWS, OVERLAP_ROWS, break_s)
    ]
    at_once = max(1, batch_rows // WINDOW_ROWS)
    for first in range(0, len(windows), at_once):
        yield windows[first : first + at_once]
