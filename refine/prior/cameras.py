"""A person of several cameras, as each of them sees them: the motion prior is told the keypoints of one camera."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, nearest_rotation
from refine.rows.types import TrackRows, ViewRows

CAMERAS_MAX = 4  # further ones add little, and each costs as much
KEYPOINT_SCORE_MIN = 0.3  # lowest confidence in the training data


def one_camera_each(track: TrackRows) -> list[TrackRows]:
    """Return the track in each of its cameras alone, those that see most first, at most `CAMERAS_MAX`.

    Rows in which a camera sees nothing are not observed.
    """
    if len(track.views) == 1:
        return [track]
    best = sorted(track.views, key=lambda view: -_sureness(view).sum())[:CAMERAS_MAX]
    return [
        replace(track, views=(view,), is_observed=np.asarray(track.is_observed) & (_sureness(view) > 0))
        for view in best
    ]


def _sureness(view: ViewRows) -> np.ndarray:
    confidence = view.keypoints[..., 2]
    return np.where(confidence >= KEYPOINT_SCORE_MIN, confidence, 0.0).sum(axis=1)


def mean_of_cameras(poses: Sequence[Tensor], sigmas: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the mean of what cameras tell, (..., C), and its standard deviation (...), weighted by precision.

    Cameras err alike, so the mean's precision is the mean of theirs, not the sum.

    Args:
        poses: (..., C) numbers of each camera; sigmas: (...) their standard deviations.
    """
    precision = torch.stack([sigma.square().reciprocal() for sigma in sigmas])
    total = precision.sum(0)
    mean = (precision[..., None] * torch.stack(list(poses))).sum(0) / total[..., None]
    return mean, (total / len(sigmas)).rsqrt()


def joined_cameras(tracks: Sequence[TrackRows], of: TrackRows) -> TrackRows:
    """Return a track with the mean of the poses that the prior named for each of its cameras."""
    if len(tracks) == 1:
        return replace(tracks[0], views=of.views, is_observed=of.is_observed)
    turns = [axis_angle_to_matrix(torch.from_numpy(track.pose)).flatten(-2) for track in tracks]
    sigmas = [torch.from_numpy(np.asarray(track.pose_sigma_rad)) for track in tracks]
    mean, sigma = mean_of_cameras(turns, sigmas)
    pose = matrix_to_axis_angle(nearest_rotation(mean.unflatten(-1, (3, 3))))
    return replace(of, pose=pose.numpy(), pose_sigma_rad=sigma.numpy())
