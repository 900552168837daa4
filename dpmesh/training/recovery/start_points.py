"""Where training starts: Stable Diffusion 1.5 and ControlNet-openpose in the U-Net, control branch and encoder."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from configs.errors import WeightsError
from dpmesh.network.model import DPMesh
from dpmesh.stored.checkpoint import listing, read_checkpoint
from dpmesh.weights.official_names import fit_shape, own_names

UNET, CONTROL, LATENTS = "backbone.unet.", "backbone.control.", "backbone.latents."
CONTROL_INPUT = "backbone.control.net.conv_in.weight"
FOLDER_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
OLD_VAE_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""What diffusers called the layers of the VAE's attention when Stable Diffusion 1.5 was published."""

NOT_USED = re.compile(
    r"(unet|control)/(conv_norm_out|conv_out)\.|vae/(decoder|post_quant_conv)\.|control/controlnet_cond_embedding\."
    r"|control_model\.input_hint_block\.|model_ema\.|cond_stage_model\.|first_stage_model\.(decoder|post_quant_conv|loss)\."
    r"|model\.diffusion_model\.out\.|[a-z0-9_]+$"
)
"""Parts of the published files that the network has no place for: output heads, decoder, hint encoder, text encoder."""

Namer = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class StartReport:
    """What was taken over."""

    unet_count: int
    control_count: int
    latents_count: int
    new_input_channels: int  # of the control branch, which start at zero


def start_from_stable_diffusion(network: DPMesh, diffusion: Path, control: Path | None = None) -> StartReport:
    """Fill a network's U-Net, control branch and image encoder in place; the rest keeps its values.

    The control branch's first convolution reads the latent with the pre-trained weights; the heat maps' channels start
    at zero. Its outlets take the pre-trained zero convolutions. LoRA layers stay as they were made.

    Args:
        network: of the layout of Stable Diffusion 1.5, as the presets `release` and `paper`.
        diffusion: a diffusers folder with `unet` and `vae`, or an original single file (`v1-5-pruned.safetensors`,
            `control_sd15_openpose.pth`).
        control: a ControlNet's diffusers folder or original single file. Not needed where `diffusion` holds one.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape; it is named.
    """
    found = _read_folder(diffusion, network) if diffusion.is_dir() else _read_single(diffusion, network)
    if control is not None:
        own = _read_control(control, network) if control.is_dir() else _read_single(control, network)
        found = {name: t for name, t in found.items() if not name.startswith(CONTROL)}
        found |= {name: t for name, t in own.items() if name.startswith(CONTROL)}
    elif not any(name.startswith(CONTROL) for name in found):
        raise WeightsError(f"{diffusion}: holds no control branch; give a ControlNet (sd-controlnet-openpose) as well")
    return _fill(network, found, diffusion if control is None else control)


def _fill(network: DPMesh, found: Mapping[str, Tensor], path: Path) -> StartReport:
    parts = (UNET, CONTROL, LATENTS)
    wanted = {
        name: tensor for name, tensor in network.state_dict().items() if name.startswith(parts) and "lora_" not in name
    }
    missing = wanted.keys() - found.keys()
    if missing:
        raise WeightsError(f"{path}: lacks {listing(missing)} (as this program calls it); take Stable Diffusion 1.5")
    grown = 0
    values = {}
    for name, target in wanted.items():
        tensor = fit_shape(name, found[name])
        if name == CONTROL_INPUT:
            grown = target.shape[1] - tensor.shape[1]
            tensor = with_new_channels(tensor, target.shape[1])
        if tensor.shape != target.shape:
            shapes = f"{tuple(tensor.shape)}, the network's is {tuple(target.shape)}"
            raise WeightsError(f"{path}: {name} (our name) has shape {shapes}; take Stable Diffusion 1.5")
        values[name] = tensor
    with torch.no_grad():
        for name, tensor in values.items():
            wanted[name].copy_(tensor)
    unet, control, latents = (sum(name.startswith(part) for name in wanted) for part in parts)
    return StartReport(unet, control, latents, new_input_channels=grown)


def with_new_channels(weight: Tensor, channels: int) -> Tensor:
    """Return a convolution's weight (O, channels, H, W): `weight` (O, C, H, W), then zeros."""
    grown = weight.new_zeros(weight.shape[0], max(channels, weight.shape[1]), *weight.shape[2:])
    grown[:, : weight.shape[1]] = weight
    return grown


def _read_folder(folder: Path, network: DPMesh) -> dict[str, Tensor]:
    found = _named(folder / "unet", "unet/", lambda name: UNET + name, network)
    return found | _named(folder / "vae", "vae/", _latents_name, network)


def _read_control(folder: Path, network: DPMesh) -> dict[str, Tensor]:
    last = len(network.backbone.control.outlets) - 1

    def rename(name: str) -> str:
        outlet = re.fullmatch(r"controlnet_(?:down_blocks\.(\d+)|mid_block)\.(weight|bias)", name)
        if outlet:
            return f"{CONTROL}outlets.{outlet[1] or last}.{outlet[2]}"
        return f"{CONTROL}net.{name}"

    return _named(folder, "control/", rename, network)


def _read_single(path: Path, network: DPMesh) -> dict[str, Tensor]:
    checkpoint = read_checkpoint(path)
    checkpoint.check_content()

    plain = (name.replace(".base_layer.", ".") for name in network.state_dict())
    names = own_names(plain, network.settings)
    return _place(checkpoint.tensors, "", lambda name: names.get(f"backbone.sd_model.{name}"), network, path)


def _named(folder: Path, kind: str, rename: Namer, network: DPMesh) -> dict[str, Tensor]:
    path = next((folder / name for name in FOLDER_FILES if (folder / name).is_file()), None)
    if path is None:
        raise WeightsError(f"{folder}: has no {' or '.join(FOLDER_FILES)}; give a diffusers folder in full precision")
    checkpoint = read_checkpoint(path)
    checkpoint.check_content()
    return _place(checkpoint.tensors, kind, rename, network, path)


def _place(tensors: Mapping[str, Tensor], kind: str, rename: Namer, network: DPMesh, path: Path) -> dict[str, Tensor]:
    own = network.state_dict().keys()
    found = {}
    unknown = []
    for name, tensor in tensors.items():
        if NOT_USED.match(kind + name):
            continue
        ours = _beside_lora(rename(name), own)
        if ours in own:
            found[str(ours)] = tensor
        else:
            unknown.append(name)
    if unknown:
        raise WeightsError(f"{path}: holds {listing(unknown)}, for which the network has no place; check the file")
    return found


def _beside_lora(name: str | None, own: Iterable[str]) -> str | None:
    """Return the name that a layer's weight has where a LoRA layer stands beside it."""
    if name is None or name in own:
        return name
    layer, _, last = name.rpartition(".")
    return f"{layer}.base_layer.{last}"


def _latents_name(name: str) -> str:
    attention = re.match(r"encoder\.mid_block\.attentions\.0\.(query|key|value|proj_attn)\.", name)
    if attention:
        name = name.replace(f".{attention[1]}.", f".{OLD_VAE_ATTENTION[attention[1]]}.")
    return LATENTS + name
