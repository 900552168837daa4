"""`.npz` from outside, read in one place: what a file declares is checked before memory is taken for it."""

import io
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType

import numpy as np

from configs.displayable import one_line

NPZ_BYTES_MAX = 2**29  # of the arrays that one call reads
MEMBERS_MAX = 20_000
DIRECTORY_BYTES_MAX = 2**23  # zipfile keeps about a kilobyte per entry of 46 bytes
HEADER_BYTES_MAX = 10_000  # of one array; NumPy evaluates it as Python, and bounds it likewise
DEFLATE_RATIO_MAX = 1040  # what deflate can reach is 1032
NAME_CHARS_MAX = 80
PLAIN_KINDS = "biufcSU"  # numbers and text

DAMAGE = (
    *(EOFError, LookupError, MemoryError, OverflowError, RuntimeError, SyntaxError, TypeError, ValueError),
    *(struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise where an `.npz` is damaged; `OSError` beside them is the disk's."""


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What an array in a file says of itself."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Memory it takes; an array of text without letters counts as one byte a piece."""
        return prod(self.shape) * max(self.dtype.itemsize, 1)

    def check_plain(self) -> None:
        """Raise `ValueError` unless it holds numbers or text."""
        if self.dtype.hasobject:
            raise ValueError(
                f"{self.name} holds Python objects, which NumPy can store only as pickle, and no pickle is opened; "
                "save it as a plain array of numbers or text"
            )
        if self.dtype.kind not in PLAIN_KINDS:
            raise ValueError(f"{self.name} is of type {self.dtype.str[:NAME_CHARS_MAX]}; save it as numbers or text")


class NpzFile:
    """An open `.npz`: the headers of all its arrays, and the arrays by name."""

    def __init__(self, archive: zipfile.ZipFile, file_bytes: int, bytes_max: int) -> None:
        self._archive = archive
        self._left = self._bytes_max = bytes_max
        self._members: dict[str, zipfile.ZipInfo] = {}
        headers: dict[str, ArrayHeader] = {}
        infos = archive.infolist()
        if len(infos) > MEMBERS_MAX:
            raise ValueError(f"holds {len(infos)} members, at most {MEMBERS_MAX} are read")
        for info in infos:
            if not info.filename.endswith(".npy"):
                continue  # no array
            name = info.filename.removesuffix(".npy")
            if name in headers:
                raise ValueError(f"holds {_displayable(name)} twice")
            _check_member(info, name, file_bytes)
            headers[name] = self._header_of(info, name)
            self._members[name] = info
        self.headers: Mapping[str, ArrayHeader] = MappingProxyType(headers)

    def __contains__(self, name: str) -> bool:
        return name in self.headers

    def read(self, name: str) -> np.ndarray:
        """Return an array.

        Raises:
            ValueError: there is none of that name, it holds other than numbers and text, or all that was read from this
                file would take more memory than allowed.
        """
        if name not in self.headers:
            raise ValueError(f"lacks {_displayable(name)}")
        header = self.headers[name]
        header.check_plain()
        if header.nbytes > self._left:
            raise ValueError(
                f"{header.name} with shape {_shape(header.shape)} of {header.dtype.str} takes "
                f"{header.nbytes / 2**20:,.0f} MiB, at most {self._bytes_max / 2**20:,.0f} are read from such a file"
            )
        self._left -= header.nbytes
        with _as_damage(name), self._archive.open(self._members[name]) as member:
            array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False, max_header_size=HEADER_BYTES_MAX)
            member.read(1)  # the end of a member is where its checksum is compared
        return array

    def _header_of(self, info: zipfile.ZipInfo, name: str) -> ArrayHeader:
        with _as_damage(name), self._archive.open(info) as member:
            start = member.read(12)
            if len(start) < 12 or start[:6] != b"\x93NUMPY":
                raise ValueError("it is no .npy")
            version = (start[6], start[7])
            short = version == (1, 0)
            length = int.from_bytes(start[8:10] if short else start[8:12], "little")
            if length > HEADER_BYTES_MAX:
                raise ValueError(f"its header has {length} bytes, at most {HEADER_BYTES_MAX} are read")
            end = (10 if short else 12) + length
            text = io.BytesIO((start + member.read(max(0, end - 12)))[8:end])
            parse = np.lib.format.read_array_header_1_0 if short else np.lib.format.read_array_header_2_0
            shape, _, dtype = parse(text, max_header_size=HEADER_BYTES_MAX)
        header = ArrayHeader(_displayable(name), dtype, shape)
        if min(shape, default=0) < 0:
            raise ValueError(f"{_displayable(name)} declares the shape {_shape(shape)}")
        if not dtype.hasobject and prod(shape) * dtype.itemsize != info.file_size - end:
            raise ValueError(
                f"{_displayable(name)} declares shape {_shape(shape)} of {dtype.str}, which is not the "
                f"{info.file_size - end} bytes it holds"
            )
        return header


@contextmanager
def open_npz(path: Path, *, bytes_max: int = NPZ_BYTES_MAX) -> Iterator[NpzFile]:
    """Open an `.npz` and check its directory and array headers; no array is read.

    Args:
        bytes_max: memory that all arrays read from it may take.

    Raises:
        ValueError: it is no `.npz`, damaged, or declares what it does not hold.
        OSError: it cannot be read.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("is not a regular file")
    _check_directory(path, state.st_size)
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise ValueError(f"is damaged ({one_line(error)})") from error
    with archive:
        yield NpzFile(archive, state.st_size, bytes_max)


def read_npz(
    path: Path, names: Collection[str] | None = None, *, bytes_max: int = NPZ_BYTES_MAX
) -> dict[str, np.ndarray]:
    """Return arrays of an `.npz` by name; other members are not opened.

    Args:
        names: which ones, as far as they are there; None is all.
        bytes_max: memory they may take together.

    Raises:
        ValueError: it is no `.npz`, damaged, declares what it does not hold, or an array holds Python objects.
        OSError: it cannot be read.
    """
    with open_npz(path, bytes_max=bytes_max) as file:
        return {name: file.read(name) for name in file.headers if names is None or name in names}


def _check_directory(path: Path, file_bytes: int) -> None:
    """Raise `ValueError` unless the file ends as a zip archive with a table of contents of sensible size."""
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(max(0, file_bytes - 2**16 - 200))
        tail = file.read()
    if start == b"\x93NUMPY":
        raise ValueError("is a single array (.npy); save arrays by name, with numpy.savez")
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) < place + 22:
        raise ValueError("is not an .npz file, or is truncated")
    size = int.from_bytes(tail[place + 12 : place + 16], "little")
    wide = tail.rfind(b"PK\x06\x06", 0, place)
    if wide >= 0 and size == 0xFFFFFFFF:
        size = int.from_bytes(tail[wide + 40 : wide + 48], "little")
    if size > DIRECTORY_BYTES_MAX:
        raise ValueError(f"has a table of contents of {size} bytes, at most {DIRECTORY_BYTES_MAX} are read")


def _check_member(info: zipfile.ZipInfo, name: str, file_bytes: int) -> None:
    if info.flag_bits & 0x1:
        raise ValueError(f"{_displayable(name)} is encrypted; unpack the archive and save it again")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(
            f"{_displayable(name)} is compressed as NumPy does not; save it again with numpy.savez_compressed"
        )
    ratio = 1 if info.compress_type == zipfile.ZIP_STORED else DEFLATE_RATIO_MAX
    if info.compress_size > file_bytes or info.file_size > ratio * (info.compress_size + 1):
        raise ValueError(
            f"{_displayable(name)} declares {info.file_size} bytes, which the {info.compress_size} stored cannot hold"
        )


@contextmanager
def _as_damage(name: str) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise ValueError(f"{_displayable(name)} is damaged ({one_line(error)})") from error


def _displayable(name: str) -> str:
    return name if name.isprintable() and len(name) <= NAME_CHARS_MAX else repr(name[:NAME_CHARS_MAX])


def _shape(shape: tuple[int, ...]) -> str:
    return str(shape) if len(shape) <= 6 else f"of {len(shape)} axes"
