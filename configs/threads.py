"""Threads of the CPU: how many, how they wait, and how work is spread over them without a change of its result."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CGROUPS = Path("/sys/fs/cgroup")
_helped = threading.local()  # seconds that others computed for a thread


def wait_passively() -> None:
    """Let threads of libraries take no core while they wait, in this process and its children; a user's own word stays.

    By default OpenMP's spin, which takes the cores from whatever else runs: beside other work a run is then several
    times slower. So do those that OpenBLAS has for NumPy, which gains nothing from them: nothing here is large. Both
    are told when they are loaded, so this comes before NumPy and torch are imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def core_count() -> int:
    """Return how many cores this process may use, by its affinity and by the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *_quotas()]))


def choose_threads(wanted: int | None) -> int:
    """Return the number of CPU threads to use: what is wanted, else OMP_NUM_THREADS, else all cores; at most all."""
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # OpenMP takes a list, one per level
    if wanted is None and limit.isdecimal() and int(limit) > 0:
        wanted = int(limit)
    return min(wanted or core_count(), core_count())


def spread(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """Return `function` of each item, in order, computed by this many threads.

    Every item is computed by one thread, and torch is kept to one thread inside it (`use_one_thread_each`), so that
    the result is the same for any number of threads. An error, Ctrl-C too, drops the items that have not begun.
    """
    if min(threads, len(items)) < 2:
        return [function(item) for item in items]

    def timed(item: Item) -> tuple[Result, float]:
        start = thread_cpu_s()
        return function(item), thread_cpu_s() - start

    with ThreadPoolExecutor(min(threads, len(items)), "spread", initializer=use_one_thread_each) as pool:
        results = list(pool.map(timed, items))
    _helped.seconds = getattr(_helped, "seconds", 0.0) + sum(seconds for _, seconds in results)
    return [result for result, _ in results]


def thread_cpu_s() -> float:
    """Return the seconds that this thread has computed, with those of the threads that `spread` gave its work to."""
    helped: float = getattr(_helped, "seconds", 0.0)
    return time.thread_time() + helped


def use_one_thread_each() -> None:
    """Keep torch to one thread per call: with more it sums in another order, and poses move by hundredths of a rad."""
    import torch

    torch.set_num_threads(1)


def _quotas() -> Iterator[int]:
    """Yield the cores that each control group above this process leaves it, where they are limited (Linux)."""
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, _, name = line.split(":", 2)
        folder = CGROUPS / name.lstrip("/")
        for place in (folder, *folder.parents):
            if place.is_relative_to(CGROUPS):
                yield from _quota(place)


def _quota(folder: Path) -> Iterator[int]:
    try:
        quota, _, period = (folder / "cpu.max").read_text().partition(" ")
        if quota.isdecimal() and int(period) > 0:
            yield -(-int(quota) // int(period))
    except (OSError, ValueError):
        return  # not limited, or of the older kind
