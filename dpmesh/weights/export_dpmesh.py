"""Export to the authors' file layout: a network of this program for the published code."""

import os
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from configs.errors import InputError, WeightsError
from dpmesh.network.config import NetworkConfig
from dpmesh.network.stored import PRIOR
from dpmesh.network.stored_config import read_config
from dpmesh.stored.cache import WEIGHTS_FILE, check_space
from dpmesh.stored.checkpoint import listing, one_line, read_checkpoint, read_safetensors
from dpmesh.weights.import_dpmesh import ADAPTER_FOLDER
from dpmesh.weights.lora import BASE, DOWN, UP, merged_weight, read_adapter, split_names
from dpmesh.weights.official_names import ALIASES, canonical_name, official_name, official_shape

PARALLEL_PREFIX = "module."


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    path: Path
    own_count: int  # distinct tensors that came from the network
    template_count: int  # tensors that came from the template
    is_complete: bool  # whether the published code can load it strictly


def export_dpmesh(folder: Path, target: Path, *, template: Path | None = None) -> ExportReport:
    """Write a network as an authors' checkpoint: their names, `module.` before each, every alias on the same storage.

    Args:
        folder: a network's folder, imported or trained, in the layout of the release.
        template: an authors' checkpoint. What the network does not hold (text encoder, schedules, the U-Net's head,
            SMPL, VPoser) is taken from it, so that the published code loads the result strictly. Without it the file
            fits a non-strict load.

    Raises:
        WeightsError: the network is none of the published layout, or the template is none of it or damaged.
        InputError: the target exists or cannot be written.
    """
    if target.exists():
        raise InputError(f"{target} exists; delete it first, or give another path")
    config = NetworkConfig.from_mappings(*read_config(folder).values())
    own = official_tensors(folder, config)
    written: OrderedDict[str, Tensor] = OrderedDict()
    template_count = 0
    if template is None:
        for name, tensor in own.items():
            for alias in names_of(name):
                written[PARALLEL_PREFIX + alias] = tensor
    else:
        lender = read_checkpoint(template)
        lender.check_content()
        for name, tensor in lender.tensors.items():
            canonical = canonical_name(name)
            mine = own.get(canonical)
            if mine is not None and mine.shape != tensor.shape:
                shapes = f"{tuple(tensor.shape)}, the network's is {tuple(mine.shape)}"
                raise WeightsError(f"{template}: {name} has shape {shapes}; it is of another network")
            written[name] = tensor if mine is None else mine
            template_count += mine is None
        absent = own.keys() - {canonical_name(name) for name in written}
        if absent:
            raise WeightsError(f"{template}: lacks {listing(absent)}; it is no complete DPMesh checkpoint")
    check_space(target, 4 * sum({tensor.data_ptr(): tensor.numel() for tensor in written.values()}.values()))
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.save(written, part)
        os.replace(part, target)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise InputError(f"{target}: cannot be written ({one_line(error)})") from error
    finally:
        with suppress(OSError):  # the error above tells more
            part.unlink()
    return ExportReport(target, len(own), template_count, template is not None)


def official_tensors(folder: Path, config: NetworkConfig) -> dict[str, Tensor]:
    """Return the tensors of a stored network under canonical official names, in official shapes.

    Merged LoRA layers are separated again: by the adapter beside the weights where there is one (a weight then comes
    back to within its last bit), else they are left out.
    """
    stored = read_safetensors(folder / WEIGHTS_FILE)
    adapter_folder = folder / ADAPTER_FOLDER
    if not config.backbone.lora_rank and adapter_folder.is_dir():
        stored = _separate(stored, read_adapter(adapter_folder, config))
    named = {}
    for ours, tensor in stored.items():
        if ours.startswith(PRIOR):
            continue
        try:
            name = official_name(ours, config)
        except (KeyError, ValueError) as error:
            raise WeightsError(
                f"{folder}: {ours} has no place in the published network; only its layout can be exported"
            ) from error
        named[name] = tensor.float().reshape(official_shape(ours, tuple(tensor.shape)))
    return named


def names_of(name: str) -> list[str]:
    """Return every name under which the authors' files keep the tensor of a canonical name, itself first."""
    return [name] + [alias + name.removeprefix(prefix) for alias, prefix in ALIASES.items() if name.startswith(prefix)]


def _separate(stored: Mapping[str, Tensor], adapter: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return base weights and LoRA layers of a merged network."""
    separated = split_names(stored, adapter)
    for down in (name for name in adapter if name.endswith(DOWN)):
        layer = down.removesuffix(DOWN)
        weight = f"{layer}{BASE}weight"
        separated[weight] = merged_weight(separated[weight], adapter[down], adapter[layer + UP], sign=-1)
    return separated | dict(adapter)
