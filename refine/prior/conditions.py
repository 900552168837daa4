"""Conditions of the motion prior: recovered poses, keypoints and bones in 3D, normalised for camera and scale.

Window axes are the camera's, rotated so that the mean ray to the person is the z axis.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from configs.checks import Shaped, check_shape
from dpmesh.geometry.camera import ray_rotation
from dpmesh.geometry.rotations import matrix_to_six
from refine.rows.bones import BONES

KEYPOINT_COUNT = 17
NUMBERS = 24 * 6 + 3 * KEYPOINT_COUNT + 4
BONE_COUNT = len(BONES)
BONE_NUMBERS = 4 * BONE_COUNT  # direction and weight; they follow the others


@dataclass(frozen=True, slots=True)
class MotionConditions(Shaped):
    """N windows of T rows; `is_row` is False in the padding."""

    numbers: Annotated[Tensor, "N", "T", "C"]  # what the network reads; 0 in rows that were not observed
    recovered: Annotated[Tensor, "N", "T", 24, 6]  # rotations in window axes; between observed rows a straight line
    is_observed: Annotated[Tensor, "N", "T"]  # bool
    is_row: Annotated[Tensor, "N", "T"]  # bool
    time_s: Annotated[Tensor, "N", "T"]  # about the window's middle
    camera_from_window: Annotated[Tensor, "N", 3, 3]

    def __getitem__(self, windows: slice) -> "MotionConditions":
        """Return some of the windows."""
        return self.take(windows)

    def to_window(self, poses: Tensor) -> Tensor:
        """Return camera poses (N, T, 24, 6) in window axes; not orthonormalised."""
        return _turned(poses, self.camera_from_window.mT)

    def to_camera(self, poses: Tensor) -> Tensor:
        """Return window poses (N, T, 24, 6) in camera axes: the inverse of `to_window`."""
        return _turned(poses, self.camera_from_window)


def describe_windows(
    poses: Tensor,
    keypoints: Tensor,
    focal_px: Tensor,
    principal_px: Tensor,
    bones: Tensor,
    is_observed: Tensor,
    is_row: Tensor,
    time_s: Tensor,
) -> MotionConditions:
    """Return the conditions of the prior.

    Args:
        poses: (N, T, 24, 3, 3) recovered rotations, root in camera axes; ignored in unobserved rows.
        keypoints: (N, T, 17, 3) COCO: x, y in pixels, confidence (0: not detected).
        focal_px: (N, T); principal_px: (N, T, 2); is_observed, is_row: (N, T) bool.
        bones: (N, T, 12, 4) directions in camera axes and weights of `bone_directions`; weight 0: not given.
        time_s: (N, T); padding repeats the last time.
    """
    sizes = check_shape("keypoints", keypoints, ("N", "T", KEYPOINT_COUNT, 3))
    check_shape("poses", poses, (sizes["N"], sizes["T"], 24, 3, 3))
    check_shape("bones", bones, (sizes["N"], sizes["T"], BONE_COUNT, 4))
    is_observed = is_observed & is_row
    seen = (keypoints[..., 2] > 0) & is_observed[..., None]
    weight = seen.to(poses.dtype)[..., None]
    count = weight.sum((1, 2)).clamp_min(1.0)
    centre = (keypoints[..., :2] * weight).sum((1, 2)) / count
    # The intrinsics of the first row are used for the window; zooming within a window is rare.
    turn = ray_rotation(torch.where(count > 1, centre, principal_px[:, 0]), focal_px[:, 0], principal_px[:, 0])
    slopes = (keypoints[..., :2] - principal_px[:, :, None]) / focal_px[:, :, None, None]
    rays = torch.nn.functional.pad(slopes, (0, 1), value=1.0) @ turn[:, None]
    positions = rays[..., :2] / rays[..., 2:].clamp_min(1e-2)
    middle = (positions * weight).sum(2) / weight.sum(2).clamp_min(1.0)
    apart = (positions - middle[:, :, None]) * weight
    size = (apart.square().sum((2, 3)) / weight.sum((2, 3)).clamp_min(1.0)).sqrt()
    rows = is_observed.to(poses.dtype)
    usual = ((size * rows).sum(1) / rows.sum(1).clamp_min(1.0)).clamp_min(1e-4)[:, None, None]
    recovered = matrix_to_six(poses)
    recovered = _turned(_filled(recovered, is_observed), turn.mT)
    middle_s = 0.5 * (time_s.amin(1, keepdim=True) + time_s.amax(1, keepdim=True))
    directions = bones[..., :3] @ turn[:, None] * bones[..., 3:]
    inputs = torch.cat(
        [
            recovered.flatten(2),
            (apart / (2.0 * usual[..., None])).flatten(2),
            keypoints[..., 2] * weight[..., 0],
            middle / (4.0 * usual),
            size[..., None] / usual - 1.0,
            torch.ones_like(size[..., None]),
            directions.flatten(2),
            bones[..., 3],
        ],
        dim=-1,
    )
    return MotionConditions(
        numbers=inputs * rows[..., None],
        recovered=recovered,
        is_observed=is_observed,
        is_row=is_row,
        time_s=(time_s - middle_s).to(poses.dtype) * is_row,
        camera_from_window=turn,
    )


def _turned(poses: Tensor, turn: Tensor) -> Tensor:
    """Return poses (N, T, 24, 6) with roots rotated by (N, 3, 3)."""
    root = poses[:, :, 0].unflatten(-1, (2, 3)) @ turn[:, None].mT
    return torch.cat([root.flatten(-2)[:, :, None], poses[:, :, 1:]], dim=2)


def _filled(values: Tensor, is_observed: Tensor) -> Tensor:
    """Return values (N, T, ...) with unobserved rows interpolated linearly."""
    count = is_observed.shape[1]
    column = torch.arange(count, device=values.device).expand_as(is_observed)
    before = torch.where(is_observed, column, -1).cummax(1).values
    after = torch.where(is_observed, column, count).flip(1).cummin(1).values.flip(1)
    before, after = torch.where(before < 0, after, before), torch.where(after == count, before, after)
    before, after = before.clamp(0, count - 1), after.clamp(0, count - 1)
    fraction = (column - before) / (after - before).clamp_min(1)
    windows = torch.arange(len(values), device=values.device)[:, None]
    return torch.lerp(values[windows, before], values[windows, after], fraction[..., None, None].to(values.dtype))
