"""Where joints of a track lie in the picture."""

import numpy as np

NEAR_M = 1e-3


def project_rows(points: np.ndarray, focal_px: np.ndarray, principal_px: np.ndarray) -> np.ndarray:
    """Return the pixels (R, J, 2) of camera points (R, J, 3); NaN for points that are not in front of the camera.

    Args:
        focal_px: (R,), principal_px: (R, 2): every row has its own camera.
    """
    depth = points[..., 2:].astype(np.float64)
    pixels = focal_px[:, None, None] * points[..., :2] / np.where(depth > NEAR_M, depth, np.nan)
    return pixels + principal_px[:, None]


def joint_boxes(pixels: np.ndarray) -> np.ndarray:
    """Return the boxes x1 y1 x2 y2 (R, 4) around joints (R, J, 2); NaN where a row has no joint in front."""
    some = np.isfinite(pixels).all(axis=-1).any(axis=-1)
    boxes = np.full((len(pixels), 4), np.nan)
    boxes[some] = np.concatenate([np.nanmin(pixels[some], axis=1), np.nanmax(pixels[some], axis=1)], axis=-1)
    return boxes


def box_overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return intersection over union (A, B) of boxes (A, 4) and (B, 4); 0 where a box is NaN."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=-1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(shared / union, nan=0.0)
