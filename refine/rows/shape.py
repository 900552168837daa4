"""One body shape per person from many per-frame estimates."""

import numpy as np


def shape_of_person(betas: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return the shape (10,): the median of each coefficient, weighted by confidence.

    Args:
        betas: (T, 10) estimates per frame.
        confidence: (T,) weight of each frame; equal weights are used if all are 0.
    """
    weights = np.asarray(confidence, np.float64)
    if weights.sum() <= 0:
        weights = np.ones(len(betas))
    order = np.argsort(betas, axis=0, kind="stable")
    cumulative = np.cumsum(weights[order], axis=0)
    middle = (cumulative >= 0.5 * weights.sum()).argmax(axis=0)
    return np.take_along_axis(betas, np.take_along_axis(order, middle[None], 0), 0)[0].astype(np.float32)
