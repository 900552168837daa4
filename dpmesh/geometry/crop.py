"""Square crops of people out of images, and the way of points between crop and image.

An image's point (x, y) lies in a crop of P x P pixels around (cx, cy) with side s at ((x - cx) * P / s + P / 2, same
for y). Pixel indices are coordinates: there is no half-pixel shift, as in DPMesh's published loader.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from configs.checks import check_shape


def crop_images(
    images: Sequence[np.ndarray], image_row: np.ndarray, centres_px: np.ndarray, sides_px: np.ndarray, crop_px: int
) -> np.ndarray:
    """Return the square crops (R, crop_px, crop_px, 3) uint8, bilinear, black outside the image.

    Args:
        images: (H, W, 3) uint8 RGB each, of any sizes.
        image_row: (R,) which image each row is cut from.
        centres_px: (R, 2) centre of each square, pixels of its image.
        sides_px: (R,) its side, above 0.
    """
    rows = len(image_row)
    check_shape("centres_px", centres_px, (rows, 2))
    check_shape("sides_px", sides_px, (rows,))
    if rows and not (np.isfinite(sides_px).all() and np.asarray(sides_px).min() > 0):
        raise ValueError(f"sides_px: must be finite and above 0, got {sides_px}")
    crops = np.zeros((rows, crop_px, crop_px, 3), dtype=np.uint8)
    sides = np.asarray(sides_px, dtype=np.float64)
    matrices = crop_matrices(centres_px, np.stack([sides, sides], axis=-1), crop_px)
    for row, (image, matrix) in enumerate(zip(image_row, matrices, strict=True)):
        cv2.warpAffine(
            images[int(image)], matrix, (crop_px, crop_px), dst=crops[row], flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0),
        )  # fmt: skip
    return crops


def crop_matrices(
    centres_px: np.ndarray, sizes_px: np.ndarray, crop_px: int, turns_rad: np.ndarray | None = None
) -> np.ndarray:
    """Return `crop_from_image` (R, 2, 3) float64: `crop = crop_from_image @ (x, y, 1)`, in pixels of both.

    Args:
        centres_px: (R, 2) centre of each box in its image.
        sizes_px: (R, 2) its width and height, each of which fills the crop's side.
        crop_px: side of the crop.
        turns_rad: (R,) how far each box is turned, from x towards y; None turns none.

    Source: common/utils/preprocessing.py of github.com/EternalEvan/DPMesh: the affine through centre, centre + down
    and centre + right.
    """
    centres = np.asarray(centres_px, dtype=np.float64)
    turns = np.zeros(len(centres)) if turns_rad is None else np.asarray(turns_rad, dtype=np.float64)
    cos, sin = np.cos(turns), np.sin(turns)
    crop_axes = np.stack([np.stack([cos, sin], axis=-1), np.stack([-sin, cos], axis=-1)], axis=1)
    linear = crop_px / np.asarray(sizes_px, dtype=np.float64)[..., None] * crop_axes
    shift = crop_px / 2 - (linear @ centres[..., None])
    return np.concatenate([linear, shift], axis=-1)


def invert_affine(matrices: np.ndarray) -> np.ndarray:
    """Return the affine maps (R, 2, 3) that undo others (R, 2, 3)."""
    linear = np.linalg.inv(matrices[..., :2])
    return np.concatenate([linear, -linear @ matrices[..., 2:]], axis=-1)


def to_crop(points_px: np.ndarray, centres_px: np.ndarray, sides_px: np.ndarray, crop_px: int) -> np.ndarray:
    """Return image points (R, K, 2) in their rows' crops; centres (R, 2), sides (R,)."""
    return (points_px - centres_px[:, None]) * (crop_px / sides_px)[:, None, None] + crop_px / 2
