"""Imported models in the cache folder: written whole or not at all, with a record that tells what they are."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from configs.errors import InputError, WeightsError
from configs.weights import (
    IMPORT_RECORD,
    NAME,
    Importer,
    Role,
    WeightsEntry,
    WeightsFile,
    cache_folder,
    find_import_record,
    imports_folder,
    read_catalogue,
    read_import_record,
    read_sha256,
)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
SPARE_BYTES = 64 << 20


def check_name(name: str, importer: Importer, *, is_replaced: bool) -> Path:
    """Return the folder that `importer` puts a model called `name` into.

    Raises:
        InputError: it is no name, belongs to another kind of model, or is taken and `is_replaced` is false.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name for a model; use letters, digits, '.', '_' and '-'")
    entry = read_catalogue().find(name)
    if entry is not None and entry.importer != importer:
        raise InputError(f"{name} is the name of a {entry.kind} model for {entry.role}; choose another with --name")
    record = find_import_record(name)
    with suppress(WeightsError):  # a record that cannot be read stands for no model
        if record is not None and (other := read_import_record(record)).importer != importer:
            raise InputError(
                f"{name} is a model that `weights import {other.importer}` made, for {other.role}; choose another with "
                f"--name, or delete {record.parent} first"
            )
    folder = imports_folder() / name
    if folder.exists() and not is_replaced:
        another = "" if importer == "vposer" else ", or another --name"
        raise InputError(f"{folder} exists; give --replace to import it anew{another}")
    return folder


def check_space(folder: Path, size_bytes: int) -> None:
    """Raise `InputError` unless the disk that holds `folder` has room for so many bytes more."""
    place = next(part for part in (folder, *folder.parents) if part.exists())
    free = shutil.disk_usage(place).free
    if free < size_bytes + SPARE_BYTES:
        raise InputError(
            f"{folder}: needs {size_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; make room, or set"
            " DPMESH_VIDEO_CACHE to a folder on another disk"
        )


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `folder` when the block ends well and vanishes when it does not."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # a killed import leaves it behind
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise WeightsError(f"{part}: cannot be made ({error}); set DPMESH_VIDEO_CACHE to a folder you own") from error
    old = folder.with_name(f".{folder.name}.old")
    try:
        yield part
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            os.replace(folder, old)
        os.replace(part, folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise WeightsError(f"{folder}: cannot be written ({error}); make room and import again") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_record(
    part: Path,
    name: str,
    *,
    importer: Importer,
    role: Role,
    what: str,
    licence: str,
    source: Path,
    hashes: dict[str, str],
) -> WeightsEntry:
    """Write the record of the files in `part`, which will be the folder called `name`; return it.

    Args:
        source: the user's file that was imported.
        hashes: sha256 of files, by their path below `part`, as far as they are known already.
    """
    files = []
    for path in sorted(item for item in part.rglob("*") if item.is_file()):
        place = path.relative_to(part).as_posix()
        below_cache = (imports_folder() / name / place).relative_to(cache_folder()).as_posix()
        sha256 = hashes.get(place) or read_sha256(path)
        files.append(WeightsFile(path=below_cache, size_bytes=path.stat().st_size, sha256=sha256))
    entry = WeightsEntry(
        name=name,
        kind="imported",
        role=role,
        what=what,
        licence=licence,
        source=f"imported from {source.resolve()} ({source.stat().st_size} bytes)",
        importer=importer,
        files=tuple(files),
    )
    record = part / IMPORT_RECORD
    with record.open("w", encoding="utf-8") as file:
        file.write(entry.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return entry
