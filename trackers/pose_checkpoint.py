"""An Ultralytics checkpoint as data: what its network is made of and the numbers in it, nothing that runs."""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.displayable import one_line
from configs.errors import WeightsError
from configs.files import check_regular
from trackers.inert_pickle import BYTES_MAX, PickleError, Recorded, StoredTensor, read_inert

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS_BYTES_MAX = 2 * 2**30  # of a training that goes on, with its optimiser, of the largest pose network
DIRECTORY_BYTES_MAX = 4 * 2**20  # of the zip file
LAYERS_MAX = 20_000
DEPTH_MAX = 16
NAMES_MAX = 10_000
ZIP_MAGIC = b"PK\x03\x04"
TASKS = {
    "PoseModel": "pose",
    "DetectionModel": "detect",
    "SegmentationModel": "segment",
    "ClassificationModel": "classify",
    "OBBModel": "obb",
}
ADVICE = "give other weights"


@dataclass(frozen=True, slots=True)
class PoseCheckpoint:
    """What a checkpoint says about its network."""

    path: Path
    task: str  # "pose"; for anything else the name of its class or task
    names: Mapping[int, str]
    architecture: Mapping[str, Any]  # as the file has it, not checked
    root: Recorded

    def layers(self) -> Iterator[tuple[str, Recorded]]:
        """Yield every layer with its dotted name, the network itself ("") first.

        Raises:
            WeightsError: it has too many layers, or they hold themselves.
        """
        waiting = [("", self.root, 0)]
        for count in range(LAYERS_MAX):
            if not waiting:
                return
            name, layer, depth = waiting.pop()
            if depth > DEPTH_MAX or count + len(waiting) >= LAYERS_MAX:
                break
            yield name, layer
            for key, child in _table(self.path, layer, "_modules").items():
                if child is not None:
                    if not isinstance(child, Recorded):
                        raise _broken(self.path, f"its layer {name}.{key} is invalid")
                    waiting.append((f"{name}.{key}" if name else str(key), child, depth + 1))
        raise _broken(self.path, f"its network has over {LAYERS_MAX} layers, or {DEPTH_MAX} within each other")

    def stored_tensors(self) -> dict[str, StoredTensor]:
        """Return where the numbers of every parameter and kept buffer lie, by dotted name."""
        found = {}
        for name, layer in self.layers():
            unkept = layer.state.get("_non_persistent_buffers_set") or ()
            for table in ("_parameters", "_buffers"):
                for key, value in _table(self.path, layer, table).items():
                    if value is None or (table == "_buffers" and isinstance(unkept, list) and key in unkept):
                        continue
                    if not isinstance(value, StoredTensor):
                        raise _broken(self.path, f"{name}.{key} is not a tensor")
                    found[f"{name}.{key}" if name else str(key)] = value
        return found

    def read_tensors(self) -> "dict[str, Tensor]":
        """Return the numbers of every parameter and kept buffer, by dotted name, as they are stored.

        Raises:
            WeightsError: the file ends early, a record has not the declared size or is damaged.
        """
        wanted = self.stored_tensors()
        try:
            with _BoundedFile(self.path) as file, zipfile.ZipFile(file) as archive:
                file.bytes_max = WEIGHTS_BYTES_MAX
                return _read_tensors(self.path, archive, wanted)
        except _DAMAGE as error:
            raise _broken(self.path, f"it is damaged: {one_line(error)}") from error


def read_pose_checkpoint(path: Path) -> PoseCheckpoint:
    """Return what an Ultralytics `.pt` says about its network; reads no numbers yet and runs nothing of the file.

    Raises:
        WeightsError: no regular file, no checkpoint of a network, damaged, or it asks for code (named).
    """
    check_regular(path, "Ultralytics pose weights (.pt)", bytes_max=WEIGHTS_BYTES_MAX, error=WeightsError)
    try:
        with _BoundedFile(path) as file:
            if file.read(len(ZIP_MAGIC)) != ZIP_MAGIC:
                raise _broken(path, "it is not a zip file as torch.save writes")
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                content = read_inert(_read_pickle(archive))
    except PickleError as error:
        raise WeightsError(
            f"{path}: cannot be loaded as a detector ({error}; nothing in it was run); {ADVICE}"
        ) from error
    except _DAMAGE as error:
        raise _broken(path, one_line(error)) from error
    if not isinstance(content, dict):
        raise _broken(path, f"it holds a {type(content).__name__}, not a checkpoint")
    root = content.get("ema") or content.get("model")
    if not isinstance(root, Recorded):
        raise _broken(path, "it holds no network")
    return _describe(path, root)


class _BoundedFile(io.FileIO):
    """A file that gives no more at once than is allowed, whatever size a directory in it declares."""

    bytes_max = DIRECTORY_BYTES_MAX

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self.bytes_max:
            raise zipfile.BadZipFile(f"a part of it has {size} bytes, at most {self.bytes_max} are read")
        return super().read(self.bytes_max if size is None or size < 0 else size)


_DAMAGE = (
    *(OSError, EOFError, LookupError, ValueError, RuntimeError, NotImplementedError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


def _read_pickle(archive: zipfile.ZipFile) -> bytes:
    found = [item for item in archive.infolist() if item.filename.partition("/")[2] == "data.pkl"]
    if len(found) != 1:
        raise zipfile.BadZipFile("it has no data.pkl, or several")
    folder = found[0].filename.rpartition("/")[0]
    order = archive.NameToInfo.get(f"{folder}/byteorder")
    if order is not None and (order.file_size > 8 or archive.read(order) != b"little"):
        raise zipfile.BadZipFile("it was written by a big-endian machine")
    return _read_record(archive, found[0], BYTES_MAX)


def _read_record(archive: zipfile.ZipFile, item: zipfile.ZipInfo, bytes_max: int) -> bytes:
    if item.compress_type != zipfile.ZIP_STORED or item.file_size != item.compress_size:
        raise zipfile.BadZipFile(f"{item.filename} is compressed, which torch.save never does")
    if item.file_size > bytes_max:
        raise zipfile.BadZipFile(f"{item.filename} has {item.file_size} bytes, at most {bytes_max} are read")
    return archive.read(item)


def _read_tensors(path: Path, archive: zipfile.ZipFile, wanted: dict[str, StoredTensor]) -> "dict[str, Tensor]":
    import torch

    dtypes = {
        "FloatStorage": torch.float32,
        "HalfStorage": torch.float16,
        "BFloat16Storage": torch.bfloat16,
        "DoubleStorage": torch.float64,
        "LongStorage": torch.int64,
        "IntStorage": torch.int32,
        "BoolStorage": torch.bool,
    }
    folder = next(name for name in archive.namelist() if name.endswith("/data.pkl")).rpartition("/")[0]
    storages: dict[tuple[str, str], Tensor] = {}
    left = path.stat().st_size
    tensors = {}
    for name, stored in wanted.items():
        storage = stored.storage
        dtype = dtypes.get(storage.kind)
        if dtype is None:
            raise ValueError(f"{name} holds numbers of the kind {storage.kind}")
        place = (storage.kind, storage.key)
        if place not in storages:
            item = archive.getinfo(f"{folder}/data/{storage.key}")
            left -= item.file_size
            if item.file_size != storage.count * dtype.itemsize or left < 0:
                raise ValueError(f"{item.filename} has {item.file_size} bytes, {name} needs {storage.count} numbers")
            record = bytearray(_read_record(archive, item, WEIGHTS_BYTES_MAX))
            storages[place] = torch.frombuffer(record, dtype=dtype) if record else torch.empty(0, dtype=dtype)
        tensors[name] = _view(name, storages[place], stored)
    return tensors


def _view(name: str, numbers: "Tensor", stored: StoredTensor) -> "Tensor":
    count = math.prod(stored.shape)
    last = stored.offset + sum((size - 1) * step for size, step in zip(stored.shape, stored.strides, strict=True))
    if count and (last >= len(numbers) or count > len(numbers)):
        raise ValueError(f"{name} lies outside its storage")
    return numbers.as_strided(stored.shape, stored.strides, stored.offset)


def _describe(path: Path, root: Recorded) -> PoseCheckpoint:
    state = root.state
    architecture = state.get("yaml")
    if not isinstance(architecture, dict):
        raise _broken(path, f"its {root.made_from.name} does not describe its architecture")
    names = state.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not 1 <= len(names) <= NAMES_MAX:
        raise _broken(path, "its network has no class names")
    if not all(type(key) is int and isinstance(value, str) for key, value in names.items()):
        raise _broken(path, "its class names are invalid")
    known = TASKS.get(root.made_from.name)
    task = state.get("task")
    return PoseCheckpoint(
        path=path,
        task=known or (task if isinstance(task, str) else root.made_from.name),
        names=names,
        architecture=architecture,
        root=root,
    )


def _table(path: Path, layer: Recorded, name: str) -> dict[Any, Any]:
    table = layer.state.get(name, {})
    if not isinstance(table, dict):
        raise _broken(path, f"a layer's {name} are invalid")
    return table


def _broken(path: Path, reason: str) -> WeightsError:
    return WeightsError(f"{path}: cannot be loaded as a detector ({reason}); {ADVICE}")
