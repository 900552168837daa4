"""The table of contents of a network's weights, read without the weights. Imports no torch."""

import stat
from dataclasses import dataclass
from math import prod
from pathlib import Path

from configs.errors import InputError
from configs.json_files import parse_json

CONFIG_BYTES_MAX = 2**20
HEADER_BYTES_MAX = 2**24


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
