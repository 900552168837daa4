"""Names of this network translated to the names of the authors' checkpoints: the other way of `official_keys`."""

import re

from dpmesh.network.config import NetworkConfig
from dpmesh.weights.official_keys import PLAIN_NAMES, PREFIXES, RESIDUAL_NAMES

DIFFUSION = "backbone.sd_model.model.diffusion_model."
CONTROL = "backbone.sd_model.control_model."
VAE = "backbone.sd_model.first_stage_model."

_PLAIN = {ours: official for official, ours in PLAIN_NAMES.items()}
# longest first: "volume." would take what belongs to "volume.lift."
_OURS_FIRST = sorted(((ours, official) for official, ours in PREFIXES.items()), key=lambda pair: -len(pair[0]))
_RESIDUAL = {ours: official for official, ours in RESIDUAL_NAMES.items()}

_ENCODER = (
    (r"down_blocks\.(\d+)\.resnets\.(\d+)\.", r"down.\1.block.\2."),
    (r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.", r"down.\1.downsample.conv."),
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"mid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"mid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"conv_norm_out\.", "norm_out."),
    (r"conv_shortcut\.", "nin_shortcut."),
)


def official_name(name: str, config: NetworkConfig) -> str:
    """Return the official name, without `module.`, of the tensor that this network calls `name`.

    Raises:
        KeyError: the published network has no such tensor.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    if name.startswith("backbone.unet."):
        inner = name.removeprefix("backbone.unet.").replace(".base_layer.", ".linear.")
        inner = inner.replace("lora_A.default.", "lora_down.").replace("lora_B.default.", "lora_up.")
        return DIFFUSION + _diffusion_name(inner, config.backbone.unet_layers, config.backbone.unet_attention)
    if name.startswith("backbone.control.net."):
        inner = name.removeprefix("backbone.control.net.")
        return CONTROL + _diffusion_name(inner, config.backbone.unet_layers, config.backbone.control_attention)
    outlet = re.fullmatch(r"backbone\.control\.outlets\.(\d+)\.(.*)", name)
    if outlet:
        is_last = int(outlet[1]) == 4 * (config.backbone.unet_layers + 1)
        return CONTROL + (f"middle_block_out.0.{outlet[2]}" if is_last else f"zero_convs.{outlet[1]}.0.{outlet[2]}")
    if name.startswith("backbone.latents.encoder."):
        inner = name.removeprefix("backbone.latents.encoder.")
        for pattern, replacement in _ENCODER:
            inner = re.sub(pattern, replacement, inner)
        return f"{VAE}encoder.{inner}"
    for ours, official in _OURS_FIRST:
        if name.startswith(ours):
            return official + re.sub(r"\.ffn\.(linear[12])\.", r".\1.", name.removeprefix(ours))
    raise KeyError(f"{name}: the published network has no such tensor")


def official_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape under which the authors' files keep the tensor that this network calls `name`.

    Some linear layers here are 1x1 convolutions there.
    """
    if name == "volume.place.weight":
        return (*shape, 1, 1, 1)
    if re.fullmatch(r"backbone\.latents\.encoder\.mid_block\.attentions\.0\.to_(q|k|v|out\.0)\.weight", name):
        return (*shape, 1, 1)
    return shape


def _diffusion_name(inner: str, layers: int, attention: tuple[bool, ...]) -> str:
    """Return the original name of a tensor of a diffusers U-Net or ControlNet."""
    per_level = layers + 1
    head, rest = inner.split(".", 1)
    if head == "conv_in":
        return f"input_blocks.0.0.{rest}"
    if head == "time_embedding":
        layer, rest = rest.split(".", 1)
        return f"time_embed.{2 * (int(layer[-1]) - 1)}.{rest}"
    if head == "mid_block":
        kind, place, rest = rest.split(".", 2)
        return f"middle_block.1.{rest}" if kind == "attentions" else f"middle_block.{2 * int(place)}.{_residual(rest)}"
    if head not in ("down_blocks", "up_blocks"):
        raise KeyError(f"{inner}: the published U-Net has no such tensor")
    level_text, kind, place, rest = rest.split(".", 3)
    level, index = int(level_text), int(place)
    if head == "down_blocks":
        block = 1 + level * per_level + (layers if kind == "downsamplers" else index)
        if kind == "downsamplers":
            return f"input_blocks.{block}.0.op.{rest.removeprefix('conv.')}"
        return f"input_blocks.{block}.{_layer(kind, rest)}"
    block = level * per_level + (layers if kind == "upsamplers" else index)
    if kind == "upsamplers":
        return f"output_blocks.{block}.{2 if attention[::-1][level] else 1}.{rest}"
    return f"output_blocks.{block}.{_layer(kind, rest)}"


def _layer(kind: str, rest: str) -> str:
    return f"1.{rest}" if kind == "attentions" else f"0.{_residual(rest)}"


def _residual(rest: str) -> str:
    part, tail = rest.rsplit(".", 1)
    return f"{_RESIDUAL[part]}.{tail}"
