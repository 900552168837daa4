"""From stored crops to what a training step needs: mirrored, turned, recoloured, with noisy keypoints."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dpmesh.keypoints import to_dpmesh30
from dpmesh.network.config import LATENT_PX
from dpmesh.training.recovery.crops import CropBatch
from dpmesh.training.recovery.losses import Truth
from dpmesh.training.recovery.noise import KeypointNoise, noisy_joints

MIRRORED_24 = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22)
MIRRORED_30 = (*MIRRORED_24, 24, 26, 25, 28, 27, 29)
MIRRORED_17 = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Network inputs and truth."""

    image: Tensor  # (R, 3, P, P) 0 to 1
    joints: Tensor  # (R, 30, 2) in the 32 grid
    mask: Tensor  # (R, 30, 1)
    truth: Truth


def prepare(
    crops: CropBatch, rng: np.random.Generator, device: str, noise: KeypointNoise, *, is_augmented: bool
) -> TrainingBatch:
    """Return a batch on the device; with augmentation, the same crops look different at every pass."""
    if is_augmented:
        crops = mirrored(crops, rng)
    crop_px = crops.image.shape[1]
    joints, given = noisy_joints(as_annotated(crops), crops.visible30, crops.neighbour_joints17_px, crop_px, noise, rng)
    joints, given = with_detected(joints, given, crops, noise, rng)
    image = torch.from_numpy(crops.image).to(device).permute(0, 3, 1, 2).float() / 255.0
    if is_augmented:
        image = recoloured(image, rng)

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, torch.float32)

    return TrainingBatch(
        image=image,
        joints=tensor(joints * (LATENT_PX / crop_px)),
        mask=tensor(given[..., None]),
        truth=Truth(
            pose=tensor(crops.pose),
            betas=tensor(crops.betas),
            camera_from_crop=tensor(crops.camera_from_crop),
            focal_px=tensor(crops.focal_px),
            principal_px=tensor(crops.principal_px),
            box_centre_px=tensor(crops.box_centre_px),
            box_px=tensor(crops.box_px),
            joints30_cam=tensor(crops.joints30_cam),
            joints30_crop=tensor(crops.joints30_px / crop_px),
        ),
    )


def with_detected(
    joints: np.ndarray, given: np.ndarray, crops: CropBatch, noise: KeypointNoise, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (R, 30, 2) and which are given (R, 30), a share of the rows as a real detector saw them."""
    crop_px = crops.image.shape[1]
    found, confidence = to_dpmesh30(crops.detected17)
    use = np.isfinite(crops.detected17).all(axis=(1, 2)) & (rng.random(len(joints)) < noise.detected_rate)
    inside = ((found >= 0) & (found < crop_px)).all(axis=-1)
    seen = (confidence >= noise.detected_score_min) & inside
    return np.where(use[:, None, None], found, joints), np.where(use[:, None], seen, given)


def as_annotated(crops: CropBatch) -> np.ndarray:
    """Return the joints (R, 30, 2) in crop pixels with the hips where people mark them in pictures: farther out.

    The shares are those of the `coco17` joint set (dpmesh/body/joint_sets.py).
    """
    pelvis, left, right = (crops.joints30_cam[:, joint] for joint in (0, 1, 2))
    joints = crops.joints30_px.copy()
    for place, own, other in ((1, left, right), (2, right, left)):
        hip = 1.1 * own - 0.4 * other + 0.3 * pelvis
        pixels = crops.focal_px[:, None] * hip[:, :2] / hip[:, 2:] + crops.principal_px
        crop_px = crops.image.shape[1]
        joints[:, place] = (pixels - crops.box_centre_px) * (crop_px / crops.box_px)[:, None] + crop_px / 2
    return joints


def mirrored(crops: CropBatch, rng: np.random.Generator) -> CropBatch:
    """Return the crops with a random half mirrored left to right, camera and all."""
    turn = rng.random(len(crops.image)) < 0.5
    crop_px = crops.image.shape[1]

    def where(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.where(turn.reshape(-1, *([1] * (old.ndim - 1))), new, old)

    flip = np.array([-1, 1, 1], np.float32)
    principal = crops.principal_px.copy()
    # Mirroring about the vertical through the principal point keeps the camera; only the crop changes sides.
    centre = np.stack([2 * principal[:, 0] - crops.box_centre_px[:, 0], crops.box_centre_px[:, 1]], axis=-1)
    return replace(
        crops,
        image=where(crops.image[:, :, ::-1], crops.image),
        pose=where(crops.pose[:, list(MIRRORED_24)] * np.array([1, -1, -1], np.float32), crops.pose),
        camera_from_crop=where(crops.camera_from_crop * flip[:, None] * flip, crops.camera_from_crop),
        box_centre_px=where(centre, crops.box_centre_px),
        joints30_cam=where(crops.joints30_cam[:, list(MIRRORED_30)] * flip, crops.joints30_cam),
        joints30_px=where(_flip_x(crops.joints30_px[:, list(MIRRORED_30)], crop_px), crops.joints30_px),
        visible30=where(crops.visible30[:, list(MIRRORED_30)], crops.visible30),
        detected17=where(
            np.concatenate(
                [
                    _flip_x(crops.detected17[:, list(MIRRORED_17), :2], crop_px),
                    crops.detected17[:, list(MIRRORED_17), 2:],
                ],
                axis=-1,
            ),
            crops.detected17,
        ),
        neighbour_joints17_px=where(
            _flip_x(crops.neighbour_joints17_px[:, :, list(MIRRORED_17)], crop_px), crops.neighbour_joints17_px
        ),
    )


def recoloured(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Return pictures with random gain per channel, contrast, brightness and sometimes no colour at all."""
    rows = len(image)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (rows, *shape)).astype(np.float32)).to(image.device)

    image = image * draw(0.75, 1.25, 3, 1, 1)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    image = (image - mean) * draw(0.6, 1.3, 1, 1, 1) + mean + draw(-0.12, 0.12, 1, 1, 1)
    grey = image.mean(dim=1, keepdim=True).expand_as(image)
    return torch.where(draw(0, 1, 1, 1, 1) < 0.1, grey, image).clamp(0.0, 1.0)


def _flip_x(points: np.ndarray, side: int) -> np.ndarray:
    return np.stack([side - points[..., 0], points[..., 1]], axis=-1)
