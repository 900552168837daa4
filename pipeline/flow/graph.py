"""The graph of artifacts: what depends on what, what is up to date, and what has to run."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from configs.errors import RunError
from pipeline.flow.atomic import write_json
from pipeline.flow.outputs import (
    ADOPTED,
    Entry,
    RunFolder,
    dump_entries,
    find_own,
    is_own_name,
    read_entries,
    read_hash,
    remove,
    remove_part,
)

log = logging.getLogger(__name__)

Claim = Callable[[Sequence[Path]], None]
FORMATS_NODE = "formats"  # whose files `dpmesh-video export` makes, too


@dataclass(frozen=True, slots=True)
class Node:
    """One step that makes files from the files of the nodes before it."""

    name: str
    after: tuple[str, ...]  # names of the nodes whose files it reads
    settings: Mapping[str, Any]  # everything else its result depends on, as JSON values
    run: Callable[[Claim], Sequence[Path]]  # claims files before it makes them, and returns the paths of all


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """What a run would do with a node."""

    name: str
    fingerprint: str
    is_current: bool
    reason: str  # why it runs, or "up to date"


@dataclass(slots=True)
class Graph:
    """Nodes over one output folder.

    The record names a node's files before they are written and calls the node finished after that: a file alone proves
    nothing, and a run that was stopped leaves nothing that the next one does not know of.
    """

    folder: Path
    nodes: Sequence[Node]
    record: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = read_entries(self.folder)
        if found is None:
            # A damaged record proves nothing: all runs again over what lies there, and nothing is deleted.
            names = find_own(self.folder)
            found = {ADOPTED: Entry(files=dict.fromkeys(names))} if names else {}
        self.record = found

    def ordered(self) -> list[Node]:
        """Return the nodes in an order in which they can run."""
        by_name = {node.name: node for node in self.nodes}
        order = TopologicalSorter({node.name: node.after for node in self.nodes}).static_order()
        return [by_name[name] for name in order]

    def plan(self) -> list[PlannedNode]:
        """Return what would run and why, in order."""
        planned: dict[str, PlannedNode] = {}
        for node in self.ordered():
            fingerprint = fingerprint_of(node.settings, [planned[name].fingerprint for name in node.after])
            entry = self.record.get(node.name)
            waiting = [name for name in node.after if not planned[name].is_current]
            if entry is None or not entry.fingerprint:
                reason = "not done yet"
            elif entry.fingerprint != fingerprint:
                reason = "settings, inputs or program changed"
            elif waiting:
                reason = f"{waiting[0]} runs again"
            else:
                reason = self._damage(entry.files)
            planned[node.name] = PlannedNode(node.name, fingerprint, not reason, reason or "up to date")
        return list(planned.values())

    def run(self, *, keeps_others: bool = False) -> list[PlannedNode]:
        """Run what is not up to date; return the plan that was carried out.

        Args:
            keeps_others: whether files of nodes that are not of this graph stay: these are only added.

        Raises:
            RunError: a node would overwrite a file that no run made.
        """
        by_name = {node.name: node for node in self.nodes}
        plan = self.plan()
        for planned in plan:
            if planned.is_current:
                continue
            entry = self.record.setdefault(planned.name, Entry())
            entry.fingerprint = ""
            self._write()
            files = by_name[planned.name].run(partial(self._claim, entry))
            names = [self._name(path) for path in files]
            if strange := [name for name in names if not is_own_name(name)]:
                raise ValueError(f"{planned.name} made {strange[0]}, which pipeline/flow/outputs.py does not list")
            remove(self.folder, entry, entry.files.keys() - set(names))
            entry.files = {name: path.stat().st_size for name, path in zip(names, files, strict=True)}
            entry.hashes = {name: read_hash(path) for name, path in zip(names, files, strict=True)}
            entry.fingerprint = planned.fingerprint
            self._write()
        if not keeps_others and not all(planned.is_current for planned in plan):
            self._forget(self.record.keys() - by_name.keys() - {ADOPTED})
            self._tell_adopted()
        return plan

    def add(self, name: str, paths: Sequence[Path], make: Callable[[], Any]) -> None:
        """Make further files of a finished run under the name of a node, which a run with that node makes anew.

        Raises:
            RunError: a file that no run made would be overwritten.
        """
        entry = self.record.setdefault(name, Entry())
        entry.fingerprint = ""
        self._claim(entry, paths)
        make()
        for path in paths:
            entry.files[self._name(path)] = path.stat().st_size
            entry.hashes[self._name(path)] = read_hash(path)
        self._write()

    def _tell_adopted(self) -> None:
        made = {name for node, entry in self.record.items() if node != ADOPTED for name in entry.files}
        left = [name for name in find_own(self.folder) if name not in made]
        if ADOPTED in self.record and left:
            names = f"{self.folder / left[0]}{f' and {len(left) - 1} more' if len(left) > 1 else ''}"
            log.warning("%s: not of this run; an earlier one may have made it, but its record is lost", names)

    def _claim(self, entry: Entry, paths: Sequence[Path]) -> None:
        """Write down that a node is about to make files, before it does."""
        names = [self._name(path) for path in paths]
        known = {name for each in self.record.values() for name in each.files}
        for name in names:
            if name not in known and os.path.lexists(self.folder / name):
                raise RunError(
                    f"{self.folder / name}: no run made this file, and a result of this name is due; "
                    "move it away, or give another --output"
                )
        for name in names:
            remove_part(self.folder / name)  # it may be a link by now, and is opened to write
            entry.files[name] = None
            entry.hashes.pop(name, None)
        self._write()

    def _forget(self, names: set[str]) -> None:
        """Remove what nodes made that are not part of this run: it shows something else now."""
        for name in names:
            remove(self.folder, self.record[name], set(self.record[name].files))
            del self.record[name]
        if names:
            self._write()

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _write(self) -> None:
        write_json(RunFolder(self.folder).nodes, dump_entries(self.record))

    def _damage(self, sizes: Mapping[str, int | None]) -> str:
        for name, size in sizes.items():
            path = self.folder / name
            if not path.exists():
                return f"{name} is missing"
            if path.stat().st_size != size:
                return f"{name} was changed"
        return ""


def fingerprint_of(settings: Mapping[str, Any], inputs: Sequence[str] = ()) -> str:
    """Return 16 hexadecimal digits that change with the settings or any input."""
    text = json.dumps({"settings": settings, "inputs": list(inputs)}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
