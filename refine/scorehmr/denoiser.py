"""The score model: a residual network that predicts the noise in a pose, conditioned on image features.

Source: ScoreHMR (arXiv 2403.09623); score_hmr/models/denoising_model.py of github.com/statho/ScoreHMR.
"""

import math
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from configs.checks import check_shape
from configs.diffusers_models import ConfigMixin, ModelMixin, register_to_config
from refine.prior.pretrained import check_size, load_network

POSE_NUMBERS = 144
BETA_NUMBERS = 10
TIME_GROWTH = 4  # width of the time code over that of the pose


class PreparedScore(Protocol):
    """A score model with fixed conditions; records no autograd graph."""

    def __call__(self, x: Tensor, time: int) -> Tensor:
        """Return the noise in poses x (R, P) of one diffusion time."""
        ...


class TimeCode(nn.Module):
    """Sinusoidal embedding of a diffusion time."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, time: Tensor) -> Tensor:
        """Return (R, size): sines, then cosines, of times (R,)."""
        half = self.size // 2
        falls = torch.arange(half, device=time.device) * -(math.log(10000) / (half - 1))
        angles = time[:, None] * torch.exp(falls)[None]
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Mixer(nn.Module):
    """The two layers of a block; the names are those of the published checkpoint."""

    def __init__(self, size: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(size + condition)
        self.linear_layer1 = nn.Linear(size + condition, hidden)
        self.layer_norm2 = nn.LayerNorm(hidden)
        self.linear_layer2 = nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return (R, size) of (R, size + condition)."""
        inner = self.layer_norm2(nn.functional.gelu(self.linear_layer1(self.layer_norm1(x))))
        return nn.functional.gelu(self.linear_layer2(inner))


class Block(nn.Module):
    """A residual block: modulated by time, mixed with the condition."""

    def __init__(self, size: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(TIME_GROWTH * size, 2 * size))
        self.block = Mixer(size, condition, hidden)

    def forward(self, x: Tensor, time_code: Tensor, condition: Tensor) -> Tensor:
        """Return x (R, size) after this step; time_code (R, 4 size), condition (R, C)."""
        scale, shift = self.mlp(time_code).chunk(2, dim=-1)
        x = x * (1 + scale) + shift
        return x + self.block(torch.cat([x, condition], dim=-1))


class Branch(nn.Module):
    """The network of the pose or of the shape."""

    def __init__(self, size: int, condition: int, hidden: int, blocks: int) -> None:
        super().__init__()
        width = TIME_GROWTH * size
        self.size = size
        self.time_mlp = nn.Sequential(TimeCode(size), nn.Linear(size, width), nn.GELU(), nn.Linear(width, width))
        self.init_mlp = nn.Linear(size, size)
        self.blocks = nn.ModuleList([Block(size, condition, hidden) for _ in range(blocks)])
        self.final_mlp = nn.Linear(size, size)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Return the noise in x (R, size) at times (R,), given conditions (R, C)."""
        time_code = self.time_mlp(time)
        x = self.init_mlp(x)
        for block in self.blocks:
            x = block(x, time_code, condition)
        return self.final_mlp(x)


class Denoiser(ModelMixin, ConfigMixin):
    """The published network ("FC"), which treats frames independently."""

    @register_to_config
    def __init__(
        self,
        condition: int = 3072,
        hidden: int = 1024,
        blocks: int = 3,
        has_betas: bool = False,
        beta_condition: int = 1536,
        beta_hidden: int = 1024,
        beta_blocks: int = 2,
    ) -> None:
        """Build with random weights.

        Args:
            condition: how many numbers of the features go to the pose branch.
            hidden: width of its blocks.
            has_betas: also model the ten shape coefficients, with a separate branch.
            beta_condition: how many numbers, after the first ones, go to that branch.
        """
        super().__init__()
        for name, size in (("condition", condition), ("hidden", hidden), ("beta_condition", beta_condition)):
            check_size(name, size, low=name == "hidden")
        check_size("beta_hidden", beta_hidden)
        check_size("blocks", blocks, low=0, high=256)
        check_size("beta_blocks", beta_blocks, low=0, high=256)
        self.pose = Branch(POSE_NUMBERS, condition, hidden, blocks)
        self.shape = Branch(BETA_NUMBERS, beta_condition, beta_hidden, beta_blocks) if has_betas else None
        self.condition = condition
        self.conditions = condition + (beta_condition if has_betas else 0)
        self.numbers = POSE_NUMBERS + (BETA_NUMBERS if has_betas else 0)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "Denoiser":  # type: ignore[override]
        """Return the network in a folder of `save_pretrained` or of an import, in evaluation mode.

        Raises:
            WeightsError: a file is missing or damaged, or a tensor is missing, unknown or of another shape.
        """
        return load_network(cls, folder, "`dpmesh-video weights import scorehmr`")

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Return the noise (R, P) in poses.

        Args:
            x: (R, P) 24 rotations as six numbers, the root first; with a shape branch ten scaled betas behind them.
            time: (R,) int64, 0 to 999.
            condition: (R, C) standardised image features.
        """
        check_shape("x", x, (len(condition), self.numbers))
        check_shape("condition", condition, (len(x), self.conditions))
        noise = self.pose(x[:, :POSE_NUMBERS], time, condition[:, : self.condition])
        if self.shape is None:
            return noise
        return torch.cat([noise, self.shape(x[:, POSE_NUMBERS:], time, condition[:, self.condition :])], dim=-1)

    def prepare(self, condition: Tensor) -> PreparedScore:
        """Return the network for conditions (R, C)."""

        @torch.no_grad()
        def noise(x: Tensor, time: int) -> Tensor:
            return self.forward(x, torch.full((len(x),), time, device=x.device), condition)

        return noise
