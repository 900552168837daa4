"""Hands units to workers, however they die: bounded work under way, attempts counted, poison set aside."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pipeline.engine.attempts import Order, Outcome
from pipeline.engine.plan import PlannedUnit, segment_key
from pipeline.engine.result_store import ResultStore
from pipeline.engine.status import NAME, AttemptRow, table_bytes

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 12  # at one unit, those that ended with their machine included: the unit may be what ends machines
WRITE_S = 60.0  # between tables of the status, while units come back
WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Finished:
    """An order that came back."""

    order: Order
    outcome: Outcome | None  # None: the worker died
    problem: str = ""  # how it died
    is_machine_lost: bool = False
    seconds: float = 0.0  # from handing it out to its return
    worker: str = ""


class Pool(Protocol):
    """Workers somewhere, each with one order at a time."""

    def size(self) -> int:
        """Return how many workers there are to be."""

    def room(self) -> int:
        """Return how many workers wait for an order."""

    def start(self, order: Order) -> None:
        """Hand an order to a worker that waits."""

    def wait(self, seconds: float) -> list[Finished]:
        """Return what came back, at once where something did and after this time where nothing did."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A clip, or a segment of one, that is to be done."""

    unit: PlannedUnit
    segment: Mapping[str, Any] | None = None
    joined: tuple[str, ...] = ()  # segments of the clip that were done before it
    attempts: tuple[AttemptRow, ...] = ()  # that failed

    @property
    def key(self) -> str:
        return self.unit.key if self.segment is None else segment_key(self.unit.key, self.segment["number"])


@dataclass(slots=True)
class Dispatch:
    """The units of a run, those under way, and what became of them."""

    pool: Pool
    store: ResultStore
    tries_max: int
    on_row: Callable[[AttemptRow], None] = lambda row: None
    done_before: frozenset[str] = frozenset()  # keys of segments that an earlier run has done
    rows: list[AttemptRow] = field(default_factory=list)  # attempts of this run, and rows that are no units
    done: int = 0  # clips
    failures: list[AttemptRow] = field(default_factory=list)  # the last attempt of each clip that was set aside
    overheads_s: list[float] = field(default_factory=list)
    earlier: list[AttemptRow] = field(default_factory=list)  # of other runs
    _fresh: "deque[_Task]" = field(default_factory=deque)
    _again: "deque[_Task]" = field(default_factory=deque)  # that failed
    _under_way: dict[str, "_Task"] = field(default_factory=dict)
    _segments: dict[str, set[str]] = field(default_factory=dict)  # that clips wait for
    _joined: dict[str, tuple[str, ...]] = field(default_factory=dict)  # all segments of these clips
    _given_up: set[str] = field(default_factory=set)
    _written: float = field(default_factory=time.monotonic)

    def run(self, units: Sequence[PlannedUnit]) -> None:
        """Do all units; one that failed waits until the others were tried."""
        self._fresh.extend(_Task(unit) for unit in units)
        while self._fresh or self._again or self._under_way:
            while (self._fresh or self._again) and self.pool.room():
                self._start((self._fresh or self._again).popleft())
            for finished in self.pool.wait(WAIT_S):
                self._take(self._under_way.pop(finished.order.key), finished)
            if time.monotonic() - self._written > WRITE_S:
                self.write_status()

    def _start(self, task: "_Task") -> None:
        if task.unit.key in self._given_up:  # for another of its segments
            return
        self._under_way[task.key] = task
        number = len(task.attempts) + 1
        # While there are clips for all workers, a long one is fetched once and done by one of them.
        may_split = len(self._fresh) + len(self._again) < self.pool.size()
        order = Order(task.unit.row, task.key, number, task.attempts, task.segment, task.joined, may_split)
        self.pool.start(order)

    def write_status(self) -> None:
        """Write the table of all attempts into the store."""
        self._written = time.monotonic()
        self.store.write(NAME, table_bytes([*self.earlier, *self.rows]))

    def _take(self, task: "_Task", finished: Finished) -> None:
        outcome = finished.outcome
        row = self._row_of(finished)
        if outcome is not None:
            self.overheads_s.append(finished.seconds - outcome.seconds)
        self.rows.append(row)
        self.on_row(row)
        if row.status in ("done", "partial"):
            self._end(task)
        elif outcome is not None and outcome.segments:
            self._split(task, outcome.segments)
        else:
            self._retry(task, row, outcome)

    def _end(self, task: "_Task") -> None:
        key = task.unit.key
        if task.segment is None:
            self.done += 1
        elif key in self._segments:
            self._segments[key].discard(task.key)
            self._join(task.unit)

    def _split(self, task: "_Task", segments: Sequence[Mapping[str, Any]]) -> None:
        """Put the segments of a long clip before what waits, without those that are done."""
        tasks = [_Task(task.unit, segment) for segment in segments]
        self._joined[task.unit.key] = tuple(each.key for each in tasks)
        tasks = [each for each in tasks if each.key not in self.done_before]
        self._segments[task.unit.key] = {each.key for each in tasks}
        self._fresh.extendleft(reversed(tasks))
        self._join(task.unit)

    def _join(self, unit: PlannedUnit) -> None:
        """Have a clip done next whose segments are all done."""
        if not self._segments[unit.key] and unit.key not in self._given_up:
            del self._segments[unit.key]
            self._fresh.appendleft(_Task(unit, joined=self._joined.pop(unit.key)))

    def _retry(self, task: "_Task", row: AttemptRow, outcome: Outcome | None) -> None:
        attempts, key = (*task.attempts, row), task.unit.key
        blamed = sum(each.status != "machine lost" for each in attempts)
        is_final = outcome is not None and outcome.is_final
        if not is_final and blamed < self.tries_max and len(attempts) < ATTEMPTS_MAX:
            log.warning("%s: attempt %d failed (%s); it is tried again", row.name, row.attempt, row.reason)
            self._again.append(replace(task, attempts=attempts))
        elif key not in self._given_up:
            self._given_up.add(key)
            self.failures.append(row)
            rows = [each.dump() for each in attempts]
            self.store.set_aside(key, task.unit.row.name, rows, outcome.log if outcome else "")
            self.store.remove_attempts(task.key)

    def _row_of(self, finished: Finished) -> AttemptRow:
        """Return the row of an attempt; one whose worker died may have been committed before."""
        order = finished.order
        if finished.outcome is not None:
            return finished.outcome.row
        kept = self.store.read_commit(order.key)
        if kept is not None:
            return AttemptRow.load(kept.rows[-1])
        return AttemptRow(
            name=order.row.name,
            unit=order.key,
            row=order.row.number,
            attempt=order.attempt,
            status="machine lost" if finished.is_machine_lost else "lost",
            reason=finished.problem,
            seconds=round(finished.seconds, 3),
            worker=finished.worker,
        )
