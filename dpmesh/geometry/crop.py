"""Square crops of people out of pictures, and the way of points between crop and picture.

A picture's point (x, y) lies in a crop of P x P pixels around (cx, cy) with side s at ((x - cx) * P / s + P / 2, same
for y). Pixel indices are coordinates: there is no half-pixel shift, as in DPMesh's published loader.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from configs.checks import check_shape


def crop_images(
    images: Sequence[np.ndarray], image_row: np.ndarray, centres_px: np.ndarray, sides_px: np.ndarray, crop_px: int
) -> np.ndarray:
    """Return the square crops (R, crop_px, crop_px, 3) uint8, bilinear, black outside the picture.

    Args:
        images: (H, W, 3) uint8 RGB each, of any sizes.
        image_row: (R,) which picture each row is cut from.
        centres_px: (R, 2) centre of each square, pixels of its picture.
        sides_px: (R,) its side, above 0.
    """
    rows = len(image_row)
    check_shape("centres_px", centres_px, (rows, 2))
    check_shape("sides_px", sides_px, (rows,))
    if rows and not (np.isfinite(sides_px).all() and np.asarray(sides_px).min() > 0):
        raise ValueError(f"sides_px: must be finite and above 0, got {sides_px}")
    crops = np.zeros((rows, crop_px, crop_px, 3), dtype=np.uint8)
    for row, (image, centre, side) in enumerate(zip(image_row, centres_px, sides_px, strict=True)):
        scale = crop_px / float(side)
        shift = crop_px / 2 - np.asarray(centre, dtype=np.float64) * scale
        crop_from_image = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
        cv2.warpAffine(
            images[int(image)], crop_from_image, (crop_px, crop_px), dst=crops[row], flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0),
        )  # fmt: skip
    return crops


def to_crop(points_px: np.ndarray, centres_px: np.ndarray, sides_px: np.ndarray, crop_px: int) -> np.ndarray:
    """Return picture points (R, K, 2) in their rows' crops; centres (R, 2), sides (R,)."""
    return (points_px - centres_px[:, None]) * (crop_px / sides_px)[:, None, None] + crop_px / 2


def from_crop(points_px: np.ndarray, centres_px: np.ndarray, sides_px: np.ndarray, crop_px: int) -> np.ndarray:
    """Return crop points (R, K, 2) in the picture: the inverse of `to_crop`."""
    return (points_px - crop_px / 2) * (sides_px / crop_px)[:, None, None] + centres_px[:, None]
