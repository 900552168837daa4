"""Joint errors after alignment."""

import numpy as np

from configs.checks import check_shape


def root_errors(joints: np.ndarray, truth: np.ndarray, root_joints: np.ndarray, root_truth: np.ndarray) -> np.ndarray:
    """Return the distance (R, J) of joints (R, J, 3) from the truth, both relative to their roots (R, 3)."""
    return np.linalg.norm((joints - root_joints[:, None]) - (truth - root_truth[:, None]), axis=-1)


def procrustes_errors(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the distance (R, J) that remains when joints (R, J, 3) are turned, scaled and moved onto the truth.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991),
    equations 40 to 42; no reflection.
    """
    check_shape("joints", joints, ("R", "J", 3))
    check_shape("truth", truth, joints.shape)
    joints, truth = joints.astype(np.float64), truth.astype(np.float64)
    centred = joints - joints.mean(axis=1, keepdims=True)
    wanted = truth - truth.mean(axis=1, keepdims=True)
    u, values, vt = np.linalg.svd(wanted.transpose(0, 2, 1) @ centred)
    signs = np.ones((len(joints), 3))
    signs[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * signs[:, None]) @ vt
    scale = (values * signs).sum(axis=-1) / np.maximum((centred**2).sum(axis=(1, 2)), 1e-12)
    moved = scale[:, None, None] * centred @ rotation.transpose(0, 2, 1)
    return np.linalg.norm(moved - wanted, axis=-1)
