"""Errors of a recovery network on held-out crops."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from configs.checks import Shaped
from dpmesh.body import BodyModel
from dpmesh.geometry.align import find_similarity
from dpmesh.geometry.rotations import axis_angle_to_matrix
from dpmesh.network.config import LATENT_PX
from dpmesh.network.model import DPMesh
from dpmesh.recovery.quarter_turns import quarter_turns, turn_matrices, upright_images, upright_joints
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.hints import HintNoise
from dpmesh.training.noise.posefix import PoseFixNoise
from dpmesh.training.noise.simulated import KeypointNoise
from dpmesh.training.recovery.batches import prepare
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.hints import simulate_hints
from dpmesh.training.render.visibility import VISIBLE

LIMBS_OF_24 = (1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21)
SEED = 12345  # the keypoints are equally wrong at every call
BATCH = 64


LEVELS = {"none": (0.0, 0.1), "half": (0.1, 0.5), "heavy": (0.5, 1.01)}
"""Levels of occlusion: which share of the 14 joints the crop does not show, hidden or cut off; from, to below."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean distances over 14 joints, or over all vertices, in millimetres."""

    mpjpe_mm: float  # pelvis on pelvis
    pa_mpjpe_mm: float  # after a similarity
    unseen_mpjpe_mm: float  # OCC-MPJPE: pelvis on pelvis, only joints that the crop does not show; 0 where it shows all
    unseen_pa_mpjpe_mm: float  # OCC-PA-MPJPE: the same joints after the similarity of all 14
    mpvpe_mm: float  # vertices, pelvis on pelvis


@dataclass(frozen=True, slots=True)
class JointErrors(Shaped):
    """Distances in millimetres of every crop and joint."""

    apart_mm: Annotated[np.ndarray, "N", 14]  # pelvis on pelvis
    aligned_mm: Annotated[np.ndarray, "N", 14]  # after a similarity
    surface_mm: Annotated[np.ndarray, "N"]  # mean over the vertices, pelvis on pelvis
    is_unseen: Annotated[np.ndarray, "N", 14]  # bool, joints that the crop does not show
    is_turned: Annotated[np.ndarray, "N"]  # bool, people who lie or are upside down, whose crops a run turns

    def means(self) -> Errors:
        """Return the means over all crops."""
        unseen = self.apart_mm[self.is_unseen], self.aligned_mm[self.is_unseen]
        parts = (self.apart_mm, self.aligned_mm, *unseen, self.surface_mm)
        return Errors(*(float(part.mean()) if part.size else 0.0 for part in parts))

    def of_level(self, name: str) -> "JointErrors":
        """Return the crops of one of `LEVELS`."""
        low, high = LEVELS[name]
        fraction = self.is_unseen.mean(axis=1)
        return self.take((fraction >= low) & (fraction < high))


@torch.no_grad()
def measure_errors(
    network: DPMesh,
    body: BodyModel,
    crops: CropShards,
    noise: KeypointNoise | PoseFixNoise,
    *,
    device: str = "cpu",
    is_image_used: bool = True,
    are_turned: bool = True,
    hint_noise: HintNoise | None = None,
) -> JointErrors:
    """Return the errors of all crops.

    Args:
        are_turned: whether people who lie or are upside down are turned for the network, as in a run.
        hint_noise: how wrong the hints are; None gives none.
    """
    apart, aligned, surface, unseen, lying = [], [], [], [], []
    chosen = list(LIMBS_OF_24)
    for number, batch in enumerate(crops.in_order(BATCH)):
        # The keypoint errors are drawn on the CPU, so that every device is asked the same.
        ready = prepare(batch, Rng((SEED, number)), noise, is_augmented=False)
        is_sure, side = ready.mask[..., 0].numpy() > 0, np.full(len(batch), float(LATENT_PX))
        turns = quarter_turns(ready.joints.numpy(), is_sure, side)
        lying.append(turns > 0)
        turns = turns * (are_turned and network.settings.regressor.camera_head != "published")
        image = upright_images(ready.image, turns).to(device) if is_image_used else None
        joints = upright_joints(ready.joints, turns)
        hints: Tensor | None = None
        if hint_noise is not None:
            people = replace(
                ready.truth,
                joints30_cam=ready.truth.joints30_cam.to(device),
                camera_from_crop=(ready.truth.camera_from_crop @ turn_matrices(turns)).to(device),
                visible30=ready.truth.visible30.to(device),
            )
            given = joints.to(device), ready.mask.to(device)
            hints = simulate_hints(network, body, *given, people, hint_noise, Rng((SEED, number, 1), device))
        output = network.forward(image, joints.to(device), ready.mask.to(device), hints=hints)
        root = output.pose[:, 0].float().cpu()
        if output.scale is not None:  # the published network's root is in the camera's axes already
            root = ready.truth.camera_from_crop @ turn_matrices(turns) @ root
        pose = torch.cat([root[:, None], output.pose[:, 1:].float().cpu()], dim=1)
        betas = output.betas.float().cpu()
        joints = body.joints_from_matrices(pose.to(device), betas.to(device), joint_set="smpl24").cpu()
        surface.append(_surface_errors(body, (pose, betas), (axis_angle_to_matrix(batch.pose), batch.betas), device))
        found, wanted = joints.numpy(), ready.truth.joints30_cam[:, :24].numpy()
        apart.append(np.linalg.norm((found - found[:, :1]) - (wanted - wanted[:, :1]), axis=-1)[:, chosen])
        moved = find_similarity(found[:, chosen], wanted[:, chosen]).apply(found[:, chosen])
        aligned.append(np.linalg.norm(moved - wanted[:, chosen], axis=-1))
        unseen.append(batch.visible30[:, chosen].numpy() != VISIBLE)
    apart_mm, aligned_mm, surface_mm = (1000 * np.concatenate(parts) for parts in (apart, aligned, surface))
    return JointErrors(apart_mm, aligned_mm, surface_mm, np.concatenate(unseen), np.concatenate(lying))


def _surface_errors(
    body: BodyModel, found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor], device: str
) -> np.ndarray:
    """Return the mean distance (R,) in metres of the vertices of two bodies, pelvis on pelvis.

    Args:
        found, wanted: rotations (R, 24, 3, 3) in the same axes, and betas (R, 10).
    """
    meshes = []
    for turns, betas in (found, wanted):
        mesh = body.vertices_from_matrices(turns.to(device), betas.to(device))
        meshes.append(mesh - body.rest_joints(betas.to(device))[:, :1])  # the pelvis stays where it rests
    return (meshes[0] - meshes[1]).norm(dim=-1).mean(dim=1).cpu().numpy()
