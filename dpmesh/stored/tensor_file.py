"""Write safetensors one tensor at a time, so that nothing is held twice.

The library's own writer takes all tensors at once; tensors that are made on the way (merged, converted) would all have
to exist at the same time.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    """A tensor that is made when it is written."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    make: Callable[[], Tensor]


def plan(tensor: Tensor) -> PlannedTensor:
    """Return the plan that writes `tensor` as it is."""
    return PlannedTensor(tuple(tensor.shape), tensor.dtype, lambda: tensor)


def write_tensors(path: Path, tensors: Mapping[str, PlannedTensor]) -> str:
    """Write a `.safetensors` file, whole on disk when this returns, and return its sha256.

    Source: the format's description, https://huggingface.co/docs/safetensors (8 bytes of header length, JSON header,
    data without gaps).
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, item in sorted(tensors.items()):
        start, end = end, end + torch.Size(item.shape).numel() * item.dtype.itemsize
        header[name] = {"dtype": DTYPES[item.dtype], "shape": list(item.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in (len(text).to_bytes(8, "little"), text):
            file.write(piece)
            digest.update(piece)
        for name, item in sorted(tensors.items()):
            made = item.make().detach()
            if tuple(made.shape) != item.shape or made.dtype != item.dtype:
                raise ValueError(f"{name}: made {made.dtype} {tuple(made.shape)}, planned {item.dtype} {item.shape}")
            if made.numel():
                data = made.to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy().data
                file.write(data)
                digest.update(data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
