"""The image and geometry augmentation of the released training, batched.

The noise rectangle covers a part of the person. The published code draws it in the full image but pastes it into the
crop, so that it is often elsewhere; here it is drawn in the crop. Flips are those of `batches.mirrored`, which are as
frequent.

Source: common/utils/preprocessing.py of github.com/EternalEvan/DPMesh, `augmentation`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dpmesh.geometry.crop import crop_matrices, invert_affine
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from dpmesh.network.config import LATENT_PX
from dpmesh.training.engine.rng import Rng
from dpmesh.training.recovery.batches import TrainingBatch

TURN_RAD = math.radians(30.0)
TURN_RATE = 0.6
SCALE_RANGE = 0.25
COLOUR_RANGE = 0.2
COVER_FRACTION_MAX = 0.3
COVER_RATIOS = (0.5, 2.0)
COVER_TRIES = 6


@dataclass(frozen=True, slots=True)
class CropChanges:
    """How each crop is changed."""

    scale: Tensor  # (R,) factor on the side of the square that is cut
    turn_rad: Tensor  # (R,) how far that square is turned, from x towards y
    colour: Tensor  # (R, 3) gain per channel


def crop_changes_of(normal: Tensor, uniform: Tensor) -> CropChanges:
    """Return the change that random numbers stand for.

    Args:
        normal: (R, 2) of unit deviation, for scale and turn.
        uniform: (R, 4) from 0 to 1: whether to turn, and the three colours.
    """
    turn = TURN_RAD * normal[:, 1].clamp(-2.0, 2.0)
    return CropChanges(
        scale=1.0 + SCALE_RANGE * normal[:, 0].clamp(-1.0, 1.0),
        turn_rad=torch.where(uniform[:, 0] <= TURN_RATE, turn, torch.zeros_like(turn)),
        colour=1.0 + COLOUR_RANGE * (2.0 * uniform[:, 1:] - 1.0),
    )


def covers_of(boxes_px: Tensor, uniform: Tensor, crop_px: int) -> Tensor:
    """Return rectangles x, y, width, height (R, 4) in whole pixels; all 0 where no try lies in the crop.

    Args:
        boxes_px: (R, 4) x, y, width, height of what is covered.
        uniform: (R, tries, 4) from 0 to 1: area, shape, x, y. The first try that fits is taken.
        crop_px: side of the crop.
    """
    x, y, width, height = boxes_px[:, None].unbind(-1)
    area = COVER_FRACTION_MAX * uniform[..., 0] * width * height
    low, high = COVER_RATIOS
    ratio = low + (high - low) * uniform[..., 1]
    tall, wide = (area * ratio).sqrt(), (area / ratio).sqrt()
    left, top = x + uniform[..., 2] * (width - wide - 1.0), y + uniform[..., 3] * (height - tall - 1.0)
    fits = (left >= 0) & (top >= 0) & (left + wide < crop_px) & (top + tall < crop_px)
    chosen = fits.float().argmax(1)
    found = torch.stack([left, top, wide, tall], dim=-1).floor()
    return found[torch.arange(len(found), device=found.device), chosen] * fits.any(1)[:, None]


def with_published_augmentation(batch: TrainingBatch, rng: Rng) -> TrainingBatch:
    """Return the batch covered, recoloured, turned and scaled as in the released training.

    Truth follows as far as the published losses read it: the root and the joints turn about the optical axis.
    """
    rows, crop_px = len(batch.image), batch.image.shape[-1]
    changes = crop_changes_of(rng.normal(1.0, rows, 2), rng.uniform(0.0, 1.0, rows, 4))
    image = _covered(batch, rng) * changes.colour[..., None, None]
    sides = changes.scale * crop_px
    matrices = crop_matrices(
        np.full((rows, 2), crop_px / 2),
        torch.stack([sides, sides], dim=-1).cpu().numpy(),
        crop_px,
        changes.turn_rad.cpu().numpy(),
    )
    forward, backward = (torch.from_numpy(m).to(image) for m in (matrices, invert_affine(matrices)))
    return replace(
        batch,
        image=_warped(image.clamp(0.0, 1.0), backward),
        joints=(given := _moved(batch.joints, forward, crop_px / LATENT_PX)),
        mask=batch.mask * ((given >= 0) & (given < LATENT_PX)).all(-1, keepdim=True),
        truth=replace(
            batch.truth,
            pose=_turned_root(batch.truth.pose, -changes.turn_rad),
            joints30_cam=_turned_points(batch.truth.joints30_cam, -changes.turn_rad),
            joints30_crop=_moved(batch.truth.joints30_crop, forward, float(crop_px)),
            annotated30_crop=_moved(batch.truth.annotated30_crop, forward, float(crop_px)),
        ),
    )


def _covered(batch: TrainingBatch, rng: Rng) -> Tensor:
    """Return the images (R, 3, P, P) with a rectangle of noise over a part of each person's box."""
    rows, _, crop_px, _ = batch.image.shape
    joints = crop_px * batch.truth.joints30_crop.clamp(0.0, 1.0)
    low, high = joints.amin(1), joints.amax(1)
    boxes = torch.cat([low, high - low], dim=1)
    x, y, width, height = covers_of(boxes, rng.uniform(0.0, 1.0, rows, COVER_TRIES, 4), crop_px)[..., None].unbind(1)
    cells = torch.arange(crop_px, device=joints.device)
    in_x, in_y = (cells >= x) & (cells < x + width), (cells >= y) & (cells < y + height)
    is_covered = in_y[:, None, :, None] & in_x[:, None, None, :]
    return torch.where(is_covered, rng.uniform(0.0, 1.0, *batch.image.shape), batch.image)


def _warped(image: Tensor, old_from_new: Tensor) -> Tensor:
    """Return images (R, 3, P, P) sampled where affine maps (R, 2, 3) in pixels send each pixel; black outside."""
    crop_px = image.shape[-1]
    cells = torch.arange(crop_px, device=image.device, dtype=image.dtype)
    y, x = torch.meshgrid(cells, cells, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1).flatten(0, 1)
    old = (places @ old_from_new.mT).unflatten(1, (crop_px, crop_px))
    return F.grid_sample(image, (2.0 * old + 1.0) / crop_px - 1.0, align_corners=False)


def _moved(points: Tensor, matrices: Tensor, scale: float) -> Tensor:
    """Return points (R, K, 2), of which `scale` pixels make one unit, after affine maps (R, 2, 3) in pixels."""
    return points @ matrices[..., :2].mT + matrices[:, None, :, 2] / scale


def _turned_points(points: Tensor, turn_rad: Tensor) -> Tensor:
    """Return points (R, K, 3) turned about the optical axis; what counts of them later is relative to their root."""
    return points @ _about_z(turn_rad).mT


def _turned_root(pose: Tensor, turn_rad: Tensor) -> Tensor:
    """Return axis-angles (R, 24, 3) with the root turned about the optical axis."""
    root = matrix_to_axis_angle(_about_z(turn_rad) @ axis_angle_to_matrix(pose[:, 0]))
    return torch.cat([root[:, None], pose[:, 1:]], dim=1)


def _about_z(turn_rad: Tensor) -> Tensor:
    return axis_angle_to_matrix(F.pad(turn_rad[:, None], (2, 0)))
