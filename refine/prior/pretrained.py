"""Loads the networks of this package from their folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from configs.build_budget import BuildBudget
from configs.errors import InputError, WeightsError
from configs.json_files import read_json
from configs.network_files import CONFIG_BYTES_MAX, read_tensor_sizes

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
MAKER = "a training of `dpmesh-video train motion-prior`"
SIZE_MAX = 2**16

NO_MODEL = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What building a network raises where its config is another one's or nonsense."""

Network = TypeVar("Network", bound=Any)  # a ModelMixin of diffusers, which mypy does not see as an nn.Module


def load_network(kind: type[Network], folder: str | Path, maker: str) -> Network:
    """Return the network of a kind in a folder, in evaluation mode and float32.

    Args:
        maker: the command that writes such a folder, for the error message.

    Raises:
        WeightsError: a file is missing or damaged, or a tensor is missing, unknown or of another shape.
    """
    folder = Path(folder)
    try:
        config = _read_config(folder)
        with BuildBudget(read_tensor_sizes(folder / WEIGHTS_FILE)):
            built = kind(**{name: value for name, value in config.items() if not name.startswith("_")})
        state = load_file(folder / WEIGHTS_FILE)
    except (*NO_MODEL, InputError, OSError, SafetensorError) as error:
        raise _no_model(folder, maker, error) from error
    check_tensors(built.state_dict(), state, folder / WEIGHTS_FILE)
    built.load_state_dict(state)
    return built.eval()


def check_config(folder: str | Path) -> None:
    """Raise `WeightsError` for a folder whose config cannot be of any network, before the networks are imported."""
    try:
        _read_config(Path(folder))
    except (*NO_MODEL, InputError, OSError) as error:
        raise _no_model(Path(folder), MAKER, error) from error


def _read_config(folder: Path) -> Mapping[str, Any]:
    config: Mapping[str, Any] = read_json(folder / CONFIG_FILE, bytes_max=CONFIG_BYTES_MAX)
    for name, value in config.items():
        if type(value) is int and value > SIZE_MAX:
            check_size(name, value)
    return config


def _no_model(folder: Path, maker: str, error: BaseException) -> WeightsError:
    problem = " ".join(str(error).removeprefix(f"{folder}/").split())[:160] or type(error).__name__
    return WeightsError(
        f"{folder}: holds no score model ({problem}); it needs the {CONFIG_FILE} and the {WEIGHTS_FILE} of {maker}"
    )


def check_size(name: str, value: object, low: int = 1, high: int = SIZE_MAX) -> int:
    """Return a size of a network's config; `ValueError` unless it is a whole number from `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {str(value)[:40]}, expected a whole number from {low} to {high}")
    return value


def check_tensors(wanted: Mapping[str, Any], found: Mapping[str, Any], path: Path) -> None:
    """Raise `WeightsError` unless two groups of tensors have the same names and shapes and are finite; names the first.

    Args:
        wanted: tensors of a network; found: those in the file `path`.
    """
    missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing:
        raise WeightsError(f"{path}: lacks {missing[0]} ({len(missing)} missing); incomplete, or of another network")
    if unknown:
        raise WeightsError(f"{path}: holds {unknown[0]}, which this network does not have ({len(unknown)} such)")
    for name, tensor in wanted.items():
        other = found[name]
        if not isinstance(other, Tensor) or other.shape != tensor.shape:
            shape = tuple(other.shape) if isinstance(other, Tensor) else type(other).__name__
            raise WeightsError(f"{path}: {name} has shape {shape}, expected {tuple(tensor.shape)}")
        if other.is_floating_point() != tensor.is_floating_point() or other.is_complex():
            raise WeightsError(f"{path}: {name} is of {other.dtype}, expected {tensor.dtype}")
        if not bool(torch.isfinite(other).all()):
            raise WeightsError(f"{path}: {name} holds numbers that are not finite")
