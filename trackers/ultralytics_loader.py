"""Ultralytics, imported so that it changes nothing around it: no network, no installs, no output, no new defaults."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from configs.errors import WeightsError
from configs.weights import cache_folder

if TYPE_CHECKING:
    from ultralytics.nn.autobackend import AutoBackend

# Read by Ultralytics while it is imported. A user's own value stays.
ENVIRONMENT = {
    "YOLO_OFFLINE": "true",  # no usage reports, no look-ups
    "YOLO_AUTOINSTALL": "false",  # a missing package is an error, never a `pip install`
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",  # a .pt file builds known network classes and runs no code of its own
}


def load_backend(path: Path, *, device: str) -> "AutoBackend":
    """Return the network in `path` (.pt, .onnx or an OpenVINO folder) on `device`.

    Raises:
        WeightsError: the file cannot be loaded, or the runtime for its format is not installed.
    """
    with _undisturbed():
        import torch
        from ultralytics.nn import tasks
        from ultralytics.nn.autobackend import AutoBackend

        tasks.SAFE_LOAD = True  # whoever imported Ultralytics first may have done so without our environment
        _send_log_to_stderr()
        try:
            return AutoBackend(str(path.resolve()), device=torch.device(device), fuse=True, verbose=False)
        except ModuleNotFoundError as error:
            raise WeightsError(f"{path}: needs the package {error.name}; install it, or give .pt weights") from error
        except (OSError, RuntimeError, TypeError, ValueError, KeyError, AttributeError, StopIteration) as error:
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            raise WeightsError(f"{path}: cannot be loaded as a detector ({reason}); give other weights") from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put back what importing Ultralytics sets for the whole process.

    It sets OMP_NUM_THREADS=1 where torch is not loaded yet, stops OpenCV's threads, and changes how arrays print.
    """
    import torch

    has_omp = "OMP_NUM_THREADS" in os.environ
    opencv_threads = cv2.getNumThreads()
    torch_threads = torch.get_num_threads()
    printing: dict[str, Any] = dict(np.get_printoptions())
    os.environ.setdefault("YOLO_CONFIG_DIR", str(cache_folder() / "ultralytics"))
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if not has_omp:
            os.environ.pop("OMP_NUM_THREADS", None)
        cv2.setNumThreads(opencv_threads)
        torch.set_num_threads(torch_threads)
        torch.set_printoptions(profile="default")
        np.set_printoptions(**printing)


def _send_log_to_stderr() -> None:
    for handler in logging.getLogger("ultralytics").handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
