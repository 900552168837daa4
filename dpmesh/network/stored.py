"""A network's folder on disk: config.json and weights, read strictly and without holding the weights twice."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from configs.build_budget import BuildBudget
from configs.errors import InputError, WeightsError
from configs.network_files import TensorSizes, read_tensor_sizes
from dpmesh.network.stored_config import read_config
from dpmesh.network.vposer import VPoserDecoder
from dpmesh.stored.cache import CONFIG_FILE, WEIGHTS_FILE
from dpmesh.stored.checkpoint import listing, one_line, read_safetensors
from dpmesh.stored.tensor_file import PlannedTensor, plan, write_tensors
from dpmesh.stored.vposer import imported_decoder

RANDOM_FILLS = {
    "uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_",
    "xavier_normal_",
}  # fmt: skip
PRIOR = "pose_prior."

NO_NETWORK = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError),
    *(RuntimeError, TypeError, ValueError),
)
"""What building a network raises where its config is nonsense."""

Network = TypeVar("Network")


class WithoutRandomFill(TorchFunctionMode):
    """Leaves new weights as memory gives them: 1.4 billion random numbers cost half a minute, and are overwritten.

    Unlike on the meta device, tables that modules compute when built are real.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in RANDOM_FILLS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def read_network(build: Callable[..., Network], folder: Path, dtype: torch.dtype | None = None) -> Network:
    """Return the network in a folder, in evaluation mode. Its weights stay mapped to the file until they change.

    Args:
        build: the network's class.
        dtype: what floating-point weights become; as stored by default.

    Raises:
        WeightsError: a file is missing or damaged; a tensor is missing, unknown or of another shape (it is named); or
            the pose head needs VPoser and none was imported.
    """
    config = read_config(folder)
    try:
        with BuildBudget(_sizes_of(folder)), WithoutRandomFill():
            built = build(**config)
    except NO_NETWORK as error:
        raise WeightsError(f"{folder / CONFIG_FILE}: {one_line(error)}; it is no config of this network") from error
    network: Any = built
    state = read_safetensors(folder / WEIGHTS_FILE)
    if isinstance(network.pose_prior, VPoserDecoder) and not any(name.startswith(PRIOR) for name in state):
        state |= {PRIOR + name: tensor for name, tensor in imported_decoder().items()}
    check_names_and_shapes(network.state_dict(), state, folder / WEIGHTS_FILE)
    if dtype is not None:
        state = {name: t.to(dtype) if t.is_floating_point() else t for name, t in state.items()}
    network.load_state_dict(state, assign=True)
    network.eval()
    return built


def _sizes_of(folder: Path) -> TensorSizes:
    try:
        return read_tensor_sizes(folder / WEIGHTS_FILE)
    except InputError as error:
        raise WeightsError(f"{error}; {folder} needs whole weights, get them again") from error


def write_network(network: Any, folder: Path) -> None:
    """Write a network's folder. VPoser's weights are left out: their licence forbids passing them on."""
    network.save_config(folder)
    is_gated = isinstance(network.pose_prior, VPoserDecoder)
    kept: dict[str, PlannedTensor] = {
        name: plan(tensor) for name, tensor in network.state_dict().items() if not (is_gated and name.startswith(PRIOR))
    }
    write_tensors(folder / WEIGHTS_FILE, kept)


def check_names_and_shapes(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Raise `WeightsError` unless two state dicts have the same names and shapes; the first that differ are named."""
    missing, unknown = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing:
        raise WeightsError(f"{path}: lacks {listing(missing)}; it is cut, or of another network than its config")
    if unknown:
        raise WeightsError(f"{path}: holds {listing(unknown)}, which its config's network has not")
    for name, tensor in wanted.items():
        if tensor.is_floating_point() != found[name].is_floating_point():
            raise WeightsError(f"{path}: {name} is of {found[name].dtype}, expected {tensor.dtype}")
        if tensor.shape != found[name].shape:
            shapes = f"{tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
            raise WeightsError(f"{path}: {name} has shape {shapes}; it is of another network than its config")
