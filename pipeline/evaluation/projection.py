"""Where joints of a track lie in the image."""

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
