"""The energy of a motion given its observations: a negative log-likelihood, summed over people and frames.

Every term is a squared error over a variance, in metres, radians and seconds. Smoothness is integrated over time, not
summed over frames, so its balance with the observations depends on the frame rate.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from configs.schema import RefineSettings
from dpmesh.body import JOINT_SETS, BodyModel
from dpmesh.geometry.rotations import six_to_matrix
from refine.rows.bones import HINT_NAMES, bone_residuals

SMPL24 = JOINT_SETS["smpl24"]
KEYPOINT_SETS = {17: JOINT_SETS["coco17"], 25: JOINT_SETS["openpose25"]}
REFERENCE_HZ = 30.0  # the rate at which one frame of smoothness has weight 1
DEPTH_MIN_M = 0.2  # closer points are clamped: a point behind the camera has no image
SPEED_SLACK = 0.5  # m/s
HEAVY_TAIL = 3.0  # multiple of the typical acceleration beyond which the penalty is linear
SHAPE_SPREAD = 2.0  # standard deviation of shape coefficients around 0


@dataclass(frozen=True, slots=True)
class ViewEvidence:
    """Keypoints of all rows in one camera."""

    keypoints_px: Tensor  # (R, K, 2)
    weights: Tensor  # (R, K) 0 to 1, of `keypoint_weights`
    focal_px: Tensor  # (R,)
    principal_px: Tensor  # (R, 2)
    metres_per_px: Tensor  # (R,) at the person's distance, before refinement
    rotation: Tensor | None  # (R, 3, 3) camera from track; None: the identity
    shift_m: Tensor | None  # (R, 3)
    bones: Tensor | None = None  # (R, 12, 3) directions in camera axes, see `bones`; None: not given
    bone_weights: Tensor | None = None  # (R, 12) 0 to 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows of many windows, concatenated."""

    window: Tensor  # (R,) int64, non-decreasing
    person: Tensor  # (R,) int64, whose shape a row has
    time_s: Tensor  # (R,) float32, from the window's start
    pose: Tensor  # (R, 24, 3, 3) recovered, or of the motion prior
    pose_weights: Tensor  # (R, 24) over the squared standard deviation
    trans: Tensor  # (R, 3)
    trans_weights: Tensor  # (R,) over the squared standard deviation in metres
    betas: Tensor  # (P, 10)
    views: tuple[ViewEvidence, ...]


@dataclass(frozen=True, slots=True)
class TimeSteps:
    """Finite differences over time; weights are 0 between rows that are not linked."""

    per_step: Tensor  # (R - 1,) 1 / s
    step_weight: Tensor  # (R - 1,) length of a step in frames of `REFERENCE_HZ`
    per_middle: Tensor  # (R - 2,) 1 / s, between the middles of two steps
    bend_weight: Tensor  # (R - 2,)


def time_steps_of(time_s: Tensor, is_linked: Tensor) -> TimeSteps:
    """Return the time steps of rows at times (R,); `is_linked` (R - 1,) says which neighbours are consecutive."""
    step = torch.where(is_linked, time_s[1:] - time_s[:-1], 1.0)
    middle = 0.5 * (step[1:] + step[:-1])
    return TimeSteps(
        per_step=1.0 / step,
        step_weight=torch.where(is_linked, step, 0.0) * REFERENCE_HZ,
        per_middle=1.0 / middle,
        bend_weight=torch.where(is_linked[1:] & is_linked[:-1], middle, 0.0) * REFERENCE_HZ,
    )


@dataclass(frozen=True, slots=True)
class EnergyParts:
    """The terms of the energy."""

    prior: Tensor  # scalar: distance from the recovered poses and translations, and jitter energy
    residuals: tuple[Tensor, ...]  # (R, K) per camera: robust weighted squared errors of the keypoints
    bones: Tensor  # scalar: the same of the bones' directions


class MotionEnergy:
    """The energy of motions for fixed evidence; precomputes what does not depend on the motion."""

    def __init__(self, evidence: Evidence, body: BodyModel, settings: RefineSettings) -> None:
        self.evidence, self._body, self._settings = evidence, body, settings
        self._count = evidence.views[0].keypoints_px.shape[1]
        if any(view.keypoints_px.shape[1] != self._count for view in evidence.views):
            raise ValueError("views: all cameras need the same keypoints")
        self._names = SMPL24 + KEYPOINT_SETS[self._count]
        self._limbs = [KEYPOINT_SETS[self._count].index(name) for name in HINT_NAMES]
        self._time_steps = time_steps_of(evidence.time_s, evidence.window[1:] == evidence.window[:-1])

    def __call__(self, x: Tensor, trans: Tensor, betas: Tensor) -> Tensor:
        """Return the energy, a scalar.

        Args:
            x: (R, 144) rotations as six numbers; trans: (R, 3); betas: (P, 10).
        """
        parts = self.parts(x, trans, betas)
        total = parts.prior + parts.bones
        for residuals in parts.residuals:
            total = total + residuals.sum()
        return total

    def parts(self, x: Tensor, trans: Tensor, betas: Tensor) -> EnergyParts:
        """Return the terms of the energy; arguments as for the energy."""
        evidence = self.evidence
        matrices = six_to_matrix(x.unflatten(-1, (24, 6)))
        points = self._body.joints_from_matrices(matrices, betas[evidence.person], self._names)
        prior = self._of_recovered(matrices, trans, betas)
        if len(x) > 1:
            prior = prior + self._of_motion(matrices, points[:, : len(SMPL24)], trans)
        seen = points[:, len(SMPL24) :] + trans[:, None]
        in_views = [(_in_camera(seen, view), view) for view in evidence.views]
        residuals = tuple(self._of_view(points, view) for points, view in in_views)
        bones = [self._of_bones(points, view) for points, view in in_views]
        return EnergyParts(prior, residuals, torch.stack(bones).sum())

    def _of_recovered(self, matrices: Tensor, trans: Tensor, betas: Tensor) -> Tensor:
        evidence, settings = self.evidence, self._settings
        total = (evidence.trans_weights * (trans - evidence.trans).square().sum(-1)).sum()
        total = total + ((betas - evidence.betas) / settings.shape_sigma).square().sum()
        total = total + (betas / SHAPE_SPREAD).square().sum()
        # Half the squared distance of two rotations' matrices is their squared angle, to fourth order.
        return total + (0.5 * evidence.pose_weights * (matrices - evidence.pose).square().sum(dim=(-2, -1))).sum()

    def _of_view(self, points: Tensor, view: ViewEvidence) -> Tensor:
        settings = self._settings
        depth = points[..., 2:].clamp_min(DEPTH_MIN_M)
        pixels = view.focal_px[:, None, None] * points[..., :2] / depth + view.principal_px[:, None]
        residuals = ((pixels - view.keypoints_px) * view.metres_per_px[:, None, None]).square().sum(-1)
        outlier = settings.keypoint_outlier_m**2
        return view.weights * residuals * (outlier / (outlier + residuals)) / settings.keypoint_sigma_m**2

    def _of_bones(self, points: Tensor, view: ViewEvidence) -> Tensor:
        sigma = self._settings.bone_sigma_rad
        if view.bones is None or view.bone_weights is None or sigma is None:
            return points.new_zeros(())
        residuals = bone_residuals(points[:, self._limbs], view.bones, self._settings.bone_outlier_rad)
        return (view.bone_weights * residuals).sum() / sigma**2

    def _of_motion(self, matrices: Tensor, joints: Tensor, trans: Tensor) -> Tensor:
        settings = self._settings
        # Half the sum of the columns' cross products is the axis times the sine of the turn between two frames.
        turn = 0.5 * torch.linalg.cross(matrices[:-1], matrices[1:], dim=-2).sum(-1)
        turning = turn * self._time_steps.per_step[:, None, None]
        root = joints[:, 0] + trans
        velocity = (root[1:] - root[:-1]) * self._time_steps.per_step[:, None]
        total = (
            self._time_steps.step_weight
            @ ((velocity.norm(dim=-1) - settings.speed_max).clamp_min(0.0) / SPEED_SLACK).square()
        )
        if len(root) < 3:
            return total
        relative = (joints[:, 1:] - joints[:, :1]).flatten(1)
        moving = (relative[1:] - relative[:-1]) * self._time_steps.per_step[:, None]
        for speeds, usual in (
            (turning, settings.turn_acceleration),
            (moving.unflatten(-1, (-1, 3)), settings.joint_acceleration),
            (velocity[:, None], settings.root_acceleration),
        ):
            bend = (speeds[1:] - speeds[:-1]) * (self._time_steps.per_middle / usual)[:, None, None]
            total = total + self._time_steps.bend_weight @ heavy_tailed(bend.square().sum(-1)).sum(-1)
        return total


def _in_camera(points: Tensor, view: ViewEvidence) -> Tensor:
    if view.rotation is not None:
        points = points @ view.rotation.mT
    return points if view.shift_m is None else points + view.shift_m[:, None]


def heavy_tailed(squared: Tensor) -> Tensor:
    """Return the pseudo-Huber penalty of squared values; linear beyond `HEAVY_TAIL`."""
    tail = HEAVY_TAIL**2
    return 2.0 * tail * ((1.0 + squared / tail).sqrt() - 1.0)
