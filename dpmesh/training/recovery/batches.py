"""From crops to what a training step needs: mirrored, recoloured, with noisy keypoints."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from configs.skeletons import MIRRORED_17, MIRRORED_24, MIRRORED_30
from dpmesh.network.config import LATENT_PX
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.posefix import PoseFixNoise, posefix_joints
from dpmesh.training.noise.simulated import KeypointNoise, NoiseMix, noisy_joints
from dpmesh.training.people.annotated import as_annotated
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.losses import Truth

FILTER_PX = (1, 3, 5, 7)  # sides of random filters


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Network inputs and truth."""

    image: Tensor  # (R, 3, P, P) 0 to 1; empty where the network does not look at it
    joints: Tensor  # (R, 30, 2) in the 32 grid
    mask: Tensor  # (R, 30, 1) confidence, 0 where a joint is not given
    truth: Truth


def prepare(
    crops: Crops,
    rng: Rng,
    noise: KeypointNoise | NoiseMix | PoseFixNoise,
    *,
    is_augmented: bool,
    has_images: bool = True,
    is_recoloured: bool = True,
) -> TrainingBatch:
    """Return a batch on the crops' device, with random augmentation.

    `is_recoloured` tells whether that goes for their colours, too.
    """
    if is_augmented:
        crops = mirrored(crops, rng, has_images=has_images)
    crop_px = crops.image.shape[-1]
    annotated = as_annotated(crops)
    if isinstance(noise, NoiseMix):
        noise = noise.draw(rng)
    if isinstance(noise, PoseFixNoise):
        joints, given = posefix_joints(crops, annotated, rng)
    else:
        joints, given = noisy_joints(crops, annotated, noise, rng)
    image = crops.image.float() / 255.0 if has_images else crops.pose.new_zeros(0)
    if is_augmented and has_images and is_recoloured:
        image = recoloured(filtered(image, rng), rng)
    return TrainingBatch(
        image=image,
        joints=joints * (LATENT_PX / crop_px),
        mask=given[..., None].float(),
        truth=Truth(
            pose=crops.pose,
            betas=crops.betas,
            camera_from_crop=crops.camera_from_crop,
            focal_px=crops.focal_px,
            principal_px=crops.principal_px,
            box_centre_px=crops.box_centre_px,
            box_px=crops.box_px,
            joints30_cam=crops.joints30_cam,
            annotated30_crop=(annotated / crop_px).nan_to_num(nan=9.0),
            visible30=crops.visible30,
            joints30_crop=(crops.joints30_px / crop_px).nan_to_num(nan=9.0),  # NaN is a joint behind the camera
        ),
    )


def mirrored(crops: Crops, rng: Rng, *, has_images: bool = True) -> Crops:
    """Return the crops with a random half mirrored left to right, camera and all; images only if they are needed."""
    turn = rng.coin(0.5, len(crops))
    crop_px = crops.image.shape[-1]

    def where(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(turn.view(-1, *([1] * (old.ndim - 1))), new, old)

    def flipped(points: Tensor) -> Tensor:
        return torch.stack([crop_px - points[..., 0], points[..., 1]], dim=-1)

    flip = crops.pose.new_tensor([-1.0, 1.0, 1.0])
    # Mirroring about the vertical through the principal point keeps the camera; only the crop changes sides.
    centre_x = 2 * crops.principal_px[:, 0] - crops.box_centre_px[:, 0]
    centre = torch.stack([centre_x, crops.box_centre_px[:, 1]], dim=-1)
    return replace(
        crops,
        image=where(crops.image.flip(-1), crops.image) if has_images else crops.image,
        pose=where(crops.pose[:, list(MIRRORED_24)] * -flip, crops.pose),
        trans=where(crops.trans * flip, crops.trans),
        camera_from_crop=where(crops.camera_from_crop * flip[:, None] * flip, crops.camera_from_crop),
        box_centre_px=where(centre, crops.box_centre_px),
        joints30_cam=where(crops.joints30_cam[:, list(MIRRORED_30)] * flip, crops.joints30_cam),
        joints30_px=where(flipped(crops.joints30_px[:, list(MIRRORED_30)]), crops.joints30_px),
        visible30=where(crops.visible30[:, list(MIRRORED_30)], crops.visible30),
        neighbour_joints17_px=where(
            flipped(crops.neighbour_joints17_px[:, :, list(MIRRORED_17)]), crops.neighbour_joints17_px
        ),
    )


def filtered(image: Tensor, rng: Rng) -> Tensor:
    """Return images of which half went through a convolution with random weights, and were mixed with themselves.

    Shapes stay, textures do not, so that what is learned from drawn images holds in others (Xu et al. 2021, "Robust
    and Generalizable Visual Representation Learning via Random Convolutions").
    """
    rows, channels = image.shape[:2]
    size = FILTER_PX[int(rng.integers(len(FILTER_PX), 1))]
    weight = rng.normal((channels * size * size) ** -0.5, rows * channels, channels, size, size)
    made = F.conv2d(image.flatten(0, 1)[None], weight, padding=size // 2, groups=rows)[0].unflatten(0, (rows, -1))
    wanted, own = (each.std(dim=(1, 2, 3), keepdim=True) for each in (image, made))
    made = (made - made.mean(dim=(2, 3), keepdim=True)) * (wanted / own.clamp_min(1e-4))
    made = made + image.mean(dim=(2, 3), keepdim=True)
    fraction = rng.uniform(0.0, 1.0, rows, 1, 1, 1) * rng.coin(0.5, rows, 1, 1, 1)
    return torch.lerp(image, made, fraction).clamp(0.0, 1.0)


def recoloured(image: Tensor, rng: Rng) -> Tensor:
    """Return images with random gain per channel, contrast, brightness and sometimes no colour at all."""
    rows = len(image)
    image = image * rng.uniform(0.75, 1.25, rows, 3, 1, 1)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    image = (image - mean) * rng.uniform(0.6, 1.3, rows, 1, 1, 1) + mean + rng.uniform(-0.12, 0.12, rows, 1, 1, 1)
    grey = image.mean(dim=1, keepdim=True).expand_as(image)
    return torch.where(rng.coin(0.1, rows, 1, 1, 1), grey, image).clamp(0.0, 1.0)
