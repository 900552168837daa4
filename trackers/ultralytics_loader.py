"""Ultralytics, imported so that it changes nothing around it: no network, no installs, no files, no new defaults."""

import contextlib
import importlib.util
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from configs.errors import WeightsError
from configs.files import check_regular, check_regular_or_folder
from trackers.pose_checkpoint import WEIGHTS_BYTES_MAX, read_pose_checkpoint

if TYPE_CHECKING:
    from ultralytics.nn.autobackend import AutoBackend

# Read by Ultralytics while it is imported.
ENVIRONMENT = {
    "YOLO_OFFLINE": "true",  # no usage reports, no look-ups
    "YOLO_AUTOINSTALL": "false",  # a missing package is an error, never a `pip install`
    "YOLO_VERBOSE": "false",
}
METADATA_BYTES_MAX = 2**20
FORMATS = "give Ultralytics pose weights (.pt), an .onnx file or an OpenVINO folder"


def load_backend(path: Path, *, device: str, dtype: str = "float32") -> "AutoBackend":
    """Return the network in `path` (.pt, .onnx or an OpenVINO folder) on `device`.

    A .pt file is read as data and its network built anew, see `trackers.pose_checkpoint`; the other two hold no code.

    Args:
        dtype: a key of `configs.number_formats.FORMATS`, in which a CPU computes inside a network of a .pt file.

    Raises:
        WeightsError: the file cannot be loaded, is no pose network, or the runtime for its format is not installed.
    """
    files = weights_files(path)
    model: Any = str(path.resolve())
    if path.suffix == ".onnx":
        _check_runtime(path, "onnxruntime")
    elif path.is_dir():
        _check_runtime(path, "openvino")
    with ultralytics_undisturbed():
        import torch
        from ultralytics.nn.autobackend import AutoBackend
        from ultralytics.utils import checks

        checks.AUTOINSTALL = False  # whoever imported Ultralytics first may have done so without our environment
        _send_log_to_stderr()
        if path.suffix == ".pt":
            model = _build(files[0])
        try:
            backend = AutoBackend(model, device=torch.device(device), fuse=True, verbose=False)
        except ModuleNotFoundError as error:
            raise _missing(path, str(error.name)) from error
        except (
            *(OSError, RuntimeError, TypeError, ValueError, LookupError, AttributeError, StopIteration, SyntaxError),
            *(MemoryError, ImportError),
        ) as error:
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            raise WeightsError(f"{path}: cannot be loaded as a detector ({reason}); give other weights") from error
    if path.suffix == ".pt" and device == "cpu":
        _pack(model, dtype)
    if not hasattr(backend, "format"):  # before 8.4.20 or so it had a switch for each format
        backend.format = path.suffix.lstrip(".") or "openvino"
    return backend


def weights_files(path: Path) -> list[Path]:
    """Return the files that are read of detector weights: the file, or those of an OpenVINO folder.

    Raises:
        WeightsError: neither of these, a format that may hold code, or too large.
    """
    state = check_regular_or_folder(path, FORMATS.removeprefix("give "), error=WeightsError)
    if not stat.S_ISDIR(state.st_mode):
        if path.suffix not in (".pt", ".onnx"):
            raise WeightsError(f"{path}: detector weights of the kind {path.suffix or 'without a suffix'!r}; {FORMATS}")
        check_regular(path, FORMATS.removeprefix("give "), bytes_max=WEIGHTS_BYTES_MAX, error=WeightsError)
        return [path]
    files = [*_some(path, ".xml"), *_some(path, ".bin"), path / "metadata.yaml"]
    if len(files) != 3 or not path.name.endswith("_openvino_model"):
        raise WeightsError(
            f"{path}: is a folder, not an OpenVINO export (NAME_openvino_model with one .xml, one .bin and"
            f" metadata.yaml); {FORMATS}"
        )
    for file in files:
        limit = METADATA_BYTES_MAX if file.name == "metadata.yaml" else WEIGHTS_BYTES_MAX
        check_regular(file, "an OpenVINO export", bytes_max=limit, error=WeightsError)
    return files


@contextlib.contextmanager
def ultralytics_undisturbed() -> Iterator[None]:
    """Import Ultralytics inside: put back what it sets for the whole process, and leave no file of its settings.

    It sets OMP_NUM_THREADS=1 where torch is not loaded yet, stops OpenCV's threads, changes how arrays print, and
    writes a settings file where it is imported first, which goes to a folder that is gone afterwards.
    """
    import torch

    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "YOLO_CONFIG_DIR", "OMP_NUM_THREADS")}
    opencv_threads = cv2.getNumThreads()
    torch_threads = torch.get_num_threads()
    printing: dict[str, Any] = dict(np.get_printoptions())
    os.environ.update(ENVIRONMENT)
    try:
        with tempfile.TemporaryDirectory(prefix="dpmesh-video-") as folder:
            os.environ["YOLO_CONFIG_DIR"] = folder
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        cv2.setNumThreads(opencv_threads)
        torch.set_num_threads(torch_threads)
        torch.set_printoptions(profile="default")
        np.set_printoptions(**printing)


def _pack(network: Any, dtype: str) -> None:
    from configs.number_formats import FORMATS
    from configs.packed_layers import can_pack
    from trackers.pose_packing import pack_pose

    if can_pack(FORMATS[dtype]):
        pack_pose(network, FORMATS[dtype])


def _build(path: Path) -> Any:
    from trackers.pose_network import build_network

    checkpoint = read_pose_checkpoint(path)
    if checkpoint.task != "pose":
        count = len(checkpoint.names)
        raise WeightsError(
            f"{path}: holds task {checkpoint.task!r} with {count} classes; weights of task 'pose' with 17 keypoints are"
            " needed, for example yolo11n-pose.pt"
        )
    return build_network(checkpoint)


def _some(folder: Path, suffix: str) -> list[Path]:
    """Return up to two files of a folder with a suffix; looks at no more than 100 entries."""
    with os.scandir(folder) as entries:
        names = [entry.name for _, entry in zip(range(100), entries, strict=False)]
    return sorted(folder / name for name in names if name.endswith(suffix))[:2]


def _check_runtime(path: Path, package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise _missing(path, package)


def _missing(path: Path, package: str) -> WeightsError:
    return WeightsError(f"{path}: needs the package {package}; install it, or give .pt weights")


def _send_log_to_stderr() -> None:
    for handler in logging.getLogger("ultralytics").handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
