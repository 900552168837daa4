"""Rotations: round trips, group laws, what happens near the identity and near half turns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dpmesh.geometry.rotations import (
    axis_angle_to_matrix,
    interleaved_six_to_matrix,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_six,
    nearest_rotation,
    quaternion_to_axis_angle,
    six_to_matrix,
)

ANGLES = (0.0, 1e-12, 1e-8, 1e-5, 9.99e-4, 1.001e-3, 0.1, 1.0, 2.5, np.pi - 1e-3, np.pi - 1e-6, np.pi)


def random_axes(count: int, seed: int = 0) -> Tensor:
    axes = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(axes, dim=-1)


def random_matrices(count: int, seed: int = 0) -> Tensor:
    angles = torch.rand(count, 1, generator=torch.Generator().manual_seed(seed + 99), dtype=torch.float64) * np.pi
    return axis_angle_to_matrix(random_axes(count, seed) * angles)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_matrix_of_an_axis_angle_is_its_matrix_exponential(angle: float, dtype: torch.dtype) -> None:
    axis_angle = random_axes(20) * angle
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    found = axis_angle_to_matrix(axis_angle.to(dtype)).double()
    torch.testing.assert_close(
        found, torch.linalg.matrix_exp(skew), atol=2e-6 if dtype == torch.float32 else 1e-13, rtol=0
    )


@pytest.mark.parametrize("angle", ANGLES)
def test_axis_angle_returns_from_its_matrix(angle: float) -> None:
    axis_angle = random_axes(50) * angle
    back = matrix_to_axis_angle(axis_angle_to_matrix(axis_angle))
    if np.pi - angle < 1e-7:  # the axis of a half turn may point either way
        back = back * torch.sign((back * axis_angle).sum(-1, keepdim=True))
    torch.testing.assert_close(back, axis_angle, atol=1e-9, rtol=0)


@pytest.mark.parametrize("axis", [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (-1.0, 0, 0), (0, -1.0, 0), (0, 0, -1.0)])
def test_half_turns_about_the_axes_keep_their_matrix(axis: tuple[float, float, float]) -> None:
    matrix = axis_angle_to_matrix(torch.tensor([axis], dtype=torch.float32) * np.pi)
    again = axis_angle_to_matrix(matrix_to_axis_angle(matrix))
    torch.testing.assert_close(again, matrix, atol=1e-6, rtol=0)


def test_angles_beyond_a_half_turn_come_back_as_the_shorter_turn() -> None:
    axis = random_axes(10)
    back = matrix_to_axis_angle(axis_angle_to_matrix(axis * 4.0))
    torch.testing.assert_close(back, axis * (4.0 - 2 * np.pi), atol=1e-12, rtol=0)
    torch.testing.assert_close(quaternion_to_axis_angle(-matrix_to_quaternion(axis_angle_to_matrix(axis * 4.0))), back)


def test_quaternion_of_every_branch_keeps_its_rotation() -> None:
    near_half_turns = torch.cat([torch.eye(3, dtype=torch.float64) * 3.1, torch.zeros(1, 3, dtype=torch.float64)])
    matrix = axis_angle_to_matrix(near_half_turns)
    quaternion = matrix_to_quaternion(matrix)
    assert quaternion.abs().argmax(-1).tolist() == [1, 2, 3, 0]
    torch.testing.assert_close(axis_angle_to_matrix(quaternion_to_axis_angle(quaternion)), matrix)


def test_six_numbers_give_back_the_rotation_and_any_six_give_a_rotation() -> None:
    matrix = random_matrices(30)
    torch.testing.assert_close(six_to_matrix(matrix_to_six(matrix)), matrix)
    anything = six_to_matrix(torch.randn(30, 6, generator=torch.Generator().manual_seed(4), dtype=torch.float64))
    identity = torch.eye(3, dtype=torch.float64).expand(30, 3, 3)
    torch.testing.assert_close(anything.transpose(-1, -2) @ anything, identity)
    torch.testing.assert_close(torch.linalg.det(anything), torch.ones(30, dtype=torch.float64))


def test_six_numbers_hold_the_first_column_before_the_second() -> None:
    matrix = random_matrices(1)[0]
    assert matrix_to_six(matrix).tolist() == [*matrix[:, 0].tolist(), *matrix[:, 1].tolist()]


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-3, 1.3, np.pi - 1e-4])
def test_gradients_agree_with_differences_and_are_finite(angle: float) -> None:
    axis_angle = (random_axes(3) * angle).requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, axis_angle)
    if angle > 1e-5:  # off the rotations the inverse is not defined; its gradient there is only asked to be finite
        assert torch.autograd.gradcheck(lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v)), axis_angle, atol=1e-4)
    matrix = axis_angle_to_matrix(axis_angle.detach()).requires_grad_()
    matrix_to_axis_angle(matrix).sum().backward()
    assert torch.isfinite(matrix.grad).all()


def test_leading_shapes_are_kept_and_may_be_empty() -> None:
    assert axis_angle_to_matrix(torch.zeros(2, 0, 3)).shape == (2, 0, 3, 3)
    assert matrix_to_axis_angle(torch.zeros(0, 24, 3, 3)).shape == (0, 24, 3)
    assert six_to_matrix(torch.rand(2, 5, 6)).shape == (2, 5, 3, 3)


def test_published_rotation_functions_give_the_same(test_data: Path) -> None:
    golden = np.load(test_data / "golden" / "dpmesh" / "metrics_golden.npz")

    def stored(name: str) -> Tensor:
        return torch.from_numpy(golden[name])

    close = {"atol": 2e-6, "rtol": 0}
    torch.testing.assert_close(
        axis_angle_to_matrix(stored("batch_rodrigues/aa")), stored("batch_rodrigues/rotmat"), **close
    )
    found = axis_angle_to_matrix(matrix_to_axis_angle(stored("rotation_matrix_to_angle_axis/rotmat")))
    torch.testing.assert_close(found, axis_angle_to_matrix(stored("rotation_matrix_to_angle_axis/aa")), **close)
    torch.testing.assert_close(
        quaternion_to_axis_angle(stored("quaternion_to_angle_axis/quat")),
        stored("quaternion_to_angle_axis/aa"),
        **close,
    )
    torch.testing.assert_close(
        matrix_to_six(stored("rotmat_to_rot6d/rotmat")), stored("rotmat_to_rot6d/rot6d"), **close
    )
    torch.testing.assert_close(
        interleaved_six_to_matrix(stored("rot6d_to_axis_angle/x")), stored("rot6d_to_axis_angle/rotmat"), **close
    )


def test_nearest_rotation_has_a_gradient_at_a_rotation_and_elsewhere() -> None:
    generator = torch.Generator().manual_seed(0)
    anywhere = torch.randn(4, 3, 3, dtype=torch.float64, generator=generator)
    turned = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    for matrices in (anywhere, turned):
        assert torch.autograd.gradcheck(nearest_rotation, (matrices.requires_grad_(),))
    found = nearest_rotation(anywhere)
    assert torch.allclose(torch.linalg.det(found), torch.ones(4, dtype=torch.float64))


def test_the_nearest_rotation_is_as_exact_inside_autocast() -> None:
    matrices = torch.eye(3) + 0.1 * torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        inside = nearest_rotation(matrices)
    assert torch.equal(inside, nearest_rotation(matrices))
