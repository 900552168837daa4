"""Batched random numbers on one device, seeded by whole numbers: equal seeds give equal numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Number = float | Tensor


class Rng:
    """A seeded generator of random tensors.

    Args:
        names: whole numbers that seed the generator, such as a seed and the number of a batch.
        device: where the tensors lie; a CPU and a GPU draw different numbers.
    """

    def __init__(self, names: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        state = np.random.SeedSequence(list(names)).generate_state(2, np.uint64)
        self.generator = torch.Generator(self.device).manual_seed(int(state[0] >> np.uint64(1)))
        self.numpy = np.random.default_rng(state[1])

    def uniform(self, low: Number, high: Number, *shape: int) -> Tensor:
        """Return float32 (*shape), uniform between `low` and `high`."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return float32 (*shape) whose logarithms are uniform between those of `low` and `high`."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, deviation: Number, *shape: int) -> Tensor:
        """Return float32 (*shape), normal about zero."""
        return deviation * torch.randn(shape, generator=self.generator, device=self.device)

    def coin(self, probability: Number, *shape: int) -> Tensor:
        """Return bool (*shape), True with that probability."""
        return torch.rand(shape, generator=self.generator, device=self.device) < probability

    def integers(self, high: int, *shape: int) -> Tensor:
        """Return int64 (*shape) from 0 up to and without `high`."""
        return torch.randint(high, shape, generator=self.generator, device=self.device)

    def pick(self, weights: Sequence[float], *shape: int) -> Tensor:
        """Return int64 (*shape), indices drawn in proportion to the weights."""
        edges = torch.tensor(weights, dtype=torch.float32, device=self.device).cumsum(0)
        drawn = self.uniform(0.0, 1.0, *shape) * edges[-1]
        return torch.searchsorted(edges, drawn, right=True).clamp_max(len(weights) - 1)

    def directions(self, *shape: int) -> Tensor:
        """Return unit vectors (*shape, 3), uniform over the sphere."""
        return torch.nn.functional.normalize(self.normal(1.0, *shape, 3), dim=-1)


def choose(index: Tensor, options: Sequence[Tensor]) -> Tensor:
    """Return the option that `index` (...) names, element by element; options broadcast to its shape."""
    out = options[0].expand(index.shape) if options[0].shape != index.shape else options[0]
    for place, option in enumerate(options[1:], start=1):
        out = torch.where(index == place, option, out)
    return out
