"""Adam with a Sobolev preconditioner: gradients of neighbouring rows are averaged over time."""

import math

import torch
from torch import Tensor

MOMENTUM, SQUARE_MEMORY = 0.9, 0.95
NEAR_S = 0.05
NEAR_WEIGHT = 10.0  # of the neighbours' average relative to the row's own gradient


class AdamMoments:
    """Running means of a gradient and of its square. Source: Kingma and Ba 2015, algorithm 1."""

    def __init__(self, like: Tensor) -> None:
        self._first, self._second = torch.zeros_like(like), torch.zeros_like(like)
        self._count = 0

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the step direction; most of its components lie within -1 and 1."""
        self._count += 1
        self._first.lerp_(gradient, 1.0 - MOMENTUM)
        self._second.lerp_(gradient.square(), 1.0 - SQUARE_MEMORY)
        first = self._first / (1.0 - MOMENTUM**self._count)
        second = self._second / (1.0 - SQUARE_MEMORY**self._count)
        return first / (second.sqrt() + 1e-8)


class SobolevPreconditioner:
    """Adds to each row's gradient the average gradient of its temporal neighbours.

    Smoothness couples neighbouring rows, so that independent steps stall far above the minimum energy. Averaged
    gradients move neighbouring rows together. Source: Neuberger 1997, Sobolev gradients.
    """

    def __init__(self, time_s: Tensor, window: Tensor) -> None:
        """Compute the weights of neighbouring rows.

        Args:
            time_s: (R,); window: (R,) int64, non-decreasing; rows of different windows are independent.
        """
        _, number, count = torch.unique_consecutive(window, return_inverse=True, return_counts=True)
        first = count.cumsum(0) - count
        self._shape = len(count), int(count.max())
        self._slot = number * self._shape[1] + torch.arange(len(window), device=window.device) - first[number]
        is_row = self._padded(torch.ones_like(time_s)[:, None])
        time = self._padded(time_s[:, None])
        near = torch.exp(-0.5 * ((time - time.mT) / NEAR_S).square()) * is_row.mT
        self._weights = near / near.sum(-1, keepdim=True)

    def apply(self, gradient: Tensor) -> Tensor:
        """Return the preconditioned gradient (R, C)."""
        around = torch.bmm(self._weights, self._padded(gradient)).flatten(0, 1)[self._slot]
        return gradient + NEAR_WEIGHT * around

    def _padded(self, values: Tensor) -> Tensor:
        """Return values (R, C) by window (N, T, C), zero-padded at the end."""
        padded = values.new_zeros(math.prod(self._shape), values.shape[1])
        padded[self._slot] = values
        return padded.unflatten(0, self._shape)
