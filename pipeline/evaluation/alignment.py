"""Joint errors after alignment."""

import numpy as np

from configs.checks import check_shape
from dpmesh.geometry.align import find_similarity


def root_errors(joints: np.ndarray, truth: np.ndarray, root_joints: np.ndarray, root_truth: np.ndarray) -> np.ndarray:
    """Return the distance (R, J) of joints (R, J, 3) from the truth, both relative to their roots (R, 3)."""
    return np.linalg.norm((joints - root_joints[:, None]) - (truth - root_truth[:, None]), axis=-1)


def procrustes_errors(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the distance (R, J) that remains when joints (R, J, 3) are turned, scaled and moved onto the truth."""
    check_shape("joints", joints, ("R", "J", 3))
    check_shape("truth", truth, joints.shape)
    return np.linalg.norm(find_similarity(joints, truth).apply(joints) - truth, axis=-1)
