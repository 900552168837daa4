"""Short names for content: which video, which weights, which version of the program."""

import hashlib
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from configs.errors import WeightsError
from configs.files import check_regular, check_regular_or_folder
from configs.weights import NETWORK_FILES, read_sha256
from trackers.ultralytics_loader import weights_files

KEYPOINT_SUFFIXES = (".json", ".txt")
EDGE_BYTES = 1 << 20  # of a video; its size and both ends tell videos apart without reading gigabytes


def program_version() -> str:
    """Return the installed version of this program."""
    try:
        return version("dpmesh-video")
    except PackageNotFoundError:
        return "0+unknown"


def video_identity(path: Path) -> str:
    """Return 16 hexadecimal digits that change when the video does."""
    digest = hashlib.sha256()
    if path.is_dir():
        for item in sorted(path.iterdir()):
            if item.is_file():  # not a link to nowhere
                state = item.stat()
                # Pictures without compression keep their size when they change.
                digest.update(os.fsencode(item.name) + f":{state.st_size}:{state.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]
    size = path.stat().st_size
    digest.update(str(size).encode())
    with open(path, "rb") as file:
        digest.update(file.read(EDGE_BYTES))
        file.seek(max(0, size - EDGE_BYTES))
        digest.update(file.read(EDGE_BYTES))
    return digest.hexdigest()[:16]


def weights_identity(path: Path) -> str:
    """Return 16 hexadecimal digits of the content of a weights file, or of what is read of a network's folder."""
    return _content([path / name for name in NETWORK_FILES] if path.is_dir() else [path], path)


def detector_identity(path: Path) -> str:
    """Return 16 hexadecimal digits of the content of detector weights: a file, or an OpenVINO folder."""
    return _content(weights_files(path), path)


def keypoints_identity(path: Path) -> str:
    """Return 16 hexadecimal digits of the content of a keypoint file, or of those of a folder, their names included.

    Raises:
        InputError: a pipe or a device.
    """
    check_regular_or_folder(path, "a keypoint file or a folder of them")
    if not path.is_dir():
        return _content([path], path)
    found = (item for item in path.iterdir() if item.suffix.lower() in KEYPOINT_SUFFIXES)
    return _content(sorted(item for item in found if item.is_file()), path)


def _content(files: Sequence[Path], path: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        check_regular(file, "a model's file", error=WeightsError)
        digest.update(os.fsencode(file.relative_to(path)))
        digest.update(bytes.fromhex(read_sha256(file)))
    return digest.hexdigest()[:16]
