"""Names of this network translated to the names of the authors' checkpoints, and back."""

import re
from collections.abc import Iterable
from contextlib import suppress

from torch import Tensor

from dpmesh.network.config import NetworkConfig

DIFFUSION = "backbone.sd_model.model.diffusion_model."
CONTROL = "backbone.sd_model.control_model."
VAE = "backbone.sd_model.first_stage_model."

ALIASES = {
    "backbone.unet.unet.": "backbone.sd_model.",
    "backbone.encoder_vq.": "backbone.sd_model.first_stage_model.",
}
"""Prefixes under which the checkpoints repeat tensors, and the prefix they repeat."""

SCHEDULES = (
    "betas|alphas_cumprod|alphas_cumprod_prev|sqrt_alphas_cumprod|sqrt_one_minus_alphas_cumprod"
    "|log_one_minus_alphas_cumprod|sqrt_recip_alphas_cumprod|sqrt_recipm1_alphas_cumprod|posterior_variance"
    "|posterior_log_variance_clipped|posterior_mean_coef1|posterior_mean_coef2|logvar"
)
"""Buffers of the diffusion process, which a single pass does not read."""

UNUSED = re.compile(
    r"backbone\.sd_model\.(cond_stage_model\.|first_stage_model\.(post_quant_conv|decoder)\."
    rf"|model\.diffusion_model\.out\.|({SCHEDULES})$)"
    r"|vposer\.(vposer\.)?bodyprior_enc_|human_model_layer\.|pos_embed_1d\.pos_table$"
)
"""Never read in the forward pass, or recomputed: text encoder, decoder, schedules, VPoser's encoder, the SMPL layer."""

PLAIN_NAMES = {
    "transformer.body_query": "spose_shape_cam_param",
    "transformer.joint_query": "query.weight",
    "volume.exponent": "exponent",
    "transformer.body_start": "transformer.smpl_tgt",
    "transformer.joint_start": "transformer.kp_tgt",
}

PREFIXES = {  # longest first: "volume." would take what belongs to "volume.lift."
    "backbone.latents.quant_conv.": "backbone.sd_model.first_stage_model.quant_conv.",
    "transformer.point_position.": "transformer.decoder.fc_pos_3d.",
    "transformer.joint_regress.": "transformer.decoder.joint_img_regress.",
    "backbone.fusion.middle.": "backbone.outmodules.1.0.",
    "backbone.fusion.merge.": "backbone.outmodules.2.",
    "backbone.fusion.fine.": "backbone.outmodules.0.",
    "backbone.prompt.lift.": "kp_lifting.",
    "transformer.encoder.": "transformer.encoder.layers.",
    "transformer.decoder.": "transformer.decoder.layers.",
    "transformer.reduce.": "down_linear.",
    "camera_head.steps.": "cascade_cam_out.",
    "transformer.norm.": "transformer.decoder.norm.",
    "shape_head.steps.": "cascade_shaoe_out.",
    "root_head.steps.": "cascade_root_pose_out.",
    "pose_head.steps.": "cascade_pose_out.",
    "volume.place.": "conv_3d_coord.0.",
    "volume.lift.": "conv2d_to_3d.",
    "pose_prior.": "vposer.vposer.bodyprior_dec_",
    "volume.": "refine_3d.",
}

RESIDUAL_NAMES = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}

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


def canonical_name(name: str) -> str:
    """Return an official name without the data-parallel prefix and with aliases resolved."""
    name = name.removeprefix("module.")
    for alias, prefix in ALIASES.items():
        if name.startswith(alias):
            return prefix + name.removeprefix(alias)
    return name


def own_names(names: Iterable[str], config: NetworkConfig) -> dict[str, str]:
    """Return this network's names by their official ones, without those that the published network has not."""
    found = {}
    for name in names:
        with suppress(KeyError, ValueError):
            found[official_name(name, config)] = name
    return found


def official_name(name: str, config: NetworkConfig) -> str:
    """Return the official name, without `module.`, of the tensor that this network calls `name`.

    Raises:
        KeyError: the published network has no such tensor.
    """
    if name in PLAIN_NAMES:
        return PLAIN_NAMES[name]
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
    for ours, official in PREFIXES.items():
        if name.startswith(ours):
            return official + re.sub(r"\.ffn\.(linear[12])\.", r".\1.", name.removeprefix(ours))
    raise KeyError(f"{name}: the published network has no such tensor")


def fit_shape(name: str, tensor: Tensor) -> Tensor:
    """Return an official tensor in the shape of this network's `name`: see `official_shape`."""
    return tensor.flatten(1) if tensor.ndim > 2 and len(official_shape(name, ())) else tensor


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
    return f"{RESIDUAL_NAMES[part]}.{tail}"
