"""What a network's folder may ask for: the table of contents of its weights is read first and bounds what is built."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from torch.overrides import TorchFunctionMode

from configs.errors import InputError
from configs.json_files import parse_json

CONFIG_BYTES_MAX = 2**20
HEADER_BYTES_MAX = 2**24
SPARE_NUMBERS = 2**24  # tables that modules compute, and parts whose weights are kept elsewhere (VPoser)
SPARE_TENSORS = 2000
FACTORIES = {"arange", "empty", "eye", "full", "linspace", "logspace", "ones", "rand", "randn", "zeros"}


@dataclass(frozen=True, slots=True)
class TensorSizes:
    """How much a weights file holds."""

    tensors: int
    numbers: int


def read_tensor_sizes(path: Path) -> TensorSizes:
    """Return how much a `.safetensors` file holds, from its header alone.

    Source: the format's description, https://huggingface.co/docs/safetensors (8 bytes of header length, JSON header).

    Raises:
        InputError: no regular file, cut, or not of the format.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise InputError(f"{path}: not a regular file; give a .safetensors file")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(HEADER_BYTES_MAX, state.st_size - 8):
                raise InputError(f"{path}: not a .safetensors file, or truncated (a header of {length} bytes)")
            header = parse_json(file.read(length), f"{path}, header")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if not isinstance(header, dict):
        raise InputError(f"{path}: not a .safetensors file: its header is a {type(header).__name__}")
    header.pop("__metadata__", None)
    numbers = 0
    for entry in header.values():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
            raise InputError(f"{path}: not a .safetensors file: a tensor of its header has no shape")
        numbers += prod(shape)
    if numbers > 8 * state.st_size:  # no number takes less than a bit
        raise InputError(f"{path}: its header names {numbers} numbers, the file has {state.st_size} bytes")
    return TensorSizes(len(header), numbers)


class BuildBudget(TorchFunctionMode):
    """While it is active, tensors may be made for a network of the size of its weights file and little more.

    Raises `ValueError` at the first tensor beyond, before memory is taken for it.
    """

    def __init__(self, sizes: TensorSizes) -> None:
        super().__init__()
        self._numbers_left = sizes.numbers + SPARE_NUMBERS
        self._tensors_left = 4 * sizes.tensors + SPARE_TENSORS
        self._about = f"the weights file holds {sizes.numbers:,} numbers in {sizes.tensors} tensors"

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in FACTORIES:
            self._tensors_left -= 1
            self._numbers_left -= _numbers_of(name, args, kwargs)
            if self._numbers_left < 0 or self._tensors_left < 0:
                raise ValueError(f"describes a larger network than its weights: {self._about}")
        return func(*args, **kwargs)


def _numbers_of(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """Return how many numbers a call makes; sizes that are none are left to torch to refuse."""
    given = [*args, *(kwargs[key] for key in ("size", "end", "steps", "n") if key in kwargs)]
    if name == "full":
        given = given[:1]
    if name in ("arange", "linspace", "logspace"):
        return int(max((abs(value) for value in given if isinstance(value, int | float)), default=0))
    if given and isinstance(given[0], list | tuple):
        given = list(given[0])
    sizes = [value for value in given if isinstance(value, int)]
    return 0 if min(sizes, default=0) < 0 else prod(sizes)
