"""The file that a training leaves behind, from which a later process goes on."""

import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs.errors import InputError
from dpmesh.network.config import preset as network_preset
from dpmesh.stored.cache import WEIGHTS_FILE
from dpmesh.stored.checkpoint import read_safetensors

CHECKPOINT = "checkpoint.pt"


_PARTS = {"network", "optimizer", "average", "step", "minutes"}
_DAMAGE = (RuntimeError, EOFError, LookupError, TypeError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile)
"""What torch raises for a file that is cut, empty or of another kind."""


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Return the checkpoint of a training; no code in the file is executed.

    Raises:
        InputError: there is no such file, or it is not the whole checkpoint of a training.
    """
    check_checkpoint(path)
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except _DAMAGE as error:
        raise InputError(f"{path}: not a whole checkpoint; delete it, or give that of another training") from error
    if not isinstance(state, dict) or not state.keys() >= _PARTS:
        raise InputError(f"{path}: not the checkpoint of a training; give the {CHECKPOINT} that one left")
    return state


def read_averaged(source: Path) -> dict[str, Tensor]:
    """Return the averaged weights that a training left, as float32 where they are numbers with a point.

    Args:
        source: the checkpoint of a training, or a folder of weights as `save_pretrained` and `--export` write it.

    Raises:
        InputError: it is neither, or damaged.
    """
    if not source.is_dir():
        return read_checkpoint(source)["average"]
    if not (source / WEIGHTS_FILE).is_file():
        raise InputError(f"{source}: holds no {WEIGHTS_FILE}; give a folder of weights, or a training's {CHECKPOINT}")
    stored = read_safetensors(source / WEIGHTS_FILE)
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in stored.items()}


def read_config(path: Path, *needed: str) -> dict[str, Any]:
    """Return the arguments of the network in a checkpoint.

    Raises:
        InputError: as of `read_checkpoint`, or the network is one without the arguments that are `needed`.
    """
    return config_of(read_checkpoint(path), path, *needed)


def find_config(output: Path, preset: str | None, usual: str = "compact") -> dict[str, Any]:
    """Return the network's arguments: those of the checkpoint in a folder, or of a preset where there is none.

    Args:
        preset: the one that was asked for; None takes what there is, else the `usual` one.

    Raises:
        InputError: the checkpoint's network is another than was asked for.
    """
    path = output / CHECKPOINT
    if not path.exists():
        return network_preset(preset or usual).to_mappings()
    found = read_config(path, "backbone_config", "regressor_config")
    if preset is not None and found != network_preset(preset).to_mappings():
        raise InputError(f"{path}: is not of --config {preset}; leave --config out to go on, or give another --output")
    return found


def config_of(state: dict[str, Any], path: Path, *needed: str) -> dict[str, Any]:
    """Return the arguments of the network in a checkpoint that was read from `path`; errors as of `read_config`."""
    config = state.get("config")
    if not isinstance(config, dict) or not config.keys() >= set(needed):
        raise of_another_training(path)
    return config


def load_weights(module: nn.Module, weights: Any, path: Path) -> None:
    """Give a module the weights that a checkpoint holds for it.

    Raises:
        InputError: they are those of another module.
    """
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise of_another_training(path) from error


def of_another_training(path: Path) -> InputError:
    """Return the error of a checkpoint that this training cannot go on from."""
    return InputError(f"{path}: is of another training; give another --output")


def check_checkpoint(path: Path) -> None:
    """Raise InputError where there is no such file."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; give the {CHECKPOINT} that a training left in its --output")


def take_over(network: Any, start: Path, part: str = "", grown: Sequence[str] = ()) -> None:
    """Give a network, or a part of it, the averaged weights of a training, in place.

    LoRA layers and a lift's part for hints that the other network has not keep their values. One without an image
    branch gives its lift, and the rest keeps its values.

    Args:
        start: a checkpoint, or a folder of weights; see `read_averaged`.
        part: only this part of the network; all of it when empty.
        grown: tensors that may read fewer numbers there; what is new is read with weights of 0.

    Raises:
        InputError: the other network has other tensors there, or this one has no such part.
    """
    stored = read_averaged(start)
    wanted = network.state_dict()
    is_lift = all(name.startswith("joint_lift.") for name in stored)
    found = {}
    for name, value in wanted.items():
        if not name.startswith(f"{part}." if part else ""):
            continue
        source = name if name in stored else name.replace(".base_layer.", ".")
        if source in stored and stored[source].shape == value.shape:
            found[name] = stored[source]
        elif source in stored and name in grown and stored[source].shape[1] < value.shape[1]:
            found[name] = functional.pad(stored[source], (0, value.shape[1] - stored[source].shape[1]))
        elif is_lift and source not in stored:
            continue
        elif source in stored or not (".lora_" in name or ".hints." in name):
            raise InputError(f"{start}: is of another network, {name} differs; start from one of the same sizes")
    if not found:
        raise InputError(f"{start}: this network has no {part} to take from it; leave it out or change --config")
    network.load_state_dict(wanted | found)
