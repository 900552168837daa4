"""Short names for content: which video, which weights, which version of the program."""

import hashlib
import os
import stat
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from pathlib import Path

from configs.errors import InputError, WeightsError
from configs.files import check_regular
from configs.version import program_version
from configs.weights import NETWORK_FILES, read_sha256

SOURCES = Path(__file__).parents[2]
NO_RESULT = frozenset({"training", "bench", "cli", "evaluation"})  # folders whose code no result of a run depends on
HEX_DIGITS = 16


@cache
def code_identity(*parts: str, without: Collection[str] = ()) -> str:
    """Return 16 hexadecimal digits that change with the code in folders of this program.

    Where there is no source, as in an archive, they are those of the version.

    Args:
        parts: packages, folders or files in them, as `pipeline/overlay`. `pipeline` alone means the files directly in
            it.
        without: folders of them that are left out.
    """
    digest = hashlib.sha256(program_version().encode())
    for part in parts:
        folder = SOURCES / part
        if part.endswith(".py"):
            found = [folder] if folder.is_file() else []
        else:
            found = sorted(folder.glob("*.py") if part == "pipeline" else _sources_in(folder))
        for item in found:
            name = item.relative_to(SOURCES)
            is_left_out = any(name.is_relative_to(folder) for folder in without)
            if not NO_RESULT & set(name.parts) and not is_left_out:
                digest.update(f"{name.as_posix()}\n".encode())
                digest.update(hashlib.sha256(item.read_bytes()).digest())
    return digest.hexdigest()[:HEX_DIGITS]


def _sources_in(folder: Path) -> list[Path]:
    return [item for item in folder.rglob("*") if item.suffix in (".py", ".js", ".css")]


def video_identity(path: Path) -> str:
    """Return 16 hexadecimal digits of a hash over the bytes of a video, or of all files of an image folder.

    A file is read once by a process as long as its size, times and place stay.

    Raises:
        InputError: it is not there, cannot be read, or is no file.
    """
    try:
        if not path.is_dir():
            return _content(path)[:HEX_DIGITS]
        digest = hashlib.sha256()
        for item in sorted(path.iterdir()):
            if item.is_file() and not item.name.startswith("."):  # also not a link to nowhere
                digest.update(os.fsencode(item.name) + f":{_content(item)}\n".encode())
        return digest.hexdigest()[:HEX_DIGITS]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check that it is still there") from error


def _content(path: Path) -> str:
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise InputError(f"{path}: not a regular file; give a video")
    return _read_content(path, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=1 << 18)
def _read_content(path: Path, state: tuple[int, ...]) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_identity(path: Path) -> str:
    """Return 16 hexadecimal digits of the content of a weights file, or of what is read of a network's folder."""
    return files_identity([path / name for name in NETWORK_FILES] if path.is_dir() else [path], path)


def files_identity(files: Sequence[Path], path: Path) -> str:
    """Return 16 hexadecimal digits of the content of files, and of their names below a path."""
    digest = hashlib.sha256()
    for file in files:
        check_regular(file, "a file that can be read", error=WeightsError)
        digest.update(os.fsencode(file.relative_to(path)))
        digest.update(bytes.fromhex(read_sha256(file)))
    return digest.hexdigest()[:HEX_DIGITS]
