"""Files that are either whole or not there, with the same bytes for the same content."""

import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip entry can carry; a real date would change the bytes


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old content or the new, never a part.

    Raises:
        OSError: it cannot be written; the error names the file, and what was written of it is gone.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)  # one that was left behind may be a link by now, and would be written through
        with open(part, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:  # `write` names no file, `replace` names two
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def move_file(source: Path, path: Path) -> None:
    """Put a file that is whole in the place of another one of the same disk, which a crash leaves old or new."""
    with open(source, "rb") as file:
        os.fsync(file.fileno())
    os.replace(source, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file with sorted keys; bytes of file names that are no UTF-8 are written as they are shown."""
    write_bytes(path, _json_bytes(value))


def overwrite_json(path: Path, value: Any) -> None:
    """Write a JSON file into the space of the file that is there: on a full disk, where a whole second one has none.

    Raises:
        OSError: there is no such file, or even so it cannot be written.
    """
    with open(path, "r+b") as file:
        file.write(_json_bytes(value))
        file.truncate()


def _json_bytes(value: Any) -> bytes:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    # As a JSON escape, `\udcdf` alone would be half a character, which strict readers refuse.
    text = LONE_SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)
    return text.encode()


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of an `.npz` that depend on the arrays alone.

    Raises:
        ValueError: an array holds Python objects, which `.npz` could store only as pickle.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, array in arrays.items():
            value = np.asanyarray(array)
            if value.dtype.hasobject:
                raise ValueError(f"{name}: dtype {value.dtype} holds Python objects; store numbers or plain text")
            member = io.BytesIO()
            np.lib.format.write_array(member, value, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", ZIP_DATE), member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays atomically as a deterministic `.npz`."""
    write_bytes(path, npz_bytes(arrays))
