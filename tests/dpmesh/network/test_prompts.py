"""Joints drawn as maps, and read back from maps."""

import pytest
import torch

from dpmesh.network.config import JOINT_COUNT, LATENT_PX
from dpmesh.network.prompts import heatmaps, read_heatmaps


@pytest.mark.parametrize("sigma", [0.8, 1.2])
def test_a_bell_is_read_back_at_its_place(sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    joints = 2 + 27 * torch.rand(4, JOINT_COUNT, 2, generator=generator)
    bells = heatmaps(joints, torch.ones(4, JOINT_COUNT, 1), sigma)
    places, certainty = read_heatmaps(bells.clamp_min(1e-12).log())
    assert places.shape == (4, JOINT_COUNT, 2) and certainty.shape == (4, JOINT_COUNT)
    assert (places - joints).abs().max() < 0.2
    assert certainty.min() > 0.8 and certainty.max() <= 1 + 1e-6


def test_a_bell_at_the_rim_is_read_inside_the_map() -> None:
    joints = torch.tensor([[[0.0, 31.0], [31.0, 0.4], [0.3, 0.0]]])
    places, _ = read_heatmaps(heatmaps(joints, torch.ones(1, 3, 1), 0.8).clamp_min(1e-12).log())
    assert (places >= 0).all() and (places <= LATENT_PX - 1).all()
    assert (places - joints).abs().max() < 0.7  # the bell's outer half is cut off


def test_a_flat_map_is_unsure_and_a_peak_is_sure() -> None:
    flat = torch.zeros(1, 2, LATENT_PX, LATENT_PX)
    flat[0, 1, 20, 7] = 30.0
    places, certainty = read_heatmaps(flat)
    assert certainty[0, 0] < 0.03
    assert certainty[0, 1] == pytest.approx(1.0, abs=1e-4)
    assert torch.allclose(places[0, 1], torch.tensor([7.0, 20.0]), atol=1e-3)


def test_of_two_bells_the_higher_one_is_read_and_the_certainty_is_shared() -> None:
    bell = heatmaps(torch.tensor([[[6.0, 9.0]]]), torch.ones(1, 1, 1), 0.8)
    other = heatmaps(torch.tensor([[[24.0, 20.0]]]), torch.ones(1, 1, 1), 0.8)
    places, certainty = read_heatmaps((0.6 * bell + 0.4 * other).clamp_min(1e-12).log())
    assert torch.allclose(places[0, 0], torch.tensor([6.0, 9.0]), atol=0.05)
    assert float(certainty) == pytest.approx(0.6, abs=0.03)


def test_no_rows_are_read_as_no_places() -> None:
    places, certainty = read_heatmaps(torch.zeros(0, JOINT_COUNT, LATENT_PX, LATENT_PX))
    assert places.shape == (0, JOINT_COUNT, 2) and certainty.shape == (0, JOINT_COUNT)


def test_a_masked_joint_draws_nothing() -> None:
    bells = heatmaps(torch.full((1, 2, 2), 16.0), torch.tensor([[[1.0], [0.0]]]), 1.0)
    assert float(bells[0, 0].max()) == 1.0 and not bells[0, 1].any()
