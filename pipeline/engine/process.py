"""A worker process of this machine: how it is started, and lines of JSON to and from it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from configs.schema import RunSettings
from configs.threads import choose_threads, core_count

BEGIN = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "


def process_count(settings: RunSettings) -> int:
    """Return how many worker processes a run may have."""
    wanted = settings.runtime.workers
    return core_count() if wanted == "auto" else wanted


def start_process(program: str, words: Sequence[str], settings: RunSettings, count: int) -> "subprocess.Popen[bytes]":
    """Start one of `count` workers, which share the cores unless the settings say how many threads each has.

    Args:
        program: Python; it finds `words` from `sys.argv[2]` on.
    """
    environment = dict(os.environ)
    if settings.runtime.threads is None:
        environment["OMP_NUM_THREADS"] = str(max(1, choose_threads(None) // count))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", BEGIN + program, json.dumps(sys.path), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C reaches the run alone, which stops its workers in order
    )


def send(process: "subprocess.Popen[bytes]", value: Any) -> None:
    """Hand a worker a line; one that has died is noticed by the end of what it tells."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(value).encode() + b"\n")
        process.stdin.flush()


def close_pipes(process: "subprocess.Popen[bytes]") -> None:
    """Close both ends; what a dead worker did not read is lost."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def tell(descriptor: int, value: Any) -> None:
    """Write a line from within a worker."""
    data = memoryview(json.dumps(value).encode() + b"\n")
    while data:
        data = data[os.write(descriptor, data) :]
