"""The noise schedule of the diffusion models.

Tables are computed in float64 and each is rounded to float32. Only the DDIM step takes the root of `1 - alphas_cumprod`
from the rounded table, as the published code does: at time 0 the two differ by 5e-4.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

TIME_COUNT = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The tables (T,) float32 of the published diffusion, under their published names."""

    betas: Tensor
    alphas_cumprod: Tensor
    alphas_cumprod_prev: Tensor
    sqrt_alphas_cumprod: Tensor
    sqrt_one_minus_alphas_cumprod: Tensor
    log_one_minus_alphas_cumprod: Tensor
    sqrt_recip_alphas_cumprod: Tensor
    sqrt_recipm1_alphas_cumprod: Tensor
    posterior_variance: Tensor
    posterior_log_variance_clipped: Tensor
    posterior_mean_coef1: Tensor
    posterior_mean_coef2: Tensor
    p2_loss_weight: Tensor

    def tables(self) -> dict[str, Tensor]:
        """Return the tables by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def noise_of(self, x: Tensor, time: Tensor, start: Tensor) -> Tensor:
        """Return the noise (R, P) in x (R, P) at times (R,) when its clean pose is `start` (R, P)."""
        scaled = self.sqrt_recip_alphas_cumprod[time, None] * x - start
        return scaled / self.sqrt_recipm1_alphas_cumprod[time, None]

    def step_of(self, time: int) -> "StepFactors":
        """Return the factors of one diffusion time."""
        kept = self.alphas_cumprod[time]
        return StepFactors(
            root_kept=float(kept.sqrt()),
            root_noise=float((1 - kept).sqrt()),
            to_start=float(self.sqrt_recip_alphas_cumprod[time]),
            noise_to_start=float(self.sqrt_recipm1_alphas_cumprod[time]),
            guidance=float(self.sqrt_one_minus_alphas_cumprod[time]),
        )


@dataclass(frozen=True, slots=True)
class StepFactors:
    """The coefficients of one diffusion time."""

    root_kept: float  # of the clean pose in a noisy one
    root_noise: float  # of the noise in a noisy one, from the rounded table
    to_start: float  # of the noisy pose in the clean one
    noise_to_start: float  # of the noise taken off
    guidance: float  # of a gradient added to the noise

    def start_of(self, x: Tensor, noise: Tensor) -> Tensor:
        """Return the clean pose (R, P) of a noisy one and its noise."""
        return self.to_start * x - self.noise_to_start * noise

    def noisy(self, start: Tensor, noise: Tensor) -> Tensor:
        """Return the noisy pose (R, P) of this time: DDIM's step, without new noise."""
        return start * self.root_kept + self.root_noise * noise


def noise_rates() -> Tensor:
    """Return beta (T,) float64 of every diffusion time. Source: Nichol and Dhariwal 2021, equation 17."""
    s = 0.008
    part = torch.linspace(0, TIME_COUNT, TIME_COUNT + 1, dtype=torch.float64) / TIME_COUNT
    kept = torch.cos((part + s) / (1 + s) * math.pi * 0.5) ** 2
    kept = kept / kept[0]
    return torch.clip(1 - kept[1:] / kept[:-1], 0, 0.999)


def make_schedule() -> Schedule:
    """Return the tables of the cosine schedule."""
    betas = noise_rates()
    alphas = 1.0 - betas
    kept = torch.cumprod(alphas, dim=0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
    variance = betas * (1.0 - before) / (1.0 - kept)
    return Schedule(
        betas=betas.float(),
        alphas_cumprod=kept.float(),
        alphas_cumprod_prev=before.float(),
        sqrt_alphas_cumprod=kept.sqrt().float(),
        sqrt_one_minus_alphas_cumprod=(1.0 - kept).sqrt().float(),
        log_one_minus_alphas_cumprod=(1.0 - kept).log().float(),
        sqrt_recip_alphas_cumprod=(1.0 / kept).sqrt().float(),
        sqrt_recipm1_alphas_cumprod=(1.0 / kept - 1).sqrt().float(),
        posterior_variance=variance.float(),
        posterior_log_variance_clipped=variance.clamp(min=1e-20).log().float(),
        posterior_mean_coef1=(betas * before.sqrt() / (1.0 - kept)).float(),
        posterior_mean_coef2=((1.0 - before) * alphas.sqrt() / (1.0 - kept)).float(),
        p2_loss_weight=torch.ones(TIME_COUNT),
    )
