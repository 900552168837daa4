"""The weights catalogue: which model files exist, where each one lies, and whether it is the right one.

dpmesh-video weights update        writes size and sha256 of the bundled files into weights.yaml
"""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from configs.displayable import one_line
from configs.errors import InputError, WeightsError
from configs.files import check_regular, check_regular_or_folder, is_there, user_path
from configs.json_files import read_json

CATALOGUE_PATH = Path(__file__).with_name("weights.yaml")
PACKAGES_ROOT = Path(__file__).parents[1]

IMPORT_RECORD = "import.json"
"""What an import leaves in its folder, beside the files it wrote: their entry, with sizes and hashes."""

NETWORK_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
"""What is read of a network's folder."""

FILE_BYTES_MAX = 32 * 2**30  # of one model file: the published networks in float32 take 6
RECORD_BYTES_MAX = 2**20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Kind = Literal["bundled", "download", "user", "imported"]
Role = Literal["detector", "keypoints", "recovery", "body", "pose-prior", "score"]
Importer = Literal["dpmesh", "vposer", "tokenizer", "scorehmr", "blazepose", "open-detector"]
State = Literal["ok", "found", "missing", "corrupt"]


class WeightsFile(BaseModel):
    """One file of an entry. Sizes and hashes that nobody published are null."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="below the packages (bundled), else below the cache folder")
    size_bytes: int | None = None
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")


class WeightsEntry(BaseModel):
    """One model of the catalogue.

    kind: "bundled" comes with the package, "download" can be fetched, "user" needs a registration by the user,
        "imported" was made on this machine from a file of the user and is in no catalogue but its own record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    role: Role
    what: str
    licence: str
    source: str = Field(description="where it comes from; for kind 'user' where to register for it")
    importer: Importer | None = Field(None, description="which `weights import` reads the user's file, if it needs one")
    files: tuple[WeightsFile, ...] = Field(min_length=1)


class Catalogue(BaseModel):
    """All models the program knows by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: tuple[WeightsEntry, ...]

    def find(self, name: str) -> WeightsEntry | None:
        """Return the entry called `name`, or None."""
        return next((entry for entry in self.weights if entry.name == name), None)


@dataclass(frozen=True, slots=True)
class WeightsStatus:
    """What is on this machine of one entry. `path` is its file, or its folder when it has several files."""

    entry: WeightsEntry
    path: Path
    state: State  # "found": it is there, but the catalogue holds no hash to compare with
    problem: str  # empty when nothing is wrong


def cache_folder() -> Path:
    """Return the folder of weights that do not come with the package; it need not exist."""
    given = os.environ.get("DPMESH_VIDEO_CACHE")
    return user_path(given) if given else Path.home() / ".cache" / "dpmesh-video"


def imports_folder() -> Path:
    """Return the folder that holds one folder per imported model; it need not exist."""
    return cache_folder() / "models"


def read_catalogue(path: Path | None = None) -> Catalogue:
    """Return the catalogue in `path`, by default the one of this package.

    Raises:
        WeightsError: the file is not a catalogue, or two entries have one name.
    """
    path = CATALOGUE_PATH if path is None else path
    try:
        catalogue = _parsed(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise WeightsError(f"{path}: not a weights catalogue ({error}); restore it from the repository") from error
    names = [entry.name for entry in catalogue.weights]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise WeightsError(f"{path}: {', '.join(twice)} is named twice; give every entry its own name")
    return catalogue


@lru_cache(maxsize=4)
def _parsed(text: str) -> Catalogue:
    return Catalogue.model_validate(yaml.safe_load(text))


def find_entry(name: str) -> WeightsEntry | None:
    """Return the entry called `name`: what was imported under it, else the catalogue's, else None.

    Raises:
        WeightsError: its import record cannot be read.
    """
    record = find_import_record(name)
    return read_catalogue().find(name) if record is None else read_import_record(record)


def find_import_record(name: str) -> Path | None:
    """Return the record of what was imported under a name, or None."""
    record = imports_folder() / name / IMPORT_RECORD
    return record if NAME.fullmatch(name) and record.is_file() else None


def read_import_record(path: Path) -> WeightsEntry:
    """Return the entry in the record of an import.

    Raises:
        WeightsError: the file is not such a record.
    """
    try:
        entry = WeightsEntry.model_validate(read_json(path, bytes_max=RECORD_BYTES_MAX))
    except (InputError, ValidationError) as error:
        problem = one_line(error, 200)
        raise WeightsError(
            f"{path}: not the record of an import ({problem}); delete its folder, import again"
        ) from error
    if entry.name != path.parent.name:
        raise WeightsError(f"{path}: is the record of {entry.name}; give its folder that name again, or import again")
    return entry


def locate(entry: WeightsEntry) -> Path:
    """Return where `entry` lies or would lie: its file, or the folder that holds its files."""
    root = PACKAGES_ROOT if entry.kind == "bundled" else cache_folder()
    paths = [root / file.path for file in entry.files]
    return paths[0] if len(paths) == 1 else Path(os.path.commonpath([path.parent for path in paths]))


def list_weights() -> list[WeightsStatus]:
    """Return every entry, imported ones last, and whether its files exist with the right size; computes no hashes."""
    found = sorted(imports_folder().glob(f"*/{IMPORT_RECORD}"))
    records = {path.parent.name: path for path in found if NAME.fullmatch(path.parent.name)}  # not of a broken import
    known = [entry for entry in read_catalogue().weights if entry.name not in records]
    return [_inspect(entry, is_hashed=False) for entry in known] + [
        _inspect_import(path, is_hashed=False) for path in records.values()
    ]


def verify(name: str) -> WeightsStatus:
    """Return the state of one entry after hashing its files; an import whose record cannot be read is corrupt.

    Raises:
        WeightsError: the catalogue has no such name.
    """
    record = find_import_record(name)
    if record is not None:
        return _inspect_import(record, is_hashed=True)
    entry = read_catalogue().find(name)
    if entry is None:
        raise _unknown(name)
    return _inspect(entry, is_hashed=True)


def resolve(name_or_path: str | Path) -> Path:
    """Return the file or folder of a catalogue name, verified against the catalogue, or an existing path unchanged.

    Raises:
        WeightsError: neither a path nor a name, a pipe, a device, or files are missing or corrupt; says what to do.
    """
    entry = find_entry(str(name_or_path))
    if entry is None:
        path = user_path(name_or_path)
        if not is_there(path):
            raise _unknown(str(name_or_path))
        check_regular_or_folder(path, "a model's file or folder", error=WeightsError)
        return path
    status = _inspect(entry, is_hashed=True)
    if status.state in ("missing", "corrupt"):
        raise WeightsError(f"{status.problem}; {how_to_get(entry)}")
    return status.path


def resolve_network(name_or_path: str | Path) -> Path:
    """Return what `resolve` does, of a network's folder, which holds `NETWORK_FILES`."""
    folder = resolve(name_or_path)
    for name in NETWORK_FILES:
        if not (folder / name).is_file():
            raise WeightsError(f"{folder}: is not a network folder, it has no {name}; give another folder")
        check_regular(folder / name, "a network's folder", bytes_max=FILE_BYTES_MAX, error=WeightsError)
    return folder


def how_to_get(entry: WeightsEntry) -> str:
    """Return what a user does to have the files of `entry`."""
    if entry.kind == "bundled":
        return "it comes with the package: install dpmesh-video again, or restore it from the repository"
    if entry.importer:
        named = "" if entry.importer == "vposer" else f" --name {entry.name}"
        if entry.kind == "imported":
            return f"run `dpmesh-video weights import {entry.importer} FILE{named} --replace` again"
        return f"get the file at {entry.source}, then run `dpmesh-video weights import {entry.importer} FILE{named}`"
    if entry.kind == "imported":
        return "`dpmesh-video weights import --help` lists the ways to import"
    place = ", ".join(str(cache_folder() / file.path) for file in entry.files)
    if entry.kind == "download":
        return f"fetch it from {entry.source} and put it at {place}"
    return f"register and download it at {entry.source}, then put it at {place} or give its path"


def read_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits; a file that did not change is read once per process."""
    state = path.stat()
    return _hash_file(path, state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=64)
def _hash_file(path: Path, _size: int, _mtime_ns: int, _inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def update_catalogue(path: Path = CATALOGUE_PATH, root: Path = PACKAGES_ROOT) -> list[str]:
    """Write size and sha256 of the bundled files into the catalogue; return the names whose files are absent."""
    catalogue = read_catalogue(path)
    absent = []
    entries = []
    for entry in catalogue.weights:
        if entry.kind == "bundled":
            if all((root / file.path).is_file() for file in entry.files):
                entry = entry.model_copy(update={"files": tuple(_measure(file, root) for file in entry.files)})
            else:
                absent.append(entry.name)
        entries.append(entry.model_dump(exclude=None if entry.importer else {"importer"}))
    for row in entries:
        row["files"] = [dict(file) for file in row["files"]]
    header = "".join(line for line in path.read_text(encoding="utf-8").splitlines(True) if line.startswith("#"))
    body = yaml.safe_dump({"weights": entries}, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(header + body, encoding="utf-8")
    return absent


def _measure(file: WeightsFile, root: Path) -> WeightsFile:
    path = root / file.path
    return WeightsFile(path=file.path, size_bytes=path.stat().st_size, sha256=read_sha256(path))


def _unknown(name: str) -> WeightsError:
    known = ", ".join(status.entry.name for status in list_weights())
    return WeightsError(f"{name}: no such file, and no weights of that name; known names: {known}")


def _inspect_import(record: Path, *, is_hashed: bool) -> WeightsStatus:
    try:
        return _inspect(read_import_record(record), is_hashed=is_hashed)
    except WeightsError as error:
        lost = WeightsFile(path=str(record.relative_to(cache_folder())))
        entry = WeightsEntry(
            name=record.parent.name, kind="imported", role="recovery", what="unknown", licence="unknown",
            source=str(record), files=(lost,),
        )  # fmt: skip
        return WeightsStatus(entry, record.parent, "corrupt", str(error))


def _inspect(entry: WeightsEntry, *, is_hashed: bool) -> WeightsStatus:
    root = PACKAGES_ROOT if entry.kind == "bundled" else cache_folder()
    place = locate(entry)
    is_known = True
    for file in entry.files:
        path = root / file.path
        if not path.is_file():
            return WeightsStatus(entry, place, "missing", f"{entry.name}: no file {path}")
        size = path.stat().st_size
        if file.size_bytes is not None and size != file.size_bytes:
            problem = f"{path}: has {size} bytes, expected {file.size_bytes} ({entry.name})"
            return WeightsStatus(entry, place, "corrupt", problem)
        if file.sha256 is None:
            is_known = False
        elif is_hashed and (found := read_sha256(path)) != file.sha256:
            problem = f"{path}: sha256 is {found[:12]}, expected {file.sha256[:12]} ({entry.name})"
            return WeightsStatus(entry, place, "corrupt", problem)
    return WeightsStatus(entry, place, "ok" if is_known and is_hashed else "found", "")
