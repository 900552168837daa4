"""The losses of the released training: six L1 terms, weighed by learned uncertainties or as the paper says.

For networks with the published camera (`camera_head="published"`), whose outputs `recovery_losses` cannot read.

Source: github.com/EternalEvan/DPMesh, common/model.py (projection and terms) and common/nets/loss.py.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dpmesh.body import BodyModel
from dpmesh.geometry.camera import project
from dpmesh.geometry.rotations import matrix_to_axis_angle
from dpmesh.network.heads import published_translation
from dpmesh.network.model import DPMeshOutput
from dpmesh.training.recovery.losses import DPMESH15_OF_30, PAPER_2D, PAPER_3D, PAPER_SMPL, Truth

GRID_PX = 64
"""Side of the grid in which the published targets give joints; depth spans 2 m about the root over as many bins."""

CROP_PX = 256
DEPTH_MARGIN_M = 1e-4
UNFITTED_JOINTS = (7, 8, 10, 11, 20, 21, 22, 23)
"""Ankles, toes, wrists, hands: the published body fits say nothing about how they are turned."""

DOUBLE = 2.0
"""The release's own factor of pose, shape and joints in metres."""
PAPER_WEIGHTS = {
    **{"body_joint_img_0": PAPER_2D, "smpl_joint_img_0": PAPER_2D, "body_joint_proj_0": PAPER_2D},
    **{name: PAPER_SMPL / DOUBLE for name in ("smpl_pose_0", "smpl_shape_0")},
    "body_joint_cam_0": PAPER_3D / DOUBLE,
}
"""Equation 9 over the terms of the release, in its units: the paper names three groups of terms and no unit."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the published losses read of a network's output."""

    joint_img: Tensor  # (R, 15, 3) x, y over the crop, z over 2 m about the root; all 0 to 1
    joint_proj: Tensor  # (R, 30, 2) x, y in the 64 grid
    joint_cam: Tensor  # (R, 30, 3) metres, relative to joint 0
    pose: Tensor  # (R, 72) axis-angle
    betas: Tensor  # (R, 10)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Targets of the published losses with what of them is valid: 1 or 0."""

    joint_img: Tensor  # (R, 30, 3) annotated joints: x, y and depth in the 64 grid
    joint_img_valid: Tensor  # (R, 30, 1) annotated and inside the grid
    fit_img: Tensor  # (R, 30, 3) the same of the body fitted to the person
    fit_img_valid: Tensor  # (R, 30, 1)
    joint_cam: Tensor  # (R, 30, 3) metres, relative to joint 0
    joint_valid: Tensor  # (R, 30, 1) annotated
    pose: Tensor  # (R, 72) axis-angle
    pose_valid: Tensor  # (R, 72)
    betas: Tensor  # (R, 10)
    has_fit: Tensor  # (R,)
    is_3d: Tensor  # (R,) whether the annotation has depth


def published_losses(found: Predicted, wanted: Wanted) -> dict[str, Tensor]:
    """Return the six losses by their published names, element by element; each counts by its mean over all elements.

    What is not valid is 0 and counts in that mean.
    """
    index = list(DPMESH15_OF_30)
    joint_img = GRID_PX * found.joint_img
    has_fit, is_3d = wanted.has_fit[:, None], wanted.is_3d[:, None, None]
    has_depth = torch.cat([torch.ones_like(is_3d), torch.ones_like(is_3d), is_3d], dim=-1)
    annotated = wanted.joint_img_valid[:, index] * has_depth
    fitted = wanted.fit_img_valid[:, index] * has_fit[..., None]
    return {
        "body_joint_img_0": (joint_img - wanted.joint_img[:, index]).abs() * annotated / GRID_PX,
        "smpl_joint_img_0": (joint_img - wanted.fit_img[:, index]).abs() * fitted / GRID_PX,
        "smpl_pose_0": DOUBLE * (found.pose - wanted.pose).abs() * wanted.pose_valid * has_fit,
        "smpl_shape_0": DOUBLE * (found.betas - wanted.betas).abs() * has_fit,
        "body_joint_proj_0": (found.joint_proj - wanted.joint_img[..., :2]).abs() * wanted.joint_img_valid,
        "body_joint_cam_0": DOUBLE * (found.joint_cam - wanted.joint_cam).abs() * wanted.joint_valid * is_3d,
    }


def project_to_grid(joints_m: Tensor, focal_px: Tensor) -> Tensor:
    """Return where joints (R, K, 3) in the crop's camera fall in the 64 grid, (R, K, 2).

    The focal lengths (R,) are those of the full image although the crop is 256 pixels wide: so the release has it.
    """
    middle = joints_m.new_full((len(joints_m), 2), CROP_PX / 2)
    ahead = joints_m + joints_m.new_tensor([0.0, 0.0, DEPTH_MARGIN_M])
    return project(ahead, focal_px, middle) * (GRID_PX / CROP_PX)


def read_output(output: DPMeshOutput, focal_px: Tensor, body: BodyModel) -> Predicted:
    """Return what the losses need of a network's output; focal (R,) in pixels of the full image."""
    pose, betas = output.pose.float(), output.betas.float()
    joints = body.joints_from_matrices(pose, betas, joint_set="dpmesh30")
    trans = published_translation(output.camera_raw.float(), focal_px, CROP_PX)
    return Predicted(
        joint_img=output.joint_img.float(),
        joint_proj=project_to_grid(joints + trans[:, None], focal_px),
        joint_cam=joints - joints[:, :1],
        pose=matrix_to_axis_angle(pose).flatten(1),
        betas=betas,
    )


def read_truth(truth: Truth) -> Wanted:
    """Return a rendered crop's truth as the losses want it: everything is annotated, and the fit is the truth.

    The published network has no viewing ray, so its root is learnt in the full image's camera.
    """
    rows = len(truth.pose)
    relative = truth.joints30_cam - truth.joints30_cam[:, :1]
    grid = GRID_PX * torch.cat([truth.joints30_crop, 0.5 * relative[..., 2:] + 0.5], dim=-1)
    inside = ((grid >= 0) & (grid < GRID_PX)).all(-1, keepdim=True).float()
    fitted = torch.ones_like(truth.pose)
    fitted[:, list(UNFITTED_JOINTS)] = 0.0
    ones = truth.pose.new_ones(rows)
    return Wanted(
        joint_img=grid,
        joint_img_valid=inside,
        fit_img=grid,
        fit_img_valid=inside,
        joint_cam=relative,
        joint_valid=torch.ones_like(inside),
        pose=truth.pose.flatten(1),
        pose_valid=fitted.flatten(1),
        betas=truth.betas,
        has_fit=ones,
        is_3d=ones,
    )


class UncertaintyWeights(nn.Module):
    """Weighs losses by learned uncertainties; trained beside the network, without weight decay.

    Source: Liebel and Korner 2018, "Auxiliary Tasks in Multi-task Learning", equation 3.
    """

    def __init__(self, count: int = 9) -> None:
        """Begin with `count` weights of 1; the release allots nine and uses as many as there are losses."""
        super().__init__()
        self.sigma = nn.Parameter(torch.ones(count))

    def forward(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return scalar losses weighed, in the order of their names; their sum is what training lowers."""
        squares = self.sigma**2
        names = sorted(losses)
        return {n: 0.5 / s * losses[n] + torch.log1p(s) for n, s in zip(names, squares[: len(names)], strict=True)}


class PublishedRecipe(nn.Module):
    """From a network's output and the truth to the weighed losses of the release."""

    def __init__(self, *, is_weighed_as_paper: bool = False) -> None:
        """
        Args:
            is_weighed_as_paper: the constants of equation 9 in place of the release's learned uncertainties.
        """
        super().__init__()
        self.weights = None if is_weighed_as_paper else UncertaintyWeights()

    def forward(self, output: DPMeshOutput, truth: Truth, body: BodyModel) -> dict[str, Tensor]:
        """Return the weighed losses by name."""
        losses = published_losses(read_output(output, truth.focal_px, body), read_truth(truth))
        means = {name: loss.mean() for name, loss in losses.items()}
        if self.weights is None:
            return {name: PAPER_WEIGHTS[name] * loss for name, loss in means.items()}
        return self.weights(means)
