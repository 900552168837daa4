"""Networks of this package out of the folders they were saved to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from configs.errors import WeightsError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"

Network = TypeVar("Network", bound=Any)  # a ModelMixin of diffusers, which mypy does not see as an nn.Module


def load_network(kind: type[Network], folder: str | Path, maker: str) -> Network:
    """Return the network of a kind in a folder, in evaluation mode and float32.

    Args:
        maker: what leaves such a folder, named where it is none.

    Raises:
        WeightsError: a file is missing or damaged, or a tensor is missing, unknown or of another shape.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        built = kind(**{name: value for name, value in config.items() if not name.startswith("_")})
        state = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        raise WeightsError(
            f"{folder}: holds no score model ({type(error).__name__}); it needs the {CONFIG_FILE} and the"
            f" {WEIGHTS_FILE} of {maker}"
        ) from error
    check_tensors(built.state_dict(), state, folder / WEIGHTS_FILE)
    built.load_state_dict(state)
    return built.eval()


def check_tensors(wanted: Mapping[str, Any], found: Mapping[str, Any], path: Path) -> None:
    """Raise `WeightsError` unless two groups of tensors have the same names and shapes and are finite; names the first.

    Args:
        wanted: tensors of a network; found: those in the file `path`.
    """
    missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing:
        raise WeightsError(f"{path}: lacks {missing[0]} ({len(missing)} missing); it is cut, or of another network")
    if unknown:
        raise WeightsError(f"{path}: holds {unknown[0]}, which this network has not ({len(unknown)} such)")
    for name, tensor in wanted.items():
        other = found[name]
        if not isinstance(other, Tensor) or other.shape != tensor.shape:
            shape = tuple(other.shape) if isinstance(other, Tensor) else type(other).__name__
            raise WeightsError(f"{path}: {name} has shape {shape}, expected {tuple(tensor.shape)}")
        if not bool(torch.isfinite(other).all()):
            raise WeightsError(f"{path}: {name} holds numbers that are not finite")
