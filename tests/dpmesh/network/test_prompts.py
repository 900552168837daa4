"""Joints drawn as maps."""

import pytest
import torch

from dpmesh.network.config import JOINT_COUNT, LATENT_PX
from dpmesh.network.prompts import heatmaps


@pytest.mark.parametrize("sigma", [0.8, 1.2])
def test_a_bell_has_its_middle_at_its_joint(sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    joints = 4 + 23 * torch.rand(4, JOINT_COUNT, 2, generator=generator)
    bells = heatmaps(joints, torch.ones(4, JOINT_COUNT, 1), sigma)
    cells, total = torch.arange(LATENT_PX), bells.sum((2, 3))
    middles = torch.stack([(bells.sum(2) * cells).sum(-1) / total, (bells.sum(3) * cells).sum(-1) / total], dim=-1)
    assert (middles - joints).abs().max() < 0.05


def test_a_masked_joint_draws_nothing() -> None:
    bells = heatmaps(torch.full((1, 2, 2), 16.0), torch.tensor([[[1.0], [0.0]]]), 1.0)
    assert float(bells[0, 0].max()) == 1.0 and not bells[0, 1].any()
