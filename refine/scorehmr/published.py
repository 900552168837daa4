"""ScoreHMR as it was published: guided sampling of the rows of one person, view or set of people.

Kept for comparison, with the published weights, camera and constants. `refine.fit.solver` is what a run uses.
Source: score_hmr/diffusion.py of github.com/statho/ScoreHMR; here the joints alone are skinned, and one backward pass
serves pose and camera.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from configs.checks import Shaped
from dpmesh.body import BodyModel
from dpmesh.body.structure import BodyStructure
from dpmesh.geometry.rotations import matrix_to_six, six_to_matrix
from refine.prior.schedule import Schedule
from refine.scorehmr.denoiser import POSE_NUMBERS, Denoiser, PreparedScore
from refine.scorehmr.guidance import (
    ROOT_NUMBERS,
    EarlyStop,
    keypoint_loss,
    smoothness_gradient,
    smoothness_loss,
    view_gradient,
    view_loss,
)
from refine.scorehmr.sampler import ddim_denoise, ddim_invert, time_grid

KEYPOINT_WEIGHT, SMOOTHNESS_WEIGHT, VIEW_WEIGHT = 0.003, 30.0, 0.005
CAMERA_RATE_M = 1e-2
HIP_ROWS = [8, 9, 12]

# OpenPose's 25 joints as the published code takes them from SMPL: 14 joints of the skeleton, 11 vertices.
POINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe",
    "right_heel",
)  # fmt: skip
SMPL_VERTICES = 6890
VERTICES = {
    "nose": 332, "right_eye": 6260, "left_eye": 2800, "right_ear": 4071, "left_ear": 583, "left_big_toe": 3216,
    "left_small_toe": 3226, "left_heel": 3387, "right_big_toe": 6617, "right_small_toe": 6624, "right_heel": 6787,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PublishedRows(Shaped):
    """Input of the published sampler: people of an image, frames of a track or views of a person."""

    pose: Annotated[Tensor, "R", 24, 3, 3]  # rotations
    betas: Annotated[Tensor, "R", 10]
    camera_m: Annotated[Tensor, "R", 3]  # translation to begin from
    keypoints_px: Annotated[Tensor, "R", 25, 2]  # OpenPose's joints, pixels of the full image
    confidence: Annotated[Tensor, "R", 25]
    focal_px: Annotated[Tensor, "R", 2]
    principal_px: Annotated[Tensor, "R", 2]
    image_px: Annotated[Tensor, "R", 2]  # width and height


@dataclass(frozen=True, slots=True)
class PublishedSettings:
    """Settings of the published sampler."""

    has_keypoints: bool = False
    has_smoothness: bool = False  # the rows are consecutive frames of one track
    has_views: bool = False  # the rows are views of one person
    iterations: int = 10
    start: int = 50
    step: int = 2
    scale: float = 1.0  # of the gradient
    is_hip_used: bool = True
    is_stopped_early: bool = False  # see `EarlyStop`; it acts on the keypoints only

    def __post_init__(self) -> None:
        if not (self.has_keypoints or self.has_smoothness or self.has_views):
            raise ValueError("PublishedSettings: nothing guides; turn keypoints, smoothness or views on")
        if self.has_keypoints and self.has_smoothness and self.has_views:
            raise ValueError("PublishedSettings: keypoints, smoothness and views were never combined; leave one out")


@dataclass(frozen=True, slots=True)
class BetaScale:
    """The range of each shape coefficient in the training data of a score model with a shape branch."""

    low: Tensor  # (10,)
    high: Tensor  # (10,)

    def shrink(self, betas: Tensor) -> Tensor:
        """Return betas (R, 10) with their range as -1 to 1."""
        return 2.0 * (betas - self.low) / (self.high - self.low) - 1.0

    def grow(self, scaled: Tensor) -> Tensor:
        """Return the betas (R, 10) of scaled ones."""
        return (scaled + 1.0) / 2.0 * (self.high - self.low) + self.low


@dataclass(frozen=True, slots=True)
class PublishedFit:
    """Output of the published sampler."""

    x: Tensor  # (R, P) poses as six numbers per joint, as sampled; with a shape branch ten scaled betas behind them
    pose: Tensor  # (R, 24, 3, 3) rotations
    betas: Tensor  # (R, 10)
    camera_m: Tensor  # (R, 3)


def with_published_points(structure: BodyStructure) -> BodyStructure:
    """Return a body whose face and feet are named as the published code does, where it has SMPL's topology."""
    if len(structure.v_template) != SMPL_VERTICES or structure.landmarks.keys() - VERTICES.keys() - {"head_top"}:
        return structure
    own = {name: {vertex: 1.0} for name, vertex in VERTICES.items()}
    return replace(structure, landmarks=structure.landmarks | own)


class PublishedGuidance:
    """The published losses and camera optimisation; lives as long as one call."""

    def __init__(
        self, rows: PublishedRows, body: BodyModel, settings: PublishedSettings, scale: BetaScale | None = None
    ) -> None:
        self.settings = settings
        self.camera_m = rows.camera_m.detach().clone().requires_grad_()
        self.loss_keypoints: Tensor | None = None  # (R,) of the last step, before rows that stand still are left out
        self.loss_views: Tensor | None = None
        self.loss_smoothness: Tensor | None = None  # (R - 1,)
        self.is_still: Tensor | None = None  # (R,) bool
        self.stop = EarlyStop(len(rows.pose)) if settings.is_stopped_early and settings.has_keypoints else None
        self._rows, self._body, self._scale = rows, body, scale
        self._confidence = rows.confidence.clone()
        if not settings.is_hip_used:
            self._confidence[:, HIP_ROWS] = 0.0
        self._optimiser = torch.optim.Adam([self.camera_m], lr=CAMERA_RATE_M)

    def gradient(self, start: Tensor, time: int) -> Tensor:
        """Return the gradient (R, P) of the published loss by clean poses (R, P); moves the camera by one step."""
        settings = self.settings
        pose = start[:, :POSE_NUMBERS]
        gradient = torch.zeros_like(start)
        if settings.has_keypoints:
            of_keypoints = self._step_camera(start)
            if not settings.has_views:
                gradient = KEYPOINT_WEIGHT * of_keypoints
        if settings.has_views and not settings.has_smoothness:
            self.loss_views = view_loss(pose[:, ROOT_NUMBERS:])
            gradient[:, ROOT_NUMBERS:POSE_NUMBERS] = VIEW_WEIGHT * view_gradient(pose[:, ROOT_NUMBERS:])
        if settings.has_smoothness:
            self.loss_smoothness = smoothness_loss(pose)
            gradient[:, :POSE_NUMBERS] += SMOOTHNESS_WEIGHT * smoothness_gradient(pose)
        return settings.scale * gradient

    def keep(self, start: Tensor) -> None:
        """Keep rows that stood still."""
        if self.stop is not None:
            self.stop.keep(start, self.camera_m.detach())

    def betas_of(self, x: Tensor) -> Tensor:
        """Return the betas (R, 10) that sampled rows (R, P) stand for."""
        if self._scale is None:
            return self._rows.betas
        return self._scale.grow(x[:, POSE_NUMBERS:])

    def _step_camera(self, start: Tensor) -> Tensor:
        rows = self._rows
        start = start.detach().requires_grad_()
        with torch.enable_grad():
            matrices = six_to_matrix(start[:, :POSE_NUMBERS].unflatten(-1, (24, 6)))
            points = self._body.joints_from_matrices(matrices, self.betas_of(start), POINTS)
            loss = keypoint_loss(
                points, self.camera_m, rows.keypoints_px, self._confidence, rows.focal_px, rows.principal_px,
                rows.image_px,
            )  # fmt: skip
            self.loss_keypoints = loss.detach()
            if self.stop is not None:
                self.is_still = self.stop.observe(loss)
                loss = torch.where(self.is_still, 0.0, loss)
            of_pose, of_camera = torch.autograd.grad(loss.sum(), [start, self.camera_m])
        self.camera_m.grad = of_camera
        self._optimiser.step()
        return of_pose


def refine_published(
    shown: PublishedRows,
    condition: Tensor,
    body: BodyModel,
    score: Denoiser,
    schedule: Schedule,
    settings: PublishedSettings,
    scale: BetaScale | None = None,
) -> PublishedFit:
    """Return the rows refined together, as the published sampler does. The inputs stay as they are.

    Args:
        condition: (R, C) standardised image features.
        body: made of `with_published_points` for the published vertices.
        scale: for a score model that has a shape branch.
    """
    guidance = PublishedGuidance(shown, body, settings, scale)
    return sample_guided(starting_point(shown, scale), score.prepare(condition), schedule, guidance)


def starting_point(rows: PublishedRows, scale: BetaScale | None = None) -> Tensor:
    """Return the rows (R, P) as a score model takes them."""
    six = matrix_to_six(rows.pose).flatten(1)
    return six if scale is None else torch.cat([six, scale.shrink(rows.betas)], dim=-1)


@torch.no_grad()
def sample_guided(x: Tensor, score: PreparedScore, schedule: Schedule, guidance: PublishedGuidance) -> PublishedFit:
    """Return what repeated inversion and guided sampling make of clean poses x (R, P)."""
    settings = guidance.settings
    times = time_grid(settings.start, settings.step)
    start = x
    for _ in range(settings.iterations):
        x = ddim_invert(score, schedule, x, times)
        x, start = ddim_denoise(score, schedule, x, times[::-1], guidance)
    camera_m = guidance.camera_m.detach().clone()
    if guidance.stop is not None:
        start, camera_m = guidance.stop.settle(start, camera_m)
    pose = six_to_matrix(start[:, :POSE_NUMBERS].unflatten(-1, (24, 6)))
    return PublishedFit(start, pose, guidance.betas_of(start), camera_m)
