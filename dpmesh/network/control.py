"""The control branch: a copy of the U-Net's encoder that reads latent and heat maps, and feeds the U-Net's skips."""

from typing import Any

import torch
from torch import Tensor, nn

from dpmesh.network.config import JOINT_COUNT, BackboneConfig
from dpmesh.network.diffusers_parts import ControlNetModel
from dpmesh.network.unet import MapAttention, block_types, encode, time_embedding


class ControlBranch(nn.Module):
    """A ControlNet without hint encoder: the heat maps have the latent's size and are concatenated to it."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.timestep = config.timestep
        net: Any = ControlNetModel(
            in_channels=config.latent_channels + JOINT_COUNT,
            down_block_types=block_types(config.control_attention, "Down"),
            block_out_channels=config.control_channels,
            layers_per_block=config.unet_layers,
            norm_num_groups=config.unet_groups,
            cross_attention_dim=config.context_dim,
            attention_head_dim=config.unet_heads,
        )
        for part in ("controlnet_cond_embedding", "controlnet_down_blocks", "controlnet_mid_block"):
            delattr(net, part)
        net.set_attn_processor(MapAttention())
        self.net = net
        self.outlets = nn.ModuleList(
            nn.Conv2d(own, other, 1)
            for own, other in zip(
                outlet_channels(config.control_channels, config.unet_layers),
                outlet_channels(config.unet_channels, config.unet_layers),
                strict=True,
            )
        )
        if config.control_starts_at_zero:
            for parameter in self.outlets.parameters():
                nn.init.zeros_(parameter)

    def forward(
        self, latents: Tensor, maps: Tensor, context: Tensor, timestep: int | Tensor | None = None
    ) -> list[Tensor]:
        """Return one residual per skip of the U-Net, the middle block's last.

        Args:
            latents: (R, C, 32, 32).
            maps: (R, 30, 32, 32) heat maps.
            context: (R, 30, context_dim) prompt tokens.
            timestep: (R,) or one for all rows; the configuration's by default.
        """
        temb = time_embedding(self.net, self.timestep if timestep is None else timestep)
        encoded = encode(self.net, torch.cat([latents, maps.to(latents.dtype)], dim=1), temb, context, record=False)
        return [outlet(hidden) for outlet, hidden in zip(self.outlets, [*encoded.skips, encoded.middle], strict=True)]


def outlet_channels(channels: tuple[int, ...], layers: int) -> list[int]:
    """Return the width of every input block's output and, last, of the middle block's."""
    widths = [channels[0]]
    for level, width in enumerate(channels):
        widths += [width] * (layers + (level < len(channels) - 1))
    return [*widths, channels[-1]]
