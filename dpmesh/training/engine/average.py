"""An average of a network's weights that follows them as they are trained."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor


def start_average(state: Mapping[str, Tensor], frozen: Collection[str] = ()) -> dict[str, Tensor]:
    """Return a copy of a network's state; what is `frozen` is not copied but shared with the network."""
    return {name: value.detach() if name in frozen else value.detach().clone() for name, value in state.items()}


@torch.no_grad()
def follow(average: dict[str, Tensor], state: Mapping[str, Tensor], step: int, decay_max: float) -> None:
    """Move an average, in place, towards a network's state after `step` steps; whole numbers are copied."""
    # The early average follows closely, so that a short training is not held back by its random start.
    decay = min(decay_max, (1 + step) / (10 + step))
    for name, value in state.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)
