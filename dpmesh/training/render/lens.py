"""The lens of a calibrated camera: radial and tangential distortion, in OpenCV's order k1, k2, p1, p2, k3."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# The polynomial is fitted within the image. Beyond this slope, outside of every image, it would fold back into it.
SLOPE_MAX = 1.3
_STEPS = 20


def distort(slopes: Tensor, distortion: Tensor) -> Tensor:
    """Return where a lens puts slopes x / z and y / z (N, ..., 2).

    Args:
        slopes: of points in camera axes, undistorted.
        distortion: (N, 5).

    Source: the documentation of OpenCV's `calib3d`.
    """
    k1, k2, p1, p2, k3 = distortion.view(len(distortion), *[1] * (slopes.ndim - 2), 5).unbind(-1)
    x, y = slopes.unbind(-1)
    inner = (SLOPE_MAX / slopes.norm(dim=-1).clamp_min(1e-9)).clamp_max(1.0)
    u, v = x * inner, y * inner
    square = u * u + v * v
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    across = 2 * p1 * u * v + p2 * (square + 2 * u * u)
    down = p1 * (square + 2 * v * v) + 2 * p2 * u * v
    return torch.stack([x * radial + across, y * radial + down], dim=-1)


def undistort(slopes: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Return the slopes (..., 2) float64 that a lens (5,) puts at `slopes` (..., 2)."""
    wanted = torch.from_numpy(slopes.reshape(1, -1, 2).astype(np.float64))
    lens, found = torch.from_numpy(distortion[None].astype(np.float64)), wanted
    for _ in range(_STEPS):
        found = found + wanted - distort(found, lens)
    return found.numpy().reshape(slopes.shape)
