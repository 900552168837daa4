"""`dpmesh-video run` into a store: manifests, URLs, clusters."""

import importlib.util
import logging
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import SettingsError
from pipeline.cli.tables import note, say, tell_error

if TYPE_CHECKING:
    from configs.schema import RunSettings
    from pipeline.engine.status import AttemptRow
    from pipeline.engine.store_run import PlannedRow, Summary

log = logging.getLogger(__name__)


class Engine(StrEnum):
    """Where clips are run."""

    LOCAL = "local"
    RAY = "ray"


def is_for_store(inputs: Sequence[str], output: str, engine: Engine) -> bool:
    """Return whether results go into a store: on a cluster, of a manifest, and where a URL is read or written."""
    from pipeline.engine.manifest import is_manifest
    from pipeline.engine.places import is_url

    return engine is Engine.RAY or is_url(output) or any(is_url(text) or is_manifest(text) for text in inputs)


def run_into_store(
    inputs: Sequence[str],
    output: str,
    settings: "RunSettings",
    *,
    engine: Engine,
    address: str | None,
    is_retrying: bool,
    is_plan: bool = False,
) -> int:
    """Run clips into a store and print how each ended, or what would be done; return the exit code."""
    if address and engine is not Engine.RAY:
        raise SettingsError(f"--address {address}: only --engine ray has a cluster; add it")
    if engine is Engine.RAY and importlib.util.find_spec("ray") is None and not is_plan:
        raise SettingsError("--engine ray: the package ray is missing; pip install 'dpmesh-video[cluster]'")
    from pipeline.engine.manifest import find_rows

    rows = find_rows(inputs, settings)
    from pipeline.engine.process_pool import ProcessPool
    from pipeline.engine.result_store import ResultStore
    from pipeline.engine.store_run import StoreRun, WorkerPool, plan_rows

    store = ResultStore(output if engine is Engine.LOCAL or "://" in output else str(Path(output).absolute()))
    if is_plan:
        return _print_rows(plan_rows(store, rows, settings, is_retrying=is_retrying), store.url)

    def open_pool() -> WorkerPool:
        if engine is Engine.LOCAL:
            return ProcessPool(settings, store.url)
        from pipeline.engine.ray_pool import RayPool

        return RayPool(settings, store.url, address)

    summary = StoreRun(store, settings, open_pool, on_row=_report, is_retrying=is_retrying).run(rows)
    _print_summary(summary, store.url)
    return summary.exit_code


def _print_rows(rows: "Sequence[PlannedRow]", place: str) -> int:
    """Print what a run would do with rows; return the exit code that the bad ones of them give it."""
    for row in rows:
        say(f"{row.name}  {row.status}{f': {row.reason}' if row.reason else ''}")
    counts = Counter(row.status for row in rows)
    bad = len(rows) - counts["done"] - counts["to do"]
    say(f"{place}: " + ", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
    return 1 if bad == len(rows) else 3 if bad else 0


def _report(row: "AttemptRow") -> None:
    from pipeline.engine.plan import clip_key

    if row.status == "failed" and (not row.unit or row.attempt):
        tell_error(f"{row.name}: {row.reason}" if row.name not in row.reason else row.reason)
    elif row.status in ("done", "partial") and clip_key(row.unit) == row.unit:
        if row.reason:
            note(f"warning: {row.name}: {row.reason}")
        minutes, seconds = divmod(round(row.seconds), 60)
        say(f"{row.name}  {row.people} people  {row.frames} frames  {minutes:02d}:{seconds:02d}  {row.folder}")


def _print_summary(summary: "Summary", place: str) -> None:
    log.info("%s: %d clips done, %d of them now, %d failed", place, summary.done, summary.done_now, len(summary.failed))
    if summary.cost is not None:
        log.info("cost: %s", summary.cost)
    if summary.overhead_ms is not None:
        log.info("scheduling: %.1f ms per clip", summary.overhead_ms)
    log.info("every attempt: %s/status.parquet", place)
