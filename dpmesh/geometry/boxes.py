"""Boxes around joints and the squares to crop, as the published loader makes them.

Source: dataloader/PW3D.py and common/utils/preprocessing.py of github.com/EternalEvan/DPMesh.
"""

import numpy as np

from configs.checks import check_shape

BOUNDS_GROWTH = 1.2
SQUARE_GROWTH = 1.1


def joint_bounds(joints_px: np.ndarray, is_valid: np.ndarray, growth: float = BOUNDS_GROWTH) -> np.ndarray:
    """Return the boxes x1 y1 x2 y2 (R, 4) that bound the valid joints, grown about their middles.

    Args:
        joints_px: (R, K, 2), pixels of the full image.
        is_valid: (R, K) bool. A row without any gives NaN.
        growth: factor on width and height.
    """
    rows = check_shape("is_valid", is_valid, ("R", "K"))["R"]
    check_shape("joints_px", joints_px, (rows, is_valid.shape[1], 2))
    low = np.where(is_valid[..., None], joints_px, np.inf).min(axis=1)
    high = np.where(is_valid[..., None], joints_px, -np.inf).max(axis=1)
    has_any = np.atleast_1d(is_valid.any(axis=1))[:, None]
    low, high = np.where(has_any, low, np.nan), np.where(has_any, high, np.nan)
    middle, half = 0.5 * (low + high), 0.5 * growth * (high - low)
    return np.concatenate([middle - half, middle + half], axis=1)


def squares_of_boxes(
    boxes_xyxy: np.ndarray, image_sizes_px: np.ndarray, growth: float | np.ndarray = SQUARE_GROWTH
) -> np.ndarray:
    """Return the squares (R, 3), centre x, centre y, side, that hold what of each box lies in its image.

    A box that begins left of or above the image is moved there with its size, as the published loader does, and
    ends with the image. The square may reach out of it again. A box of which nothing is left has side 0.

    Args:
        boxes_xyxy: (R, 4), pixels of the full image.
        image_sizes_px: (R, 2) width and height of each image.
        growth: factor on the side, one for all rows or (R,).
    """
    low = np.maximum(boxes_xyxy[:, :2], 0.0)
    # One pixel off the width, as in the published loader: its boxes name first and last pixels.
    size = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2] - 1.0, 0.0)
    high = np.minimum(low + size, image_sizes_px - 1.0)
    is_left = ((high > low) & np.isfinite(low)).all(axis=1)
    side = np.where(is_left, (high - low).max(axis=1), 0.0) * growth
    return np.concatenate([0.5 * (low + high), side[:, None]], axis=1)
