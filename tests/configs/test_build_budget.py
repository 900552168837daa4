"""What a network's folder may ask for is bounded by its weights file."""

import pytest
import torch
from torch import nn

from configs.build_budget import BuildBudget
from configs.network_files import TensorSizes


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Linear(4_000_000, 4_000_000),
        lambda: nn.Parameter(torch.zeros((10**6, 10**6))),
        lambda: torch.arange(10**10),
        lambda: [nn.LayerNorm(1) for _ in range(10**9)],
    ],
)
def test_nothing_much_larger_than_the_weights_is_built(build) -> None:
    with (
        pytest.raises(ValueError, match="describes a larger network than its weights"),
        BuildBudget(TensorSizes(3, 99)),
    ):
        build()


def test_a_network_of_the_size_of_its_weights_is_built() -> None:
    with BuildBudget(TensorSizes(2, 10_100)):
        assert nn.Linear(100, 100).weight.shape == (100, 100)
