"""Hands units to workers, however they die: bounded work under way, attempts counted, poison set aside."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.engine.attempts import Order, Outcome
from pipeline.engine.plan import PlannedUnit
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

    def room(self) -> int:
        """Return how many workers wait for an order."""

    def start(self, order: Order) -> None:
        """Hand an order to a worker that waits."""

    def wait(self, seconds: float) -> list[Finished]:
        """Return what came back, at once where something did and after this time where nothing did."""


@dataclass(slots=True)
class Dispatch:
    """The units of a run, those under way, and what became of them."""

    pool: Pool
    store: ResultStore
    tries_max: int
    on_row: Callable[[AttemptRow], None] = lambda row: None
    rows: list[AttemptRow] = field(default_factory=list)  # attempts of this run, and rows that are no units
    done: int = 0
    failed: int = 0
    overheads_s: list[float] = field(default_factory=list)
    earlier: list[AttemptRow] = field(default_factory=list)  # of other runs
    _attempts: dict[str, tuple[AttemptRow, ...]] = field(default_factory=dict)  # failed ones, of units that go on
    _written: float = field(default_factory=time.monotonic)

    def run(self, units: Sequence[PlannedUnit]) -> None:
        """Do all units; a unit that failed waits until the others were tried."""
        fresh, again = deque(units), deque[PlannedUnit]()
        under_way: dict[str, PlannedUnit] = {}
        while fresh or again or under_way:
            while (fresh or again) and self.pool.room():
                unit = (fresh or again).popleft()
                under_way[unit.key] = unit
                attempts = self._attempts.get(unit.key, ())
                self.pool.start(Order(unit.row, unit.key, len(attempts) + 1, attempts))
            for finished in self.pool.wait(WAIT_S):
                unit = under_way.pop(finished.order.key)
                if self._is_to_be_done_again(finished):
                    again.append(unit)
            if time.monotonic() - self._written > WRITE_S:
                self.write_status()

    def write_status(self) -> None:
        """Write the table of all attempts into the store."""
        self._written = time.monotonic()
        self.store.write(NAME, table_bytes([*self.earlier, *self.rows]))

    def _is_to_be_done_again(self, finished: Finished) -> bool:
        order, outcome = finished.order, finished.outcome
        row = self._row_of(finished)
        if outcome is not None:
            self.overheads_s.append(finished.seconds - outcome.seconds)
        self.rows.append(row)
        self.on_row(row)
        if row.status in ("done", "partial"):
            self.done += 1
            self._attempts.pop(order.key, None)
            return False
        attempts = (*order.earlier, row)
        blamed = sum(each.status != "machine lost" for each in attempts)
        is_given_up = outcome is not None and outcome.is_final
        if not is_given_up and blamed < self.tries_max and len(attempts) < ATTEMPTS_MAX:
            log.warning("%s: attempt %d failed (%s); it is tried again", row.name, row.attempt, row.reason)
            self._attempts[order.key] = attempts
            return True
        self.failed += 1
        self._attempts.pop(order.key, None)
        self.store.set_aside(order.key, row.name, [each.dump() for each in attempts], outcome.log if outcome else "")
        self.store.remove_attempts(order.key)
        return False

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
