"""Import of the authors' DPMesh checkpoints: their file in, a folder for `DPMesh.from_pretrained` out."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor

from configs.errors import InputError, WeightsError
from configs.weights import imports_folder
from dpmesh.network.config import RELEASE, NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.network.stored import PRIOR
from dpmesh.stored.cache import CONFIG_FILE, WEIGHTS_FILE, check_name, check_space, whole_folder, write_record
from dpmesh.stored.checkpoint import listing, read_checkpoint
from dpmesh.stored.tensor_file import PlannedTensor, write_tensors
from dpmesh.stored.vposer import NAME as VPOSER_NAME
from dpmesh.stored.vposer import check_decoder, find_snapshot, read_decoder, write_decoder
from dpmesh.weights.lora import BASE, DOWN, UP, merged_weight, with_rank, without_lora, write_adapter
from dpmesh.weights.official_names import (
    UNUSED,
    canonical_name,
    fit_shape,
    official_name,
    official_shape,
    own_names,
)

log = logging.getLogger(__name__)

LICENCE = "MIT (code); trained on research data, see the authors' page"
ADAPTER_FOLDER = "lora"
OFFICIAL_DOWN = "lora_down.weight"


@dataclass(frozen=True, slots=True)
class OfficialTensors:
    """What an authors' checkpoint holds of the network, under this network's names, and VPoser's decoder apart."""

    network: Mapping[str, Tensor]
    decoder: Mapping[str, Tensor]  # empty when the file has none


def import_dpmesh(
    source: Path,
    name: str,
    *,
    config: NetworkConfig = RELEASE,
    vposer: Path | None = None,
    is_vposer_taken: bool = False,
    is_lora_kept: bool = False,
    is_replaced: bool = False,
) -> Path:
    """Convert an authors' checkpoint into the folder of the cache that `--model NAME` finds; return the folder.

    The LoRA layers are merged into the weights they add to, which costs inference nothing, and written beside them as
    a peft adapter (`lora/`), from which `export_dpmesh` and `add_adapter` separate them again. SMPL's tensors are not
    written; VPoser's decoder only as the imported `vposer-v1`, and only where asked for.

    Args:
        config: the file's network; the rank of its LoRA layers is taken from the file.
        vposer: a VPoser v1 file or folder that is imported first.
        is_vposer_taken: whether to import VPoser's decoder from the checkpoint itself.
        is_lora_kept: whether to store base weights and LoRA layers unmerged, bit for bit as in the file.
        is_replaced: whether an earlier import may be replaced.

    Raises:
        WeightsError: the file is not such a checkpoint; nothing was written.
        InputError: the name is taken, or the disk is full.
    """
    folder = check_name(name, "dpmesh", is_replaced=is_replaced)
    if vposer is not None and is_vposer_taken:
        raise InputError("VPoser was given as a file and asked from the checkpoint; choose --vposer or --with-vposer")
    checkpoint = read_checkpoint(source)
    config = with_rank(config, _rank_in(checkpoint.tensors, config.backbone.lora_rank))
    official = read_official(checkpoint.tensors, config, source)
    decoder, decoder_source = {}, source
    if is_vposer_taken:
        decoder = check_decoder(official.decoder, source)
    elif vposer is not None:
        decoder_source = find_snapshot(vposer)
        decoder = read_decoder(decoder_source)
    planned = {name: _planned(tensor, name, source) for name, tensor in official.network.items()}
    kept = config if is_lora_kept or not config.backbone.lora_rank else without_lora(config)
    if kept is not config:
        planned = _merge(planned)
    check_space(folder, sum(4 * torch.Size(item.shape).numel() for item in planned.values()))
    checkpoint.check_content()
    check_aliases(checkpoint.tensors, source)
    with whole_folder(folder) as part:
        log.info("%s: %d tensors, writing %s", source.name, len(official.network), folder)
        _write_config(part, kept)
        hashes = {WEIGHTS_FILE: write_tensors(part / WEIGHTS_FILE, planned)}
        adapter = {name: tensor for name, tensor in official.network.items() if name.endswith((DOWN, UP))}
        if kept is not config:
            write_adapter(part / ADAPTER_FOLDER, adapter, config)
        write_record(
            part,
            name,
            importer="dpmesh",
            role="recovery",
            what="released DPMesh checkpoint, imported" + (" with its LoRA layers apart" if is_lora_kept else ""),
            licence=LICENCE,
            source=source,
            hashes=hashes,
        )
        if decoder:
            write_decoder(imports_folder() / VPOSER_NAME, decoder, decoder_source)
    return folder


def read_official(tensors: Mapping[str, Tensor], config: NetworkConfig, path: Path) -> OfficialTensors:
    """Return the tensors of a checkpoint under this network's names.

    Raises:
        WeightsError: a tensor is missing, unexpected or of another shape; it is named as in the file.
    """
    wanted = shapes_of(config)
    names = own_names(wanted, config)
    found: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in tensors.items():
        canonical = canonical_name(name)
        if UNUSED.match(canonical):
            continue
        ours = names.get(canonical)
        if ours is None:
            unknown.append(name)
        elif ours not in found or canonical == name.removeprefix("module."):
            found[ours] = tensor
    missing = [official_name(ours, config) for ours in wanted.keys() - found.keys() if not ours.startswith(PRIOR)]
    if missing and not found:
        raise WeightsError(f"{path}: holds {listing(tensors)}: none of a DPMesh checkpoint's tensors; check the file")
    if missing:
        raise WeightsError(f"{path}: lacks {listing(missing)}; it is no complete DPMesh checkpoint of the release")
    if unknown:
        raise WeightsError(f"{path}: holds {listing(unknown)}, which the released network has not; check the file")
    for ours, shape in wanted.items():
        official = official_shape(ours, shape)
        if ours in found and tuple(found[ours].shape) != official and not ours.startswith(PRIOR):
            shapes = f"{tuple(found[ours].shape)}, the released network's is {official}"
            raise WeightsError(f"{path}: {official_name(ours, config)} has shape {shapes}")
    decoder = {ours.removeprefix(PRIOR): tensor for ours, tensor in found.items() if ours.startswith(PRIOR)}
    own = {ours: fit_shape(ours, found[ours]) for ours in wanted if ours in found and not ours.startswith(PRIOR)}
    return OfficialTensors(own, decoder)


@lru_cache(maxsize=4)
def shapes_of(config: NetworkConfig) -> Mapping[str, tuple[int, ...]]:
    """Return the shape of every tensor of a configuration's network; nothing is allocated."""
    with torch.device("meta"):
        state = DPMesh(**config.to_mappings()).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def check_aliases(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise `WeightsError` when two names of one tensor hold different values.

    Published files keep the values once for all names; then nothing is read.
    """
    first: dict[str, str] = {}
    for name, tensor in tensors.items():
        other = first.setdefault(canonical_name(name), name)
        if other != name and not _is_same(tensor, tensors[other]):
            raise WeightsError(
                f"{path}: {other} and {name} are one tensor and hold different values; the file is wrong"
            )


def _is_same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    is_shared = one.data_ptr() == other.data_ptr() and one.stride() == other.stride()
    return is_shared or torch.equal(one, other)


def _rank_in(tensors: Mapping[str, Tensor], usual: int) -> int:
    """Return the rank of a file's LoRA layers; the usual one where they are of none or of several."""
    ranks = {t.shape[0] for name, t in tensors.items() if name.endswith(OFFICIAL_DOWN) and t.ndim == 2}
    return ranks.pop() if usual and len(ranks) == 1 else usual


def _planned(tensor: Tensor, name: str, path: Path) -> PlannedTensor:
    """Plan a tensor in float32; numbers that are none stop the import when it is written."""
    if not tensor.is_floating_point():
        raise WeightsError(f"{path}: {name} holds {tensor.dtype}, expected floating-point numbers")

    def make() -> Tensor:
        made = tensor.float()
        if not bool(torch.isfinite(made).all()):
            raise WeightsError(f"{path}: {name} holds numbers that are not finite; the training behind it had failed")
        return made

    return PlannedTensor(tuple(tensor.shape), torch.float32, make)


def _merge(planned: Mapping[str, PlannedTensor]) -> dict[str, PlannedTensor]:
    """Return the plan of the network whose LoRA layers are merged."""
    merged = {}
    for name, item in planned.items():
        layer, is_adapted, last = name.rpartition(BASE)
        if not is_adapted:
            if not name.endswith((DOWN, UP)):
                merged[name] = item
        elif last == "weight":
            make = partial(_made_merged, item, planned[layer + DOWN], planned[layer + UP])
            merged[f"{layer}.{last}"] = PlannedTensor(item.shape, torch.float32, make)
        else:
            merged[f"{layer}.{last}"] = item
    return merged


def _made_merged(base: PlannedTensor, down: PlannedTensor, up: PlannedTensor) -> Tensor:
    return merged_weight(base.make(), down.make(), up.make())


def _write_config(folder: Path, config: NetworkConfig) -> None:
    values = {"_class_name": "DPMesh", **config.to_mappings()}
    (folder / CONFIG_FILE).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
