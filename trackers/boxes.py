"""Boxes round points. Imports NumPy alone."""

import numpy as np

BOX_MARGIN = 0.1  # heads and feet reach beyond the outermost keypoints, by about this fraction of the extent


def box_around(points: np.ndarray) -> np.ndarray:
    """Return the box (4,) round points (N, 2), grown by `BOX_MARGIN` of its longer side, and by a pixel at least."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.maximum(BOX_MARGIN * (high - low).max(), 1.0)
    return np.concatenate([low - margin, high + margin])
