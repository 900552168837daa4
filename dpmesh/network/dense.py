"""The 3D anchor volume: the fused feature lifted over depth, mixed with anchor coordinates and refined."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dpmesh.network.attention_layers import EncoderLayer, sine_table
from dpmesh.network.config import GRID, RegressorConfig


class AnchorVolume(nn.Module):
    """Turns the fused feature into a volume of features that 3D points can be sampled from."""

    positions: Tensor

    def __init__(self, feature_channels: int, config: RegressorConfig) -> None:
        super().__init__()
        self.depth = config.volume_depth
        self.exponent = nn.Parameter(torch.tensor(3.0))
        self.lift = nn.Conv2d(feature_channels, config.width * self.depth, 1)
        self.place = nn.Linear(config.width + 3, config.width)
        self.layers = nn.ModuleList(
            EncoderLayer(config.width, config.refine_heads, config.refine_ffn, config.dropout)
            for _ in range(config.refine_layers)
        )
        self.norm = nn.LayerNorm(config.width)
        table = sine_table(self.depth * GRID * GRID, config.width)
        self.register_buffer("positions", table, persistent=False)

    def forward(self, fused: Tensor) -> Tensor:
        """Return the volume (R, width, depth, 8, 8) of a fused feature (R, C, 8, 8)."""
        lifted = self.lift(fused).unflatten(1, (-1, self.depth)).flatten(2).transpose(1, 2)
        anchors = self._anchors(fused.device).to(lifted.dtype).expand(len(fused), -1, -1)
        tokens = self.place(torch.cat([lifted, anchors], dim=-1))
        for layer in self.layers:
            tokens = layer(tokens, self.positions)
        return self.norm(tokens).transpose(1, 2).unflatten(2, (self.depth, GRID, GRID))

    def sample(self, volume: Tensor, points: Tensor) -> Tensor:
        """Return features (R, N, width) of a volume at points (R, N, 3) = x, y, z in 0 to 1."""
        # float32: a coordinate in bfloat16 steps by 0.004, and the gradient of z ** exponent with it
        points = points.float()
        x, y, z = points.unbind(-1)
        grid = 2 * torch.stack([x, y, z ** self._power()], dim=-1) - 1
        sampled = F.grid_sample(volume.float(), grid[:, :, None, None], align_corners=True)
        return sampled.flatten(2).transpose(1, 2).to(volume.dtype)

    def _power(self) -> Tensor:
        return self.exponent.float().clamp(1, 20)

    def _anchors(self, device: torch.device) -> Tensor:
        """Return (depth * 64, 3): z, y, x of every cell, z bent by the learned exponent."""
        z = (torch.arange(self.depth, device=device) / self.depth) ** self._power()
        line = torch.arange(GRID, device=device) / GRID
        return torch.stack(torch.meshgrid(z, line, line, indexing="ij"), dim=-1).flatten(0, 2)
