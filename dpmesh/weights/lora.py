"""The LoRA layers of the U-Net: merged for inference, and kept as an adapter in peft's own format."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftConfig,
    get_peft_model,
    get_peft_model_state_dict,
    load_peft_weights,
    set_peft_model_state_dict,
)
from peft.tuners.lora import LoraLayer
from torch import Tensor

from configs.errors import WeightsError
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.network.stored import WithoutRandomFill
from dpmesh.network.unet import build_unet, lora_config
from dpmesh.stored.checkpoint import listing, one_line

UNET = "backbone.unet."
BASE, DOWN, UP = ".base_layer.", ".lora_A.default.weight", ".lora_B.default.weight"
PEFT_PREFIX = "base_model.model."
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def without_lora(config: NetworkConfig) -> NetworkConfig:
    """Return the configuration of the same network with its LoRA layers merged."""
    return with_rank(config, 0)


def with_rank(config: NetworkConfig, rank: int) -> NetworkConfig:
    """Return the configuration of the same network with LoRA layers of another rank; 0: without them."""
    return replace(config, backbone=replace(config.backbone, lora_rank=rank))


def merged_weight(base: Tensor, down: Tensor, up: Tensor, *, sign: int = 1) -> Tensor:
    """Return base + up @ down, (out, in), rounded once to float32; `sign` -1 takes the LoRA layer out again."""
    return (base.double() + sign * (up.double() @ down.double())).float()


def merge_lora(network: DPMesh) -> DPMesh:
    """Merge the LoRA layers of a network into the weights they add to, in place, and return it."""
    if not network.settings.backbone.lora_rank:
        return network
    unet: Any = network.backbone.unet
    layers = [(name, module) for name, module in unet.named_modules() if isinstance(module, LoraLayer)]
    for name, layer in layers:
        base: Any = layer.get_base_layer()
        dtype = base.weight.dtype
        down: Any = layer.lora_A["default"].weight
        up: Any = layer.lora_B["default"].weight
        with torch.no_grad():
            base.weight.copy_(merged_weight(base.weight, down, layer.scaling["default"] * up).to(dtype))
        parent, _, leaf = name.rpartition(".")
        setattr(unet.get_submodule(parent), leaf, base)
    if layers:
        network.settings = without_lora(network.settings)
        network.backbone.config = network.settings.backbone
        network.register_to_config(backbone_config=asdict(network.settings.backbone))
    return network


def adapter_tensors(network: DPMesh) -> dict[str, Tensor]:
    """Return the LoRA tensors of a network under its own names; empty when it has none."""
    return {name: t.detach() for name, t in network.state_dict().items() if name.endswith((DOWN, UP))}


def write_adapter(folder: Path, tensors: Mapping[str, Tensor], config: NetworkConfig) -> None:
    """Write LoRA tensors as a peft adapter of the U-Net: `PeftModel.from_pretrained(unet, folder)` reads it.

    Args:
        tensors: under this network's names, as `adapter_tensors` gives them.
        config: the network's; its `lora_rank` is the adapter's.
    """
    with WithoutRandomFill():  # only the wiring is needed: no weight of the U-Net goes into the adapter
        unet = build_unet(without_lora(config).backbone)
        model = get_peft_model(unet, lora_config(config.backbone.lora_rank))
    named = {
        PEFT_PREFIX + name.removeprefix(UNET).replace(".default.", "."): tensor for name, tensor in tensors.items()
    }
    wanted = get_peft_model_state_dict(model)
    if wanted.keys() != named.keys():
        raise ValueError(f"{listing(wanted.keys() ^ named.keys())}: not the LoRA tensors of this network")
    set_peft_model_state_dict(model, named)
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's model card template, with every field open


def read_adapter(folder: Path, config: NetworkConfig) -> dict[str, Tensor]:
    """Return the tensors of a peft adapter of the U-Net under this network's names.

    Raises:
        WeightsError: it is no LoRA adapter, or not one of this network's layers, or its scale is not 1.
    """
    for name in ADAPTER_FILES:
        if not (folder / name).is_file():
            raise WeightsError(f"{folder}: has no {name}; give the folder of a peft adapter")
    try:
        found = PeftConfig.from_pretrained(str(folder))
        tensors = load_peft_weights(str(folder), device="cpu")
    except Exception as error:  # peft raises what JSON, safetensors and its own checks raise
        raise WeightsError(f"{folder}: cannot be read as a peft adapter ({one_line(error)})") from error
    if not isinstance(found, LoraConfig) or found.use_dora or found.use_rslora or found.lora_alpha != found.r:
        raise WeightsError(f"{folder}: is no plain LoRA adapter of scale 1 (alpha = rank), as the published network's")
    named = {_own_name(name): tensor for name, tensor in tensors.items()}
    with torch.device("meta"):
        wanted = adapter_tensors(DPMesh(**with_rank(config, found.r).to_mappings()))
    missing, unknown = wanted.keys() - named.keys(), named.keys() - wanted.keys()
    if missing or unknown:
        problem = f"lacks {listing(missing)}" if missing else f"holds {listing(unknown)}, which the network has not"
        raise WeightsError(f"{folder}: {problem}; the adapter is of another network")
    wrong = [name for name, tensor in named.items() if tensor.shape != wanted[name].shape]
    if wrong:
        shapes = f"{tuple(named[wrong[0]].shape)}, expected {tuple(wanted[wrong[0]].shape)}"
        raise WeightsError(f"{folder}: {wrong[0]} has shape {shapes}; the adapter is of another network")
    return named


def add_adapter(network: DPMesh, folder: Path) -> DPMesh:
    """Return a network of the same weights with the LoRA layers of a peft adapter, to be trained on or merged.

    Raises:
        WeightsError: the adapter does not fit, or the network has LoRA layers already.
    """
    if network.settings.backbone.lora_rank:
        raise WeightsError(f"{folder}: the network has LoRA layers already; merge them before adding others")
    tensors = read_adapter(folder, network.settings)
    rank = next(tensor.shape[0] for name, tensor in tensors.items() if name.endswith(DOWN))
    config = with_rank(network.settings, rank)
    state = split_names(network.state_dict(), tensors) | tensors
    with WithoutRandomFill():
        grown = DPMesh(**config.to_mappings())
    grown.load_state_dict(state, assign=True)
    return grown.train(network.training)


def split_names(state: Mapping[str, Tensor], adapter: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a merged network's tensors under the names they have beside LoRA layers; values stay."""
    adapted = {name.removesuffix(DOWN) for name in adapter if name.endswith(DOWN)}
    renamed = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".")
        renamed[f"{layer}{BASE}{last}" if layer in adapted else name] = tensor
    return renamed


def _own_name(name: str) -> str:
    inner = name.removeprefix(PEFT_PREFIX)
    for part in ("lora_A", "lora_B"):
        inner = inner.replace(f".{part}.weight", f".{part}.default.weight")
    return UNET + inner
