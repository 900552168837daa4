"""The diffusion U-Net run once as a feature extractor: blocks, recorded attention maps, feature taps, LoRA."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dpmesh.network.attention_layers import attend
from dpmesh.network.config import MAP_LEVELS, BackboneConfig
from dpmesh.network.diffusers_parts import Attention, UNet2DConditionModel

if TYPE_CHECKING:
    from peft import LoraConfig

LORA_TARGETS = r".*transformer_blocks\.\d+\.(attn[12]\.(to_q|to_k|to_v|to_out\.0)|ff\.net\.0\.proj)"
"""The linear layers below an attention or a gated feed-forward input, as in the released checkpoints."""


class MapAttention:
    """Attention processor: fused attention, or an explicit one that appends its head-averaged map to `maps`.

    A map is (R, positions, tokens). Only cross-attention called with a list records.
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            layer(tokens).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for layer, tokens in ((attn.to_q, hidden_states), (attn.to_k, source), (attn.to_v, source))
        )
        if maps is None or encoder_hidden_states is None:
            mixed = attend(query, key, value)
        else:
            weights = torch.softmax((query * attn.scale) @ key.transpose(-1, -2), dim=-1)
            maps.append(weights.mean(dim=1))
            mixed = weights.to(value.dtype) @ value
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))


@dataclass(frozen=True, slots=True)
class EncoderFeatures:
    """Output of a U-Net's down path and middle block.

    `skips[i]` is the output of input block i, the first convolution included; `maps[level]` holds the recorded maps of
    that level in layer order.
    """

    skips: list[Tensor]
    middle: Tensor
    maps: dict[int, list[Tensor]]


@dataclass(frozen=True, slots=True)
class DecoderFeatures:
    """Output of the up path: `taps[i]` of up block i, at 4, 8, 16 and 32 px; `maps` as in `EncoderFeatures`."""

    taps: list[Tensor]
    maps: dict[int, list[Tensor]]


def block_types(attention: tuple[bool, ...], kind: str) -> tuple[str, ...]:
    """Return the diffusers names of the `kind` ("Down" or "Up") blocks of levels with and without attention."""
    return tuple(f"CrossAttn{kind}Block2D" if has else f"{kind}Block2D" for has in attention)


def time_embedding(net: Any, timestep: int | Tensor) -> Tensor:
    """Return the embedding of a time step: (1, C), one for all rows, or (R, C) of steps (R,)."""
    weight = net.time_embedding.linear_1.weight
    step = timestep if isinstance(timestep, Tensor) else torch.full((1,), timestep, device=weight.device)
    return net.time_embedding(net.time_proj(step).to(weight.dtype))


def encode(net: Any, sample: Tensor, temb: Tensor, context: Tensor, *, record: bool) -> EncoderFeatures:
    """Run the first convolution, the down blocks and the middle block of a diffusers U-Net or ControlNet.

    Args:
        net: has `conv_in`, `down_blocks` and `mid_block`.
        sample: (R, C, 32, 32).
        temb: (1 or R, C) time embedding.
        context: (R, 30, context_dim) prompt tokens.
        record: whether to keep the cross-attention maps of `MAP_LEVELS`.
    """
    maps: dict[int, list[Tensor]] = {level: [] for level in MAP_LEVELS if record}
    hidden = net.conv_in(sample)
    skips = [hidden]
    for level, block in enumerate(net.down_blocks):
        for index, resnet in enumerate(block.resnets):
            hidden = _attend(block, index, resnet(hidden, temb), context, maps.get(level))
            skips.append(hidden)
        for sampler in block.downsamplers or ():
            hidden = sampler(hidden)
            skips.append(hidden)
    hidden = net.mid_block.resnets[0](hidden, temb)
    for index, resnet in enumerate(net.mid_block.resnets[1:]):
        hidden = resnet(_attend(net.mid_block, index, hidden, context, None), temb)
    return EncoderFeatures(skips, hidden, maps)


def decode(net: Any, middle: Tensor, skips: list[Tensor], temb: Tensor, context: Tensor) -> DecoderFeatures:
    """Run the up blocks; the tap of a block comes before its last residual layer, that of the last block at its end.

    With two layers per block these are the published output blocks 1, 4, 7 and 11.
    """
    levels = len(net.up_blocks)
    maps: dict[int, list[Tensor]] = {level: [] for level in MAP_LEVELS}
    taps: list[Tensor] = []
    waiting = list(skips)
    hidden = middle
    for step, block in enumerate(net.up_blocks):
        tap_at = len(block.resnets) - (1 if step == levels - 1 else 2)
        for index, resnet in enumerate(block.resnets):
            hidden = resnet(torch.cat([hidden, waiting.pop()], dim=1), temb)
            hidden = _attend(block, index, hidden, context, maps.get(levels - 1 - step))
            if index == tap_at:
                taps.append(hidden)
        for sampler in block.upsamplers or ():
            hidden = sampler(hidden)
    return DecoderFeatures(taps, maps)


def build_unet(config: BackboneConfig) -> Any:
    """Return the U-Net without its output head, with LoRA layers when the configuration has a rank."""
    unet: Any = UNet2DConditionModel(
        in_channels=config.latent_channels,
        down_block_types=block_types(config.unet_attention, "Down"),
        up_block_types=block_types(config.unet_attention[::-1], "Up"),
        block_out_channels=config.unet_channels,
        layers_per_block=config.unet_layers,
        norm_num_groups=config.unet_groups,
        cross_attention_dim=config.context_dim,
        attention_head_dim=config.unet_heads,
    )
    for head in ("conv_norm_out", "conv_act", "conv_out"):
        delattr(unet, head)
    unet.set_attn_processor(MapAttention())
    if config.lora_rank:
        from peft import inject_adapter_in_model

        inject_adapter_in_model(lora_config(config.lora_rank), unet)
    return unet


def lora_config(rank: int) -> "LoraConfig":
    """Return what the published LoRA is to peft: its scale is 1, so alpha equals the rank."""
    from peft import LoraConfig  # two seconds of a start, and few networks have LoRA layers

    return LoraConfig(r=rank, lora_alpha=rank, target_modules=LORA_TARGETS, init_lora_weights="gaussian")


def _attend(block: Any, index: int, hidden: Tensor, context: Tensor, maps: list[Tensor] | None) -> Tensor:
    """Apply the attention layer `index` of a block, where it has one."""
    if not getattr(block, "has_cross_attention", False):
        return hidden
    return block.attentions[index](
        hidden, encoder_hidden_states=context, cross_attention_kwargs={"maps": maps}, return_dict=False
    )[0]
