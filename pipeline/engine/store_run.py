"""A run into a store: what the store lacks is done, and what became of all of it is said."""

import io
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol, Self

from configs.errors import InputError
from configs.schema import RunSettings
from pipeline.engine.dispatch import Dispatch, Pool
from pipeline.engine.manifest import BadRow, Row
from pipeline.engine.plan import PlannedUnit, clip_key, plan_units
from pipeline.engine.result_store import ResultStore
from pipeline.engine.status import NAME, AttemptRow, Cost, read_table, table_bytes
from pipeline.flow.progress import ProgressDisplay

log = logging.getLogger(__name__)

TELL_S = 30.0  # between lines on how far the run is, where no bar is shown


class WorkerPool(Pool, Protocol):
    """A pool that is opened and closed, and knows how many machines it had."""

    machines: int

    def __enter__(self) -> Self:
        """Start the workers."""

    def __exit__(self, *_: object) -> None:
        """End them."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """What a run into a store would do with a row."""

    name: str
    status: str  # "done", "to do", "set aside" or "failed"
    reason: str = ""  # of the last two


OpenPool = Callable[[], WorkerPool]


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run into a store ended."""

    done: int  # units with a result, those of earlier runs included
    done_now: int
    failed: list[AttemptRow]  # rows without a result: the last attempt of each
    partial: int
    cost: Cost | None = None  # None: nothing was to be done
    overhead_ms: float | None = None  # of handing out a unit and taking its result, the median

    @property
    def exit_code(self) -> int:
        """Return 0 when all is done, 3 when something failed or was cut short, 1 when there is no result."""
        if self.failed and not self.done:
            return 1
        return 3 if self.failed or self.partial else 0


def plan_rows(
    store: ResultStore, rows: Sequence[Row | BadRow], settings: RunSettings, *, is_retrying: bool = False
) -> list[PlannedRow]:
    """Return what `StoreRun.run` would do with each row; nothing is written.

    Rows that cannot be read come first.

    Raises:
        RunError: the store cannot be read.
        WeightsError: the models that the settings name are not there.
    """
    units, failed = plan_units(rows, settings)
    planned = [PlannedRow(row.name, "failed", row.reason) for row in failed]
    done, set_aside = _over(store, is_retrying)
    for unit in units:
        if unit.key in done:
            planned.append(PlannedRow(unit.row.name, "done"))
        elif unit.key in set_aside:
            tries = store.read_failure(unit.key)
            planned.append(PlannedRow(unit.row.name, "set aside", tries[-1]["reason"] if tries else ""))
        else:
            planned.append(PlannedRow(unit.row.name, "to do"))
    return planned


def _over(store: ResultStore, is_retrying: bool) -> tuple[set[str], set[str]]:
    """Return the keys of units that are done, and of those that an earlier run set aside and that stay so."""
    done = store.done()
    return done, set() if is_retrying else store.failed() - done


@dataclass(slots=True)
class StoreRun:
    """Rows on their way into a store."""

    store: ResultStore
    settings: RunSettings
    open_pool: OpenPool
    on_row: Callable[[AttemptRow], None] = lambda row: None
    is_retrying: bool = False  # whether units that an earlier run set aside are tried again
    has_progress: bool = True
    _failed: list[AttemptRow] = field(default_factory=list)

    def run(self, rows: Sequence[Row | BadRow]) -> Summary:
        """Do what the store lacks.

        Raises:
            RunError: the store cannot be written, or no worker can begin.
            WeightsError: the models that the settings name are not there.
            KeyboardInterrupt: the run was stopped; the same call goes on.
        """
        self.store.check()
        units, self._failed = plan_units(rows, self.settings)
        for row in self._failed:
            self.on_row(row)
        done, set_aside = _over(self.store, self.is_retrying)
        earlier = [unit for unit in units if unit.key in done]
        left_aside = [unit for unit in units if unit.key in set_aside]
        waiting = [unit for unit in units if unit.key not in done and unit.key not in set_aside]
        for key in done:
            if clip_key(key) != key and clip_key(key) in done:  # a segment that a killed worker had joined
                self.store.forget(key)
        for unit in earlier:
            self.store.relink(unit.key, unit.row.name)
        known = self._known(earlier, left_aside)
        if left_aside:
            log.warning(
                "%d clips failed in an earlier run and are left out; --retry-failed tries them", len(left_aside)
            )
            last = {row.unit: row for row in known}
            self._failed += [last[unit.key] for unit in left_aside]
        log.info("%d clips: %d done before, %d to do", len(rows), len(earlier), len(waiting))
        partial = sum(row.status == "partial" for row in known)
        if not waiting:
            self.store.write(NAME, table_bytes([*known, *(row for row in self._failed if not row.unit)]))
            return Summary(len(earlier), 0, self._failed, partial)
        segments = frozenset(key for key in done if clip_key(key) != key)
        return self._do(waiting, known, len(earlier), partial, segments)

    def _do(
        self,
        waiting: Sequence[PlannedUnit],
        known: list[AttemptRow],
        done_before: int,
        partial: int,
        segments: frozenset[str],
    ) -> Summary:
        started = time.monotonic()
        with ProgressDisplay(is_shown=self.has_progress) as display, self.open_pool() as pool:
            teller = _Teller(display, len(waiting), self.on_row)
            dispatch = Dispatch(pool, self.store, self.settings.runtime.tries_max, on_row=teller.take)
            dispatch.done_before = segments
            dispatch.earlier = [*known, *(row for row in self._failed if not row.unit)]
            teller.watch(dispatch)
            try:
                dispatch.run(waiting)
            finally:
                dispatch.write_status()
            wall = time.monotonic() - started
            cost = Cost.of(dispatch.rows, wall, pool.machines, self.settings.runtime.machine_hour_eur)
        partial += sum(row.status == "partial" for row in dispatch.rows)
        overhead = 1000 * median(dispatch.overheads_s) if dispatch.overheads_s else None
        failed = [*self._failed, *dispatch.failures]
        return Summary(done_before + dispatch.done, dispatch.done, failed, partial, cost, overhead)

    def _known(self, done: Iterable[PlannedUnit], aside: Iterable[PlannedUnit]) -> list[AttemptRow]:
        """Return the attempts at units of earlier runs: from the table of the last run, else from the store."""
        data = self.store.read(NAME)
        try:
            told = read_table(io.BytesIO(data)) if data else {}
        except InputError as error:
            log.warning("%s; it is made anew", error)
            told = {}
        rows: list[AttemptRow] = []
        for unit in done:
            found = told.get(unit.key, [])
            if not found or found[-1].status not in ("done", "partial"):
                commit = self.store.read_commit(unit.key)
                found = [AttemptRow.load(row) for row in commit.rows] if commit else []
            rows += found
        for unit in aside:
            rows += [AttemptRow.load(row) for row in self.store.read_failure(unit.key)]
        return rows


class _Teller:
    """Says how far a run is."""

    def __init__(self, display: ProgressDisplay, total: int, on_row: Callable[[AttemptRow], None]) -> None:
        self._bar = display.listen(f"{total} clips")
        self._bar.start("", total)
        self._total, self._on_row = total, on_row
        self._dispatch: Dispatch | None = None
        self._started = self._told = time.monotonic()

    def watch(self, dispatch: Dispatch) -> None:
        """Take the counts from here."""
        self._dispatch = dispatch

    def take(self, row: AttemptRow) -> None:
        """Pass on how an attempt ended, and say how far the run is."""
        self._on_row(row)
        if self._dispatch is None:
            return
        failed = len(self._dispatch.failures)
        over = self._dispatch.done + failed
        self._bar.advance(over, f"{failed} failed" if failed else "")
        now = time.monotonic()
        if now - self._told > TELL_S and over:
            self._told = now
            minutes, seconds = divmod(round((now - self._started) / over * (self._total - over)), 60)
            log.info("%d/%d clips, %d failed, %02d:%02d left", over, self._total, failed, minutes, seconds)
