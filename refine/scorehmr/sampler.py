"""DDIM inversion and guided sampling of poses with a score model.

Source: Song et al. 2021, "Denoising Diffusion Implicit Models", equation 12 with sigma 0.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from torch import Tensor

from refine.prior.schedule import Schedule
from refine.scorehmr.denoiser import PreparedScore


class Guidance(Protocol):
    """A loss besides the prior, evaluated at every denoising step."""

    def gradient(self, start: Tensor, time: int) -> Tensor:
        """Return the gradient (R, P) of a loss by clean poses (R, P)."""
        ...

    def keep(self, start: Tensor) -> None:
        """Receive the clean poses (R, P) after the gradient was applied."""
        ...


def time_grid(start: int, step: int) -> list[int]:
    """Return the diffusion times from 0 up to at most `start`."""
    if step < 1 or start < step:
        raise ValueError(f"time_grid: needs 1 <= step <= start, got step {step}, start {start}")
    return list(range(0, start + 1, step))


def ddim_invert(score: PreparedScore, schedule: Schedule, x: Tensor, times: Sequence[int]) -> Tensor:
    """Return the noisy poses (R, P) of the last of `times` (ascending) that poses x (R, P) of the first come from.

    The noise is evaluated at the lower time of each step, as in the published code.
    """
    for time, after in pairwise(times):
        noise = score(x, time)
        start = schedule.step_of(time).start_of(x, noise)
        x = schedule.step_of(after).noisy(start, noise)
    return x


def ddim_denoise(
    score: PreparedScore, schedule: Schedule, x: Tensor, times: Sequence[int], guidance: Guidance
) -> tuple[Tensor, Tensor]:
    """Return the poses (R, P) of the last of `times` (descending), and the clean poses seen one step before.

    A gradient moves the clean poses by `(1 - a) / a` of itself, a being `alphas_cumprod` of the step's time.
    """
    start = x
    for time, after in pairwise(times):
        factors = schedule.step_of(time)
        noise = score(x, time)
        gradient = guidance.gradient(factors.start_of(x, noise), time) * factors.to_start
        noise = noise + factors.guidance * gradient
        start = factors.start_of(x, noise)
        guidance.keep(start)
        x = schedule.step_of(after).noisy(start, noise)
    return x, start
