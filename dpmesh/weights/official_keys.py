"""Names of the authors' checkpoints translated to the names of this network."""

import re
from collections.abc import Mapping

from torch import Tensor

from dpmesh.network.config import NetworkConfig

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
    "spose_shape_cam_param": "transformer.body_query",
    "query.weight": "transformer.joint_query",
    "exponent": "volume.exponent",
    "transformer.smpl_tgt": "transformer.body_start",
    "transformer.kp_tgt": "transformer.joint_start",
}

PREFIXES = {
    "backbone.outmodules.0.": "backbone.fusion.fine.",
    "backbone.outmodules.1.0.": "backbone.fusion.middle.",
    "backbone.outmodules.2.": "backbone.fusion.merge.",
    "backbone.sd_model.first_stage_model.quant_conv.": "backbone.latents.quant_conv.",
    "conv2d_to_3d.": "volume.lift.",
    "conv_3d_coord.0.": "volume.place.",
    "refine_3d.": "volume.",
    "down_linear.": "transformer.reduce.",
    "transformer.encoder.layers.": "transformer.encoder.",
    "transformer.decoder.layers.": "transformer.decoder.",
    "transformer.decoder.norm.": "transformer.norm.",
    "transformer.decoder.joint_img_regress.": "transformer.joint_regress.",
    "transformer.decoder.fc_pos_3d.": "transformer.point_position.",
    "kp_lifting.": "backbone.prompt.lift.",
    "cascade_root_pose_out.": "root_head.steps.",
    "cascade_pose_out.": "pose_head.steps.",
    "cascade_shaoe_out.": "shape_head.steps.",
    "cascade_cam_out.": "camera_head.steps.",
    "vposer.vposer.bodyprior_dec_": "pose_prior.",
}

RESIDUAL_NAMES = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}

_ENCODER = (
    (r"down\.(\d+)\.block\.(\d+)\.", r"down_blocks.\1.resnets.\2."),
    (r"down\.(\d+)\.downsample\.conv\.", r"down_blocks.\1.downsamplers.0.conv."),
    (r"mid\.block_1\.", "mid_block.resnets.0."),
    (r"mid\.block_2\.", "mid_block.resnets.1."),
    (r"mid\.attn_1\.norm\.", "mid_block.attentions.0.group_norm."),
    (r"mid\.attn_1\.proj_out\.", "mid_block.attentions.0.to_out.0."),
    (r"mid\.attn_1\.([qkv])\.", r"mid_block.attentions.0.to_\1."),
    (r"norm_out\.", "conv_norm_out."),
    (r"nin_shortcut\.", "conv_shortcut."),
)


def canonical_name(name: str) -> str:
    """Return an official name without the data-parallel prefix and with aliases resolved."""
    name = name.removeprefix("module.")
    for alias, prefix in ALIASES.items():
        if name.startswith(alias):
            return prefix + name.removeprefix(alias)
    return name


def translate(name: str, config: NetworkConfig) -> str | None:
    """Return this network's name of the official tensor `name`, or None when the forward pass does not need it.

    Raises:
        KeyError: the name belongs to no part of the published network.
    """
    name = canonical_name(name)
    if UNUSED.match(name):
        return None
    if name in PLAIN_NAMES:
        return PLAIN_NAMES[name]
    diffusion = "backbone.sd_model.model.diffusion_model."
    if name.startswith(diffusion):
        inner = _diffusion_name(name.removeprefix(diffusion), config)
        inner = inner.replace(".linear.", ".base_layer.")
        return "backbone.unet." + re.sub(r"lora_(down|up)\.", lambda m: _LORA[m[1]], inner)
    control = "backbone.sd_model.control_model."
    if name.startswith(control):
        return _control_name(name.removeprefix(control), config)
    encoder = "backbone.sd_model.first_stage_model.encoder."
    if name.startswith(encoder):
        inner = name.removeprefix(encoder)
        for pattern, replacement in _ENCODER:
            inner = re.sub(pattern, replacement, inner)
        return "backbone.latents.encoder." + inner
    for prefix, ours in PREFIXES.items():
        if name.startswith(prefix):
            return ours + re.sub(r"\.(linear[12])\.", r".ffn.\1.", name.removeprefix(prefix))
    raise KeyError(f"{name}: no part of the published network has this tensor")


_LORA = {"down": "lora_A.default.", "up": "lora_B.default."}


def convert(state: Mapping[str, Tensor], config: NetworkConfig) -> dict[str, Tensor]:
    """Return a state dict of this network made of an official one, without the tensors it does not need.

    A tensor present under several names is read once.

    Raises:
        KeyError: a name is unknown.
    """
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        ours = translate(name, config)
        if ours is not None and ours not in converted:
            converted[ours] = fit_shape(ours, tensor)
    return converted


def fit_shape(name: str, tensor: Tensor) -> Tensor:
    """Return an official tensor in the shape of this network's `name`: some 1x1 convolutions are linear layers here."""
    return tensor.flatten(1) if _is_linear_here(name) and tensor.ndim > 2 else tensor


def _is_linear_here(name: str) -> bool:
    return name == "volume.place.weight" or bool(
        re.match(r"backbone\.latents\.encoder\.mid_block\.attentions\.0\.to_(q|k|v|out\.0)\.weight", name)
    )


def _control_name(inner: str, config: NetworkConfig) -> str:
    outlet = re.match(r"zero_convs\.(\d+)\.0\.(.*)", inner)
    if outlet:
        return f"backbone.control.outlets.{outlet[1]}.{outlet[2]}"
    if inner.startswith("middle_block_out.0."):
        last = 4 * (config.backbone.unet_layers + 1)  # after the outlets of the input blocks
        return f"backbone.control.outlets.{last}.{inner.removeprefix('middle_block_out.0.')}"
    return "backbone.control.net." + _diffusion_name(inner, config)


def _diffusion_name(inner: str, config: NetworkConfig) -> str:
    """Return the diffusers name of a tensor of the original U-Net, below the U-Net itself."""
    per_level = config.backbone.unet_layers + 1
    head, _, rest = inner.partition(".")
    if head == "time_embed":
        index, _, rest = rest.partition(".")
        return f"time_embedding.linear_{1 + int(index) // 2}.{rest}"
    index, part, rest = rest.split(".", 2)
    if head == "middle_block":
        if index == "1":
            return f"mid_block.attentions.0.{part}.{rest}"
        return f"mid_block.resnets.{int(index) // 2}.{_residual_name(f'{part}.{rest}')}"
    block = int(index)
    if head == "input_blocks":
        if block == 0:
            return f"conv_in.{rest}"
        level, layer = divmod(block - 1, per_level)
        if layer == per_level - 1:
            return f"down_blocks.{level}.downsamplers.0.conv.{rest.removeprefix('op.')}"
        return f"down_blocks.{level}.{_layer_name(layer, part, rest)}"
    if head == "output_blocks":
        level, layer = divmod(block, per_level)
        if rest.startswith("conv."):
            return f"up_blocks.{level}.upsamplers.0.{rest}"
        return f"up_blocks.{level}.{_layer_name(layer, part, rest)}"
    raise KeyError(f"{inner}: no part of the published U-Net has this tensor")


def _layer_name(layer: int, part: str, rest: str) -> str:
    return f"resnets.{layer}.{_residual_name(rest)}" if part == "0" else f"attentions.{layer}.{rest}"


def _residual_name(rest: str) -> str:
    for official, ours in RESIDUAL_NAMES.items():
        if rest.startswith(f"{official}."):
            return f"{ours}.{rest.removeprefix(f'{official}.')}"
    raise KeyError(f"{rest}: no part of a published residual block has this tensor")
