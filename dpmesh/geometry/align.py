"""The similarity that takes one set of points onto another."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Similarity:
    """`target ~ scale * source @ rotation.T + shift`, per row."""

    scale: np.ndarray  # (R,)
    rotation: np.ndarray  # (R, 3, 3), determinant 1
    shift: np.ndarray  # (R, 3)

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Return points (R, K, 3) moved."""
        turned = points @ self.rotation.transpose(0, 2, 1)
        return self.scale[:, None, None] * turned + self.shift[:, None]


def find_similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> Similarity:
    """Return the least-squares similarity of each row that takes source (R, K, 3) onto target (R, K, 3).

    A source of one repeated point has no scale: 1 is returned for it.

    Args:
        weights: (R, K) 0 or more, above 0 somewhere in each row; None: all count the same.

    Source: Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns".
    """
    source = np.asarray(source, dtype=np.float64)
    target = np.asarray(target, dtype=np.float64)
    share = np.ones(source.shape[:2]) if weights is None else np.asarray(weights, np.float64)
    share = (share / share.sum(axis=1, keepdims=True))[..., None]
    source_mean, target_mean = (share * source).sum(1, keepdims=True), (share * target).sum(1, keepdims=True)
    source_centred, target_centred = source - source_mean, target - target_mean
    left, singular, right = np.linalg.svd((share * target_centred).transpose(0, 2, 1) @ source_centred)
    # A reflection would fit mirrored points better; the weakest axis is flipped back instead.
    sign = np.ones_like(singular)
    sign[:, 2] = np.where(np.linalg.det(left @ right) < 0, -1.0, 1.0)
    rotation = (left * sign[:, None, :]) @ right
    spread = (share * source_centred**2).sum((1, 2))
    scale = np.where(spread > 0, (singular * sign).sum(1) / np.where(spread > 0, spread, 1.0), 1.0)
    shift = target_mean[:, 0] - scale[:, None] * (source_mean @ rotation.transpose(0, 2, 1))[:, 0]
    return Similarity(scale=scale, rotation=rotation, shift=shift)
