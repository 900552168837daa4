"""The graph of artifacts: what depends on what, what is up to date, and what has to run."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from pipeline.atomic import write_json

RECORD_NAME = "nodes.json"


@dataclass(frozen=True, slots=True)
class Node:
    """One step that makes files from the files of the nodes before it."""

    name: str
    after: tuple[str, ...]  # names of the nodes whose files it reads
    settings: Mapping[str, Any]  # everything else its result depends on, as JSON values
    run: Callable[[], Sequence[Path]]  # makes the files and returns their paths


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """What a run would do with a node."""

    name: str
    fingerprint: str
    is_current: bool
    reason: str  # why it runs, or "up to date"


@dataclass(slots=True)
class Graph:
    """Nodes over one output folder. A node's record is written after its files, so a file alone proves nothing."""

    folder: Path
    nodes: Sequence[Node]
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.folder / RECORD_NAME
        if path.exists():
            try:
                record = json.loads(path.read_bytes())
            except ValueError:
                record = {}
            self.record = record if _is_record(record) else {}  # one that is damaged proves nothing: all runs again

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
            if entry is None:
                reason = "not done yet"
            elif entry["fingerprint"] != fingerprint:
                reason = "settings or inputs changed"
            elif waiting:
                reason = f"{waiting[0]} runs again"
            else:
                reason = self._damage(entry["files"])
            planned[node.name] = PlannedNode(node.name, fingerprint, not reason, reason or "up to date")
        return list(planned.values())

    def run(self, on_start: Callable[[PlannedNode], None] = lambda planned: None) -> list[PlannedNode]:
        """Run what is not up to date; return the plan that was carried out."""
        by_name = {node.name: node for node in self.nodes}
        plan = self.plan()
        for planned in plan:
            if planned.is_current:
                continue
            on_start(planned)
            old = self._files(planned.name)
            if self.record.pop(planned.name, None) is not None:
                write_json(self.folder / RECORD_NAME, self.record)
            files = by_name[planned.name].run()
            for stale in old - set(files):
                stale.unlink(missing_ok=True)
            sizes = {str(path.relative_to(self.folder)): path.stat().st_size for path in files}
            self.record[planned.name] = {"fingerprint": planned.fingerprint, "files": sizes}
            write_json(self.folder / RECORD_NAME, self.record)
        if not all(planned.is_current for planned in plan):
            self._forget(self.record.keys() - by_name.keys())
        return plan

    def _forget(self, names: set[str]) -> None:
        """Remove what nodes made that are not part of this run: it shows something else now."""
        for name in names:
            for stale in self._files(name):
                stale.unlink(missing_ok=True)
            del self.record[name]
        if names:
            write_json(self.folder / RECORD_NAME, self.record)

    def _files(self, name: str) -> set[Path]:
        return {self.folder / path for path in self.record.get(name, {}).get("files", {})}

    def _damage(self, sizes: Mapping[str, int]) -> str:
        for name, size in sizes.items():
            path = self.folder / name
            if not path.exists():
                return f"{name} is missing"
            if path.stat().st_size != size:
                return f"{name} was changed"
        return ""


def _is_record(record: Any) -> bool:
    return isinstance(record, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("fingerprint"), str) and isinstance(entry.get("files"), dict)
        for entry in record.values()
    )


def fingerprint_of(settings: Mapping[str, Any], inputs: Sequence[str] = ()) -> str:
    """Return 16 hexadecimal digits that change with the settings or any input."""
    text = json.dumps({"settings": settings, "inputs": list(inputs)}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
