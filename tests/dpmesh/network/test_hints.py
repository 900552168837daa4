"""Hints in 3D as the lift reads them."""

import pytest
import torch
from torch import Tensor

from dpmesh.body import load_body
from dpmesh.network.hints import HINT_BONES_M, HINT_JOINTS, hint_sizes, mirrored_hints, normalised_hints, rotated_hints


@pytest.fixture
def standing() -> Tensor:
    """Return the hints (1, 12, 4) of the open body in its resting pose."""
    nothing = torch.zeros(1, 10)
    joints = load_body(None).joints(torch.zeros(1, 24, 3), nothing, torch.zeros(1, 3), joint_set="coco17")[:, 5:]
    joints = joints - joints[:, 6:8].mean(1, keepdim=True)
    return torch.cat([joints, torch.ones(1, 12, 1)], dim=-1)


def test_the_mean_shape_is_of_size_one(standing: Tensor) -> None:
    assert float(hint_sizes(standing)) == pytest.approx(1.0, abs=0.01)
    for (first, second), length in HINT_BONES_M.items():
        ends = [HINT_JOINTS.index(f"left_{name}") for name in (first, second)]
        assert float((standing[0, ends[0], :3] - standing[0, ends[1], :3]).norm()) == pytest.approx(length, abs=0.002)


def test_how_tall_somebody_is_changes_nothing(standing: Tensor) -> None:
    child = standing * torch.tensor([0.6, 0.6, 0.6, 1.0])
    torch.testing.assert_close(normalised_hints(child), normalised_hints(standing))
    assert float(hint_sizes(child)) == pytest.approx(0.6, abs=0.01)


def test_a_joint_that_is_not_given_counts_nowhere(standing: Tensor) -> None:
    standing[0, [3, 9], 3] = 0.0
    moved = standing.clone()
    moved[0, [3, 9], :3] = 7.0
    read = normalised_hints(standing)
    torch.testing.assert_close(normalised_hints(moved), read)
    assert not read[0, [3, 9]].any() and read[0, 0].any()


def test_no_hints_are_all_zero_whatever_their_places() -> None:
    hints = torch.randn(3, 12, 4) * torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert not normalised_hints(hints).any()
    assert hint_sizes(hints).tolist() == [1.0, 1.0, 1.0]
    assert normalised_hints(torch.zeros(0, 12, 4)).shape == (0, 12, 4)


def test_hints_mirrored_twice_are_as_before(standing: Tensor) -> None:
    standing[0, :, 3] = torch.rand(12)
    other = mirrored_hints(standing)
    torch.testing.assert_close(mirrored_hints(other), standing)
    left, right = HINT_JOINTS.index("left_knee"), HINT_JOINTS.index("right_knee")
    torch.testing.assert_close(other[0, right], standing[0, left] * torch.tensor([-1.0, 1.0, 1.0, 1.0]))


def test_hints_in_other_axes_keep_their_visibility(standing: Tensor) -> None:
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    turned = rotated_hints(standing, quarter)
    torch.testing.assert_close(turned[..., 0], -standing[..., 1])
    torch.testing.assert_close(turned[..., 1], standing[..., 0])
    torch.testing.assert_close(turned[..., 2:], standing[..., 2:])
    torch.testing.assert_close(rotated_hints(turned, quarter.mT), standing)
