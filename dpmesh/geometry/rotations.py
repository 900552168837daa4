"""Rotations as axis-angle, matrix, quaternion (w x y z) and six numbers, over any leading shape.

Axis-angle is the form between stages. All functions are differentiable, also at the identity and at half turns
(where the axis of an axis-angle has a sign that is free: one of the two is returned).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SMALL_SQUARED = 1e-6  # below this squared angle the Taylor series is exact to float32


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Return the rotation matrix (..., 3, 3) of each axis-angle (..., 3), in radians (Rodrigues)."""
    squared = (axis_angle * axis_angle).sum(-1)
    is_small = squared < SMALL_SQUARED
    angle = torch.where(is_small, torch.ones_like(squared), squared).sqrt()
    first = torch.where(is_small, 1.0 - squared / 6.0, angle.sin() / angle)
    # 1 - cos loses digits near 0; half the squared half-angle sine does not.
    half = (0.5 * angle).sin() / angle
    second = torch.where(is_small, 0.5 - squared / 24.0, 2.0 * half * half)
    x, y, z = axis_angle.unbind(-1)
    sx, sy, sz = x * first, y * first, z * first
    cx, cy, cz = x * second, y * second, z * second
    rows = (
        1.0 - (cy * y + cz * z), cx * y - sz, cx * z + sy,
        cx * y + sz, 1.0 - (cx * x + cz * z), cy * z - sx,
        cx * z - sy, cy * z + sx, 1.0 - (cx * x + cy * y),
    )  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def quaternion_to_axis_angle(quaternion: Tensor) -> Tensor:
    """Return axis-angles (..., 3) of length at most pi of unit quaternions (..., 4), w first."""
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    sign = torch.where(real < 0, -1.0, 1.0).to(quaternion.dtype)
    real, imaginary = real * sign, imaginary * sign
    squared = (imaginary * imaginary).sum(-1, keepdim=True)
    is_small = squared < SMALL_SQUARED
    length = torch.where(is_small, torch.ones_like(squared), squared).sqrt()
    safe_real = torch.where(is_small, real.clamp_min(0.5), real)
    scale = torch.where(is_small, 2.0 / safe_real * (1.0 - squared / (3.0 * safe_real**2)),
                        2.0 * torch.atan2(length, real) / length)  # fmt: skip
    return imaginary * scale


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Return unit quaternions (..., 4), w first, w at least 0, of rotation matrices (..., 3, 3).

    Each component in turn can be the one that is divided by; the largest is taken, so no rotation loses digits.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = matrix.flatten(-2).unbind(-1)
    four_squares = torch.stack(
        [1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], dim=-1
    )
    candidates = torch.stack(
        [
            torch.stack([four_squares[..., 0], m21 - m12, m02 - m20, m10 - m01], dim=-1),
            torch.stack([m21 - m12, four_squares[..., 1], m10 + m01, m02 + m20], dim=-1),
            torch.stack([m02 - m20, m10 + m01, four_squares[..., 2], m21 + m12], dim=-1),
            torch.stack([m10 - m01, m02 + m20, m21 + m12, four_squares[..., 3]], dim=-1),
        ],
        dim=-2,
    )
    best = four_squares.argmax(dim=-1)[..., None, None].expand(*matrix.shape[:-2], 1, 4)
    chosen = candidates.gather(-2, best).squeeze(-2)
    quaternion = chosen / chosen.norm(dim=-1, keepdim=True)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Return axis-angles (..., 3) of length at most pi of rotation matrices (..., 3, 3)."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_six(matrix: Tensor) -> Tensor:
    """Return the first two columns of (..., 3, 3), one after the other, as (..., 6)."""
    return torch.cat([matrix[..., :, 0], matrix[..., :, 1]], dim=-1)


def six_to_matrix(six: Tensor) -> Tensor:
    """Return the rotation (..., 3, 3) whose first two columns are nearest to six numbers (..., 6) by Gram-Schmidt.

    Source: Zhou et al. 2019, "On the Continuity of Rotation Representations in Neural Networks", section B.
    """
    first, second = six[..., :3], six[..., 3:]
    x = torch.nn.functional.normalize(first, dim=-1)
    y = torch.nn.functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def interleaved_six_to_matrix(six: Tensor) -> Tensor:
    """Return the rotation (..., 3, 3) of six numbers (..., 6) laid out row by row: x0 y0 x1 y1 x2 y2.

    The released DPMesh and VPoser write the two columns this way (their inverse function does not).
    """
    return six_to_matrix(six.unflatten(-1, (3, 2)).transpose(-1, -2).flatten(-2))


def nearest_rotation(matrices: Tensor) -> Tensor:
    """Return the rotations (..., 3, 3), determinant 1, nearest to any matrices (..., 3, 3) by least squares.

    Differentiable also where singular values coincide, as they do at a rotation, where autograd through the
    decomposition is not; not where the two smallest cancel.

    Source: Levinson et al. 2020, "An Analysis of SVD for Deep Rotation Estimation", equations 1 and 9.
    """
    with torch.autocast(matrices.device.type, enabled=False):  # a product in bfloat16 is no rotation
        return _NearestRotation.apply(matrices)


class _NearestRotation(torch.autograd.Function):
    """Projection on the rotations by singular values, with the gradient of the projection itself."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> Tensor:
        left, singular, right = torch.linalg.svd(matrices)
        sign = torch.ones_like(singular)
        sign[..., 2] = torch.where(torch.linalg.det(left @ right) < 0, -1.0, 1.0).to(singular.dtype)
        right = sign[..., None] * right
        ctx.save_for_backward(left, singular * sign, right)
        return left @ right

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        left, singular, right = ctx.saved_tensors
        turned = left.mT @ gradients[0] @ right.mT
        pairs = singular[..., :, None] + singular[..., None, :]
        pairs = torch.where(pairs.abs() < SMALL_SQUARED, SMALL_SQUARED, pairs)
        return left @ ((turned - turned.mT) / pairs) @ right
