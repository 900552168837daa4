"""Read a pickled PyTorch checkpoint of somebody else without running anything it asks for."""

import pickle
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from configs.errors import InputError, WeightsError
from configs.network_files import read_tensor_sizes

WRAPPERS = ("network", "state_dict")
"""Entries under which a training snapshot keeps the tensors (older DPMesh snapshots, Lightning)."""

ZIP_DAMAGE = (*(EOFError, LookupError, NotImplementedError, ValueError), struct.error, zipfile.BadZipFile, zlib.error)
"""What `zipfile` raises where an archive is damaged; names that are no UTF-8 are a `ValueError`."""
ZIP_MAGIC = b"PK\x03\x04"
AGAIN = "get the file again from where it came"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The named tensors of a file. Those of a zip file stay on disk until they are touched."""

    path: Path
    tensors: Mapping[str, Tensor]
    is_zip: bool

    def check_content(self) -> None:
        """Compare every record of a zip file with its checksum; reads the whole file, a piece at a time.

        Raises:
            WeightsError: a record is damaged.
        """
        if not self.is_zip:
            return
        try:
            with zipfile.ZipFile(self.path) as archive:
                damaged = archive.testzip()
        except (OSError, *ZIP_DAMAGE) as error:
            raise WeightsError(f"{self.path}: is damaged ({one_line(error)}); {AGAIN}") from error
        if damaged:
            raise WeightsError(f"{self.path}: is damaged: {damaged} does not fit its checksum; {AGAIN}")


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the tensors of a `.pth`, `.pt`, `.ckpt`, `.pth.tar` or `.safetensors` file.

    Only what rebuilds tensors is let through. A zip file (PyTorch 1.6 and later) is mapped, not read; an older file
    is read into memory once.

    Raises:
        WeightsError: there is no such file, it is cut or damaged, asks for code, or holds something else than tensors.
    """
    if path.suffix == ".safetensors" and path.is_file():
        return Checkpoint(path, read_safetensors(path), is_zip=False)
    content, is_zip = read_pickled(path)
    return Checkpoint(path, _tensors(path, content), is_zip)


def read_pickled(path: Path) -> tuple[Any, bool]:
    """Return what a pickled PyTorch file holds, and whether it is a zip file, whose tensors are mapped and not read.

    Raises:
        WeightsError: there is no such file, it is cut or damaged, or asks for code.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "not a regular file" if path.exists() else "no such file"
        raise WeightsError(f"{path}: {what}; give the checkpoint's file")
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    if is_zip:
        _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats; what follows from them is an error below, or nothing
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        wish = f"its pickle asks for {asked[1]}" if asked else "its pickle holds more than tensors"
        raise WeightsError(f"{path}: {wish}, so it was not read and nothing in it was run; {AGAIN}") from error
    except Exception as error:  # a broken file can raise anything; all of it means the same to the user
        raise WeightsError(
            f"{path}: is no PyTorch checkpoint, or cut or damaged ({one_line(error)}); {AGAIN}"
        ) from error
    _check_tensors(path, content)
    return content, is_zip


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a `.safetensors` file, mapped from disk.

    Raises:
        WeightsError: the file is missing, cut or damaged.
    """
    try:
        read_tensor_sizes(path)
        return load_file(path)
    except InputError as error:
        raise WeightsError(f"{error}; {AGAIN}") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors ({one_line(error)})") from error


def one_line(error: object) -> str:
    """Return the message of an error as one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if text else ''}{text}"[:160]


def listing(names: Iterable[str]) -> str:
    """Return the first names of a list, and the number of the others."""
    rows = sorted(names)
    return ", ".join(rows[:3]) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [item.filename for item in archive.infolist() if item.compress_type != zipfile.ZIP_STORED]
    except (OSError, *ZIP_DAMAGE) as error:
        raise WeightsError(f"{path}: ends early or is damaged ({one_line(error)}); {AGAIN}") from error
    if packed:
        raise WeightsError(f"{path}: is a compressed archive ({packed[0]}), no checkpoint; unpack it first")


def _check_tensors(path: Path, content: Any) -> None:
    """Raise `WeightsError` for a tensor that is larger than what is stored of it, as a repeated number is."""
    waiting, seen = [("", content)], set[int]()
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Tensor):
            if value.layout is torch.strided and value.nbytes > value.untyped_storage().nbytes():
                raise WeightsError(
                    f"{path}: {name[:80]} has shape {tuple(value.shape)} and {value.untyped_storage().nbytes()} bytes "
                    f"are stored of it; {AGAIN}"
                )
        elif isinstance(value, Mapping | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting += [(str(key), inner) for key, inner in pairs]


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: holds a {type(content).__name__} and no named tensors; give a checkpoint's file")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path}: {str(name)[:80]!r} is a {type(value).__name__}, no tensor; {AGAIN}")
        if value.layout is not torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise WeightsError(f"{path}: {name} is no plain tensor ({value.layout}, {value.device}); {AGAIN}")
    return dict(content)
