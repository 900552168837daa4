"""Rotates crops of people who lie or are upside down by quarter turns, so that the spine points up as in training.

The camera of a crop looks at its centre, so rotating the crop is a lossless rotation about that camera's axis.
"""

import numpy as np
import torch
from torch import Tensor

from dpmesh.keypoints import DPMESH30_NECK, DPMESH30_PELVIS
from dpmesh.network.config import LATENT_PX

TURNED_FROM_DEG = 75.0
SPINE_MIN = 0.1  # fraction of the crop's side; the direction of a shorter spine is unreliable


def quarter_turns(joints: np.ndarray, is_sure: np.ndarray, side_px: np.ndarray) -> np.ndarray:
    """Return the quarter turns (R,) int64, 0 to 3, clockwise in the image, by which each person is rotated.

    Args:
        joints: (R, 30, 2) pixels; is_sure: (R, 30) bool; side_px: (R,) of the crops.
    """
    spine = joints[:, DPMESH30_NECK] - joints[:, DPMESH30_PELVIS]
    angle = np.degrees(np.arctan2(spine[:, 0], -spine[:, 1]))
    is_turned = is_sure[:, DPMESH30_NECK] & is_sure[:, DPMESH30_PELVIS]
    is_turned &= (np.abs(angle) >= TURNED_FROM_DEG) & (np.linalg.norm(spine, axis=-1) >= SPINE_MIN * side_px)
    return np.where(is_turned, np.round(angle / 90.0), 0.0).astype(np.int64) % 4


def upright_images(images: Tensor, turns: np.ndarray) -> Tensor:
    """Return crops (R, 3, P, P) rotated back by quarter turns (R,)."""
    if not turns.any():
        return images
    return torch.stack([torch.rot90(image, int(turn), (-2, -1)) for image, turn in zip(images, turns, strict=True)])


def upright_joints(joints: Tensor, turns: np.ndarray) -> Tensor:
    """Return joints (R, 30, 2) in grid cells of the crops rotated back."""
    centre = LATENT_PX / 2
    return (joints - centre) @ turn_matrices(turns).to(joints)[:, :2, :2] + centre


def turn_matrices(turns: np.ndarray) -> Tensor:
    """Return the rotations (R, 3, 3) about the viewing axis from upright to the original orientation."""
    cosine, sine = torch.tensor([1.0, 0.0, -1.0, 0.0])[turns], torch.tensor([0.0, 1.0, 0.0, -1.0])[turns]
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    rows = [cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
