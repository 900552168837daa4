"""Losses of the recovery network: where the joints are, how they are turned, where the pixels fall. All are L1."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from configs.skeletons import SMPL_PARENTS
from dpmesh.body import BodyModel
from dpmesh.geometry.camera import project, translation_from_crop
from dpmesh.geometry.rotations import axis_angle_to_matrix
from dpmesh.network.config import LATENT_PX
from dpmesh.network.heads import rot6d_to_matrix, scale_of
from dpmesh.network.model import DPMeshOutput
from dpmesh.training.recovery.map_loss import map_loss
from dpmesh.training.render.visibility import HIDDEN, VISIBLE

DPMESH15_OF_30 = (0, 1, 2, 4, 5, 7, 8, 12, 29, 16, 17, 18, 19, 20, 21)
PARENTS_30 = (0, *SMPL_PARENTS[1:], *6 * (15,))  # eyes, ears, nose and top hang on the head
HIDDEN_CUE_WEIGHT = 0.3
LIMB_WEIGHT = 1.5  # hips to ankles and shoulders to wrists carry what people look at
OWN_WEIGHTS = {"joint_img": 2.0, "joints_2d": 5.0, "joints_3d": 10.0, "root": 2.0, "pose": 3.0, "shape": 0.1}
"""Metres weigh more than shares of a crop, and the ten shape numbers less than rotations: set by hand."""
PAPER_2D, PAPER_3D, PAPER_SMPL = 5.0, 2.0, 1.0
"""Weights of equation 9. Source: arXiv 2404.01424, appendix A."""
EQUATION_9 = {
    **{"joint_img": PAPER_2D, "joints_2d": PAPER_2D, "joints_3d": PAPER_3D},
    **{"root": PAPER_SMPL, "pose": PAPER_SMPL, "shape": PAPER_SMPL},
}


@dataclass(frozen=True, slots=True)
class Truth:
    """What a batch of crops shows, on the training device."""

    pose: Tensor  # (R, 24, 3) axis-angle, root in camera axes
    betas: Tensor  # (R, 10)
    camera_from_crop: Tensor  # (R, 3, 3)
    focal_px: Tensor  # (R,)
    principal_px: Tensor  # (R, 2)
    box_centre_px: Tensor  # (R, 2)
    box_px: Tensor  # (R,)
    joints30_cam: Tensor  # (R, 30, 3) metres
    joints30_crop: Tensor  # (R, 30, 2) 0 to 1 over the crop
    annotated30_crop: Tensor  # (R, 30, 2) the same, hips where people mark them
    visible30: Tensor  # (R, 30) 0 outside the crop, 1 hidden, 2 visible


def recovery_losses(
    output: DPMeshOutput, truth: Truth, body: BodyModel, weights: Mapping[str, float] = OWN_WEIGHTS
) -> dict[str, Tensor]:
    """Return the weighted losses by name; their sum is what training lowers.

    Every decoder layer is supervised; the last counts as much as the others together.

    Args:
        weights: `OWN_WEIGHTS` or `EQUATION_9`. Cues and keypoint maps, which the paper has not, keep their own.
    """
    wanted = axis_angle_to_matrix(truth.pose)
    wanted = torch.cat([(truth.camera_from_crop.mT @ wanted[:, 0])[:, None], wanted[:, 1:]], dim=1)
    layers = output.layers
    count = len(layers.betas)
    totals: dict[str, Tensor] = {}
    for layer in range(count):
        fraction = 1.0 if count == 1 else 0.5 if layer == count - 1 else 0.5 / (count - 1)
        raw = layers.pose_raw[layer].float().unflatten(-1, (24, 6))
        terms = _layer_losses(
            rot6d_to_matrix(raw), layers.betas[layer].float(), layers.camera_raw[layer].float(), truth, body
        )
        terms |= _raw_rotation_losses(raw, wanted)
        terms["joint_img"] = _joint_image_loss(layers.joint_img[layer].float(), truth)
        for name, value in terms.items():
            totals[name] = totals.get(name, torch.zeros((), device=value.device)) + fraction * weights[name] * value
    if output.joint_cues is not None:
        totals["cues"] = cue_loss(output.joint_cues, truth)
    if output.keypoint_logits is not None:
        totals["keypoints"] = keypoint_map_loss(output.keypoint_logits, truth)
    return totals


def keypoint_map_loss(logits: Tensor, truth: Truth) -> Tensor:
    """Return the weighted loss of maps (R, 30, 32, 32) against the joints where people mark them."""
    return 0.3 * map_loss(logits, truth.annotated30_crop * LATENT_PX, truth.visible30)


def cue_loss(cues: Tensor, truth: Truth) -> Tensor:
    """Return the weighted loss of what the image tells of each joint (R, 30, 4), see `JointFeatures`."""
    joints = (truth.joints30_cam - truth.joints30_cam[:, :1]) @ truth.camera_from_crop
    bones = joints[:, 1:] - joints[:, list(PARENTS_30)[1:]]
    directions = torch.nn.functional.pad(torch.nn.functional.normalize(bones, dim=-1), (0, 0, 1, 0))
    wanted = torch.cat([joints[..., 2:], directions], dim=-1)
    weight = (truth.visible30 == VISIBLE) + HIDDEN_CUE_WEIGHT * (truth.visible30 == HIDDEN)
    return 2.0 * ((cues - wanted).abs().mean(-1) * weight).sum() / weight.sum().clamp_min(1.0)


def _layer_losses(
    rotation: Tensor, betas: Tensor, camera_raw: Tensor, truth: Truth, body: BodyModel
) -> dict[str, Tensor]:
    root = truth.camera_from_crop @ rotation[:, 0]
    in_camera = torch.cat([root[:, None], rotation[:, 1:]], dim=1)
    joints = body.joints_from_matrices(in_camera, betas, joint_set="dpmesh30")
    joints = joints - joints[:, :1]
    pelvis = translation_from_crop(
        scale_of(camera_raw), camera_raw[:, 1:], truth.box_centre_px, truth.box_px, truth.focal_px, truth.principal_px
    )
    placed = joints + pelvis[:, None]
    placed = torch.cat([placed[..., :2], placed[..., 2:].clamp(min=0.2)], dim=-1)
    pixels = project(placed, truth.focal_px, truth.principal_px)
    crop = (pixels - truth.box_centre_px[:, None]) / truth.box_px[:, None, None] + 0.5
    true_joints = truth.joints30_cam - truth.joints30_cam[:, :1]
    weight = joints.new_full((30,), 1.0)
    weight[[1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21]] = LIMB_WEIGHT
    near = (truth.joints30_crop - 0.5).abs().amax(-1) < 1.0  # a joint far outside the crop pulls too hard
    return {
        "joints_3d": ((joints - true_joints).abs().sum(-1) * weight).mean(),
        "joints_2d": ((crop - truth.joints30_crop).abs().clamp(max=1.0).sum(-1) * weight * near).mean(),
        "shape": (betas - truth.betas).abs().mean(),
    }


def _raw_rotation_losses(raw: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """Return the losses of 6D rotations (R, 24, 6) against rotations (R, 24, 3, 3), before they are made orthonormal.

    After Gram-Schmidt only directions would count: the numbers then grow without limit, and their gradient vanishes.
    """
    error = (raw - wanted[..., :2].flatten(-2)).abs()
    return {"root": error[:, 0].mean(), "pose": error[:, 1:].mean()}


def _joint_image_loss(joint_img: Tensor, truth: Truth) -> Tensor:
    """Return the loss of the 15 decoder joints: x, y over the crop and depth over 2 m about the root."""
    index = list(DPMESH15_OF_30)
    depth = (truth.joints30_cam[:, index, 2] - truth.joints30_cam[:, :1, 2]) / 2.0 + 0.5
    wanted = torch.cat([truth.joints30_crop[:, index], depth[..., None]], dim=-1)
    inside = ((wanted > 0) & (wanted < 1)).all(-1, keepdim=True)
    return ((joint_img - wanted).abs() * inside).mean()
