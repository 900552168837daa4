"""Results in a store, each whole or not there. What is in the store is what is done: there is no other record.

    _store/units/<key>/<attempt>/...   files of one attempt at a unit; nobody reads them before the attempt is committed
    _store/done/<key>.json             the commit: which attempt counts, its files with bytes and sha256
    _store/failed/<key>.json           a unit that was set aside, with the reason of each attempt
    status.parquet                     a table of all this, made from it
    <name>                             in a folder, a link to the files of the attempt that counts

A commit is one object that is created once: by `link` in a folder, by a conditional write on S3 (If-None-Match), Google
Cloud Storage (ifGenerationMatch) and Azure (If-None-Match). Other stores are asked before the write: of two attempts
that end in the same moment the later one may count, and nothing of either is removed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from uuid import uuid4

from configs.errors import InputError, RunError
from configs.json_files import parse_json
from pipeline.engine.objects import open_objects
from pipeline.engine.places import local_path
from pipeline.flow.atomic import write_bytes

ROOM = "_store"
UPLOADS_AT_ONCE = 16  # a long clip has thousands of files, and a store takes tens of milliseconds for each
NOT_UPLOADED = frozenset({".lock", "error.log"})


@dataclass(frozen=True, slots=True)
class Commit:
    """One attempt's result, as it was committed."""

    key: str
    name: str  # of the clip; empty: a segment of one
    attempt: str
    files: Mapping[str, Mapping[str, Any]]  # bytes and sha256 by name
    rows: list[dict[str, Any]]  # the attempts, as in `status.parquet`


class ResultStore:
    """Results of units below one path or URL."""

    def __init__(self, url: str) -> None:
        folder = local_path(url)
        self.url = url.rstrip("/") if folder is None else str(folder)
        self._objects = open_objects(url)
        self._folder = folder  # None where it is no folder of this machine

    def check(self) -> None:
        """Write and remove a small object: what is wrong with the place or the rights is said before anything runs.

        Raises:
            RunError: it cannot be written.
        """
        probe = f"{ROOM}/probe-{uuid4().hex}"
        try:
            self._objects.put(probe, b"probe")
            self._objects.remove(probe)
        except Exception as error:  # each store has its own classes
            why = str(error).partition("\n")[0]
            raise RunError(f"{self.url}: cannot be written ({why}); check the address and the rights") from error

    def done(self) -> set[str]:
        """Return the keys of all units with a commit."""
        return self._keys("done")

    def failed(self) -> set[str]:
        """Return the keys of all units that were set aside."""
        return self._keys("failed")

    def read_commit(self, key: str) -> Commit | None:
        """Return the commit of a unit, or None."""
        found = self._read_json(f"{ROOM}/done/{key}.json")
        return None if found is None else Commit(**{field.name: found[field.name] for field in fields(Commit)})

    def read_failure(self, key: str) -> list[dict[str, Any]]:
        """Return the attempts at a unit that was set aside; nothing if it was not."""
        found = self._read_json(f"{ROOM}/failed/{key}.json")
        return [] if found is None else list(found["rows"])

    def attempt_folder(self, key: str, attempt: str) -> str:
        """Return where the files of an attempt lie, as a path or URL."""
        return f"{self.url}/{ROOM}/units/{key}/{attempt}"

    def upload(self, folder: Path, key: str, attempt: str) -> dict[str, dict[str, Any]]:
        """Copy the files of a run under an attempt; return bytes and sha256 of each by name."""
        paths = sorted(item for item in folder.rglob("*") if item.is_file() and item.name not in NOT_UPLOADED)

        def upload_one(path: Path) -> tuple[str, dict[str, Any]]:
            name = path.relative_to(folder).as_posix()
            self._objects.upload(path, f"{ROOM}/units/{key}/{attempt}/{name}")
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            return name, {"bytes": path.stat().st_size, "sha256": digest}

        with ThreadPoolExecutor(UPLOADS_AT_ONCE, "upload") as pool:
            return dict(pool.map(upload_one, paths))

    def commit(self, commit: Commit) -> bool:
        """Let an attempt count; return whether it does: False where another one came first.

        The files of attempts that do not count are removed.
        """
        is_first = self._objects.create(f"{ROOM}/done/{commit.key}.json", _bytes(asdict(commit)))
        counted = commit.attempt
        if not (is_first and self._objects.is_exclusive):
            kept = self.read_commit(commit.key)
            counted = kept.attempt if kept else ""
        if counted != commit.attempt:
            self._objects.remove_tree(f"{ROOM}/units/{commit.key}/{commit.attempt}")
            return False
        if self._objects.is_exclusive:
            self.remove_attempts(commit.key, without=commit.attempt)
        self._objects.remove(f"{ROOM}/failed/{commit.key}.json")
        self.link(commit)
        return True

    def download(self, key: str, folder: Path) -> None:
        """Copy the files of a unit that is done to a folder.

        Raises:
            OSError: one is not there, or not as it was committed.
        """
        commit = self.read_commit(key)
        for name, told in (commit.files if commit else {}).items():
            data = self._objects.read(f"{ROOM}/units/{key}/{commit.attempt if commit else ''}/{name}")
            if data is None or hashlib.sha256(data).hexdigest() != told["sha256"]:
                raise OSError(f"{self.url}: {key}/{name} is not as it was committed")
            write_bytes(folder / name, data)

    def forget(self, key: str) -> None:
        """Remove a unit that is part of another one by now."""
        self._objects.remove(f"{ROOM}/done/{key}.json")
        self._objects.remove_tree(f"{ROOM}/units/{key}")

    def set_aside(self, key: str, name: str, rows: list[dict[str, Any]], log: str = "") -> None:
        """Write down that a unit failed, with its attempts and the traceback of the last."""
        value = {"key": key, "name": name, "rows": rows, "log": log}
        self._objects.put(f"{ROOM}/failed/{key}.json", _bytes(value))

    def remove_attempts(self, key: str, without: str = "") -> None:
        """Remove the files of attempts at a unit.

        Args:
            without: the attempt that stays; empty: none does.
        """
        for attempt in self._objects.names(f"{ROOM}/units/{key}"):
            if attempt != without:
                self._objects.remove_tree(f"{ROOM}/units/{key}/{attempt}")

    def relink(self, key: str, name: str) -> None:
        """In a folder, let `<name>` lead to a unit that is done, where a kill or other settings left it otherwise."""
        if self._folder is None:
            return
        place, goal = self._folder / name, os.path.join(ROOM, "units", key, "")
        is_led = place.is_symlink() and os.readlink(place).startswith(goal)
        if not is_led and (commit := self.read_commit(key)):
            self.link(commit)

    def link(self, commit: Commit) -> None:
        """In a folder, let `<name>` lead to the files of an attempt; what a user put there stays."""
        if self._folder is None:
            return
        if not commit.name:  # a segment
            return
        place, target = self._folder / commit.name, os.path.join(ROOM, "units", commit.key, commit.attempt)
        if os.path.lexists(place) and not place.is_symlink():
            return
        if place.is_symlink() and os.readlink(place) == target:
            return
        fresh = self._folder / ROOM / f"link-{uuid4().hex}"
        fresh.symlink_to(target)
        os.replace(fresh, place)

    def write(self, name: str, data: bytes) -> None:
        """Write an object beside the results, whole or not at all."""
        self._objects.put(name, data)

    def read(self, name: str) -> bytes | None:
        """Return an object beside the results, or None."""
        return self._objects.read(name)

    def _keys(self, room: str) -> set[str]:
        found = self._objects.names(f"{ROOM}/{room}")
        return {name.removesuffix(".json") for name in found if name.endswith(".json")}

    def _read_json(self, name: str) -> Any:
        data = self._objects.read(name)
        if data is None:
            return None
        found = parse_json(data, f"{self.url}/{name}")
        if not isinstance(found, dict) or not {"key", "rows"} <= found.keys():
            raise InputError(f"{self.url}/{name}: not an object of this program; remove it")
        return found


def _bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
