"""The motion prior as a score model for the sampler."""

import torch
from torch import Tensor

from refine.prior.conditions import MotionConditions
from refine.prior.network import MotionPrior
from refine.prior.schedule import Schedule


class PreparedPrior:
    """A prior with fixed conditions; rows are those of its windows, concatenated."""

    def __init__(self, prior: MotionPrior, conditions: MotionConditions, schedule: Schedule) -> None:
        self._prior, self._conditions, self._schedule = prior, conditions, schedule

    @torch.no_grad()
    def __call__(self, x: Tensor, time: int) -> Tensor:
        """Return the noise (R, 144) in poses x (R, 144), roots in camera axes, of one diffusion time."""
        conditions = self._conditions
        windows = conditions.to_window(self._spread_out(x))
        times = torch.full((len(windows),), time, device=x.device)
        clean, _ = self._prior.forward(windows, times, conditions)
        rows = conditions.to_camera(clean)[conditions.is_row].flatten(1)
        return self._schedule.noise_of(x, torch.tensor(time, device=x.device).expand(len(x)), rows)

    def _spread_out(self, x: Tensor) -> Tensor:
        """Return rows (R, 144) as zero-padded windows (N, T, 24, 6)."""
        windows = x.new_zeros(*self._conditions.is_row.shape, 24, 6)
        windows[self._conditions.is_row] = x.unflatten(-1, (24, 6))
        return windows
