"""Short names for content: which video, which weights, which version of the program."""

import hashlib
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from configs.weights import read_sha256

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
    """Return 16 hexadecimal digits of the content of a weights file or folder, names in the folder included."""
    digest = hashlib.sha256()
    for item in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if item.is_file():
            digest.update(os.fsencode(item.relative_to(path)))
            digest.update(bytes.fromhex(read_sha256(item)))
    return digest.hexdigest()[:16]
