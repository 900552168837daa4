"""Named objects below one place, a folder or a URL: written whole, created once, listed, removed."""

import os
import shutil
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from pipeline.engine.places import local_path, open_place
from pipeline.flow.atomic import sync_folder

FRESH = "_store/new"  # where objects are written before they get their name; on the same disk
EXCLUSIVE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})  # with a conditional write
# Stores that show an object when it is whole; elsewhere it is written beside its place and moved there.
WHOLE = EXCLUSIVE | {"adl", "oss", "oci", "swift"}


class Objects(Protocol):
    """Named objects below one place; a name is a relative path."""

    is_exclusive: bool  # whether of two that create an object at once one is refused

    def read(self, name: str) -> bytes | None:
        """Return an object, or None."""

    def has(self, name: str) -> bool:
        """Return whether there is such an object."""

    def put(self, name: str, data: bytes) -> None:
        """Write an object so that readers see the old one or the new."""

    def create(self, name: str, data: bytes) -> bool:
        """Write an object where there is none; return whether there was none."""

    def upload(self, path: Path, name: str) -> None:
        """Write a file of this machine as an object that nobody reads yet."""

    def names(self, folder: str) -> list[str]:
        """Return the last parts of the names directly below a folder."""

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""

    def remove_tree(self, folder: str) -> None:
        """Remove everything below a folder."""


def open_objects(url: str) -> Objects:
    """Return the objects below a path or URL.

    Raises:
        SettingsError: the kind of URL is not known, or its package is missing.
    """
    folder = local_path(url)
    return UrlObjects(url) if folder is None else FolderObjects(folder.absolute())


class FolderObjects:
    """Objects as files below a folder; it may be shared by machines (NFS)."""

    is_exclusive = True

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> bytes | None:
        """Return an object, or None."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        """Return whether there is such an object."""
        return (self._root / name).exists()

    def put(self, name: str, data: bytes) -> None:
        """Write an object so that readers see the old one or the new."""
        path = self._root / name
        os.replace(self._written_beside(path, data), path)
        sync_folder(path.parent)

    def create(self, name: str, data: bytes) -> bool:
        """Write an object where there is none; return whether there was none."""
        path = self._root / name
        fresh = self._written_beside(path, data)
        try:
            os.link(fresh, path)
        except FileExistsError:
            return False
        finally:
            fresh.unlink()
        sync_folder(path.parent)
        return True

    def upload(self, path: Path, name: str) -> None:
        """Write a file of this machine as an object that nobody reads yet."""
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())

    def names(self, folder: str) -> list[str]:
        """Return the last parts of the names directly below a folder."""
        try:
            return sorted(item.name for item in os.scandir(self._root / folder))
        except FileNotFoundError:
            return []

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        (self._root / name).unlink(missing_ok=True)

    def remove_tree(self, folder: str) -> None:
        """Remove everything below a folder."""
        shutil.rmtree(self._root / folder, ignore_errors=True)

    def _written_beside(self, path: Path, data: bytes) -> Path:
        fresh = self._root / FRESH / uuid4().hex
        for folder in (fresh.parent, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with fresh.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return fresh


class UrlObjects:
    """Objects in a store that fsspec reaches."""

    def __init__(self, url: str) -> None:
        self._system, root = open_place(url)
        self._root = root.rstrip("/")
        kinds = {self._system.protocol} if isinstance(self._system.protocol, str) else set(self._system.protocol)
        self.is_exclusive = bool(EXCLUSIVE & kinds)
        self._is_whole = bool(WHOLE & kinds)

    def read(self, name: str) -> bytes | None:
        """Return an object, or None."""
        try:
            return bytes(self._system.cat_file(self._path(name)))
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        """Return whether there is such an object."""
        return bool(self._system.exists(self._path(name)))

    def put(self, name: str, data: bytes) -> None:
        """Write an object so that readers see the old one or the new."""
        path = self._path(name)
        if self._is_whole:
            self._system.pipe_file(path, data)
            return
        fresh = self._path(f"{FRESH}/{uuid4().hex}")
        for folder in (fresh, path):
            self._system.makedirs(folder.rpartition("/")[0], exist_ok=True)
        self._system.pipe_file(fresh, data)
        if self._system.exists(path):  # which not every store moves onto
            self._system.rm_file(path)
        self._system.mv(fresh, path)

    def create(self, name: str, data: bytes) -> bool:
        """Write an object where there is none; return whether there was none."""
        path = self._path(name)
        if not self.is_exclusive:
            if self._system.exists(path):
                return False
            self.put(name, data)
            return True
        try:
            self._system.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except Exception as error:  # each store has its own classes
            if not _is_refused(error):
                raise
            return False
        return True

    def upload(self, path: Path, name: str) -> None:
        """Write a file of this machine as an object that nobody reads yet."""
        target = self._path(name)
        if not self._is_whole:
            self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._system.put_file(str(path), target)

    def names(self, folder: str) -> list[str]:
        """Return the last parts of the names directly below a folder."""
        try:
            found = self._system.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        names = {path.rstrip("/").rpartition("/")[2] for path in found}
        return sorted(names - {folder.rpartition("/")[2]})  # some stores keep an empty object for a folder

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        try:
            self._system.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def remove_tree(self, folder: str) -> None:
        """Remove everything below a folder."""
        try:
            self._system.rm(self._path(folder), recursive=True)
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _is_refused(error: BaseException | None) -> bool:
    """Return whether a store refused a write because the object is there: HTTP 412 or 409 of S3, 412 of Google."""
    while error is not None:
        texts = (type(error).__name__, str(error), str(getattr(error, "code", "")))
        if any(word in text for text in texts for word in ("PreconditionFailed", "pre-conditions", "412", "Conflict")):
            return True
        error = error.__cause__
    return False
