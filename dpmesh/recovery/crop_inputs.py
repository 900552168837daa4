"""Network inputs of each person: the crop square, the crop, and the joints in its grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from dpmesh.geometry.boxes import joint_bounds, squares_of_boxes
from dpmesh.geometry.crop import crop_images, to_crop
from dpmesh.network.config import LATENT_PX


@dataclass(frozen=True, slots=True)
class CropInputs(Shaped):
    """Inputs of the network for the same rows."""

    image: Annotated[np.ndarray | None, "R", "P", "P", 3]  # uint8 RGB; None where the network sees none
    joints: Annotated[np.ndarray, "R", 30, 2]  # float32, x, y in the 32 grid over the crop; may lie outside
    is_given: Annotated[np.ndarray, "R", 30]  # bool, confident and inside the crop


def crop_inputs(
    images: Sequence[np.ndarray],
    image_row: np.ndarray,
    joints_px: np.ndarray,
    is_sure: np.ndarray,
    squares_px: np.ndarray,
    crop_px: int | None,
) -> CropInputs:
    """Return the inputs of each row.

    Args:
        images: (H, W, 3) uint8 RGB each.
        image_row: (R,) index of the image of each row.
        joints_px: (R, 30, 2) in pixels of the full image. Missing joints are at (0, 0) and are transformed like the
            others: the released network has learnt their token there.
        is_sure: (R, 30) bool, confident enough.
        squares_px: (R, 3) centre x, centre y, side of each square.
        crop_px: side of the crops; None cuts none out.
    """
    image = None
    if crop_px is not None:
        image = crop_images(images, image_row, squares_px[:, :2], squares_px[:, 2], crop_px)
    grid = to_crop(joints_px, squares_px[:, :2], squares_px[:, 2], LATENT_PX).astype(np.float32)
    inside = ((grid >= 0) & (grid < LATENT_PX)).all(axis=-1)
    return CropInputs(image, grid, is_sure & inside)


def published_squares(
    joints_px: np.ndarray, is_sure: np.ndarray, boxes_xyxy: np.ndarray, image_sizes_px: np.ndarray
) -> np.ndarray:
    """Return the squares (R, 3), centre x, centre y, side, that the released checkpoints were evaluated with.

    Args:
        joints_px: (R, 30, 2) in pixels of the full image.
        is_sure: (R, 30) bool, confident enough to bound the person (in the published evaluation a score above 0.05).
        boxes_xyxy: (R, 4) detected boxes, used where the joints have no extent inside the image. The published
            loader drops such people.
        image_sizes_px: (R, 2) width and height of each row's image.

    Source: dataloader/PW3D.py of github.com/EternalEvan/DPMesh.
    """
    squares = squares_of_boxes(joint_bounds(joints_px, is_sure), image_sizes_px)
    detected = np.asarray(boxes_xyxy, dtype=np.float64)
    middle, side = 0.5 * (detected[:, :2] + detected[:, 2:]), (detected[:, 2:] - detected[:, :2]).max(axis=1)
    instead = np.concatenate([middle, np.maximum(side, 4.0)[:, None]], axis=1)
    return np.where(squares[:, 2:] > 0, squares, instead).astype(np.float32)
