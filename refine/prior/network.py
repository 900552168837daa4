"""The motion prior: a diffusion model that denoises windows of poses, conditioned on what was seen.

That is recovered poses, keypoints and directions of bones in 3D. At the last diffusion time its input is pure noise and
its output the posterior mean of the motion. Without conditions it models motion alone (Ho and Salimans 2022,
"Classifier-Free Diffusion Guidance", section 3.1).
"""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from configs.checks import check_shape
from configs.diffusers_models import ConfigMixin, ModelMixin, register_to_config
from refine.prior.calibration import Scales, read_scales
from refine.prior.conditions import BONE_NUMBERS, NUMBERS, MotionConditions
from refine.prior.pretrained import MAKER, check_size, load_network
from refine.prior.schedule import TIME_COUNT, make_schedule

SIGMAS = (0.15, 0.35, 0.5)  # standard deviation of recovered, interpolated and unknown rotations, as six numbers
LOG_SIGMA_BOUNDS = (-4.0, 0.7)  # bounds of the logarithm of the predicted standard deviation in radians
WAVES = 12  # frequencies of the time embeddings


class MixRows(nn.Module):
    """A layer that mixes the rows of a window: neighbours by convolution, all by attention."""

    def __init__(self, width: int, heads: int, reach: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.near = nn.Conv1d(width, width, 2 * reach + 1, padding=reach, groups=width)
        self.far = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width)
        self.inner = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))
        for last in (self.near, self.joined, self.inner[2]):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]

    def forward(self, hidden: Tensor, is_row: Tensor) -> Tensor:
        """Return (N, T, width); `is_row` (N, T) masks the padding."""
        inside = self.norm(hidden) * is_row[..., None]
        hidden = hidden + self.near(inside.mT).mT
        query, key, value = self.far(inside).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=is_row[:, None, None])
        hidden = hidden + self.joined(seen.transpose(1, 2).flatten(2))
        return hidden + self.inner(self.inner_norm(hidden))


class MotionPrior(ModelMixin, ConfigMixin):
    """A stack of `MixRows` layers from noisy to clean poses."""

    @register_to_config
    def __init__(
        self, width: int = 176, layers: int = 4, heads: int = 4, reach: int = 2, has_bones: bool = False
    ) -> None:
        """Build with random weights.

        Args:
            reach: rows to either side within a convolution kernel.
            has_bones: whether it reads the directions of bones in 3D.
        """
        super().__init__()
        self.sigma_scales: Scales = {}  # by mode of refinement; without one, deviations are not calibrated
        check_size("layers", layers, high=256)
        check_size("reach", reach, low=0, high=256)
        if check_size("width", width) % check_size("heads", heads):
            raise ValueError(f"width {width} is not a multiple of heads ({heads})")
        self.poses = nn.Linear(144, width)
        self.told = nn.Linear(NUMBERS + (BONE_NUMBERS if has_bones else 0), width)
        self.diffusion_time = nn.Sequential(nn.Linear(2 * WAVES, width), nn.GELU(), nn.Linear(width, width))
        self.row_time = nn.Linear(2 * WAVES, width)
        self.steps = nn.ModuleList([MixRows(width, heads, reach) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.change = nn.Linear(width, 144)
        self.spread = nn.Linear(width, 24)
        self.usual = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).repeat(24, 1))
        for last in (self.change, self.spread):
            nn.init.zeros_(last.weight)
        nn.init.zeros_(self.change.bias)
        nn.init.constant_(self.spread.bias, math.log(0.2))
        self.register_buffer("kept", make_schedule().alphas_cumprod, persistent=False)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "MotionPrior":  # type: ignore[override]
        """Return the network in a folder of `save_pretrained`, in evaluation mode.

        Raises:
            WeightsError: a file is missing or damaged, or a tensor is missing, unknown or of another shape.
        """
        network = load_network(cls, folder, MAKER)
        network.sigma_scales = read_scales(Path(folder))
        return network

    def forward(
        self, x: Tensor, time: Tensor, conditions: MotionConditions, is_conditioned: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return clean poses (N, T, 24, 6) in window axes, and the log standard deviation (N, T, 24) in radians.

        Args:
            x: (N, T, 24, 6) poses with noise, in window axes.
            time: (N,) int64 diffusion time, 0 to 999.
            conditions: of the same windows.
            is_conditioned: (N,) bool, which windows use their conditions; None: all.
        """
        windows = check_shape("x", x, ("N", "T", 24, 6))["N"]
        check_shape("time", time, (windows,))
        is_conditioned = (
            torch.ones(windows, dtype=torch.bool, device=x.device) if is_conditioned is None else is_conditioned
        )
        kept = self.kept[time].clamp_min(1e-8)[:, None, None, None]
        start, spread = self._without_poses(conditions, is_conditioned)
        # Fusion of two estimates by their precision: the noisy poses, and the conditions.
        precision = kept / (1.0 - kept) * spread.square()
        guess = torch.lerp(start, x / kept.sqrt(), precision / (1.0 + precision))
        codes = _waves(time / TIME_COUNT, 1.0).to(x.dtype)
        hidden = self.poses((x * kept.sqrt()).flatten(2)) + self.told(
            conditions.numbers[..., : self.told.in_features] * is_conditioned[:, None, None]
        )
        hidden = hidden + self.diffusion_time(codes)[:, None]
        hidden = hidden + self.row_time(_waves(conditions.time_s, 0.2).to(x.dtype))
        for layer in self.steps:
            hidden = layer(hidden, conditions.is_row)
        hidden = self.norm(hidden)
        # The correction is scaled by the standard deviation of the fused estimate relative to the conditions'.
        change = self.change(hidden).float().unflatten(-1, (24, 6)) * (1.0 + precision).rsqrt()
        return guess + change, self.spread(hidden).float().clamp(*LOG_SIGMA_BOUNDS)

    def _without_poses(self, conditions: MotionConditions, is_conditioned: Tensor) -> tuple[Tensor, Tensor]:
        is_conditioned = is_conditioned[:, None, None, None]
        observed = conditions.is_observed[..., None, None]
        recovered, filled, unknown = SIGMAS
        spread = torch.where(observed, recovered, torch.full_like(observed, filled, dtype=conditions.recovered.dtype))
        has_any = conditions.is_observed.any(1)[:, None, None, None]
        is_known = is_conditioned & has_any
        start = torch.where(is_known, conditions.recovered, self.usual)
        return start, torch.where(is_known, spread, unknown)


def _waves(values: Tensor, shortest: float) -> Tensor:
    """Return sines and cosines (..., 2 WAVES) of values, with periods from 32 times the shortest to the shortest."""
    periods = shortest * torch.logspace(5, 0, WAVES, base=2.0, device=values.device)
    angles = 2.0 * math.pi * values[..., None].float() / periods
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
