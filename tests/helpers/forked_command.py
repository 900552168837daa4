"""The command line in a process of its own, forked from one that has imported everything: milliseconds, not seconds."""

import contextlib
import gc
import json
import logging
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CRASHED = 70  # exit code of a process that an exception went through
HEADROOM_BYTES = 4 * 2**30  # of address space: a bomb ends as MemoryError and not with the machine


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int  # of the process; minus the signal that ended it
    stdout: str
    stderr: str
    seconds: float
    extra_mib: float  # peak beyond what the process had when it was forked; NaN where it could not say

    @property
    def error_lines(self) -> list[str]:
        """The lines of stderr that begin with `error:`."""
        return [line for line in self.stderr.splitlines() if line.startswith("error:")]


def preload() -> None:
    """Import what commands import, so that forked ones start at once."""
    import cv2
    import diffusers
    import torch

    from trackers.ultralytics_loader import ultralytics_undisturbed

    with ultralytics_undisturbed():  # as the command imports it: else it would try to install what it lacks
        import ultralytics.nn.tasks

    import configs.weights
    import dpmesh.recovery.recover
    import dpmesh_video
    import pipeline.cli.app
    import pipeline.cli.doctor
    import pipeline.cli.inspection
    import pipeline.clip
    import pipeline.editing
    import pipeline.evaluation
    import pipeline.evaluation.studies
    import pipeline.models
    import pipeline.overlay
    import pipeline.run
    import refine.fit.solver
    import trackers.keypoint_files

    assert dpmesh_video and diffusers and ultralytics and dpmesh and pipeline and refine and trackers
    configs.weights.read_catalogue = cache(configs.weights.read_catalogue)  # a third of a short command's time
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # or every child copies each page that its first collection marks


def run_forked(
    arguments: Sequence[str],
    folder: Path,
    *,
    seconds_max: float = 60.0,
    environment: Mapping[str, str] | None = None,
    temporary: Path | None = None,
    cpu_seconds_max: int = 600,
) -> Outcome:
    """Run `dpmesh-video` with arguments in a folder; it is killed after `seconds_max`.

    Args:
        arguments: what stands behind the command's name.
        folder: the current folder.
        seconds_max: how long it may take.
        environment: variables that it gets more.
        temporary: folder for temporary files, if not the system's.
        cpu_seconds_max: how long it may compute, which does not depend on what else the machine does; SIGXCPU ends it.
    """
    files = [folder / name for name in (".stdout", ".stderr", ".memory")]
    sys.stdout.flush()
    sys.stderr.flush()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds_max, cpu_seconds_max + 5))
        os.environ.update(environment or {})
        tempfile.tempdir = str(temporary) if temporary else None
        _run_child(arguments, folder, files)
    status, code = 0, None
    while code is None:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
        elif time.monotonic() - started > seconds_max:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            code = -signal.SIGKILL
        else:
            time.sleep(0.005)
    seconds = time.monotonic() - started
    stdout, stderr = (file.read_bytes().decode("utf-8", "replace") if file.exists() else "" for file in files[:2])
    memory = json.loads(files[2].read_text()) if files[2].exists() else float("nan")
    for file in files:
        file.unlink(missing_ok=True)
    return Outcome(code, stdout, stderr, seconds, memory)


def _run_child(arguments: Sequence[str], folder: Path, files: Sequence[Path]) -> None:
    code = CRASHED
    try:
        os.chdir(folder)
        for number, file in zip((1, 2), files, strict=False):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = open(1, "w", encoding="utf-8", errors="strict", closefd=False)  # noqa: SIM115 - lives as long as the process
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        limit = _kib("VmSize") * 1024 + HEADROOM_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        before = _kib("VmRSS")
        logging.getLogger().handlers.clear()  # those of a test runner
        sys.argv = ["dpmesh-video", *arguments]
        from pipeline.cli import main

        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        sys.stdout.flush()
        files[2].write_text(json.dumps((_kib("VmHWM") - before) / 1024))
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def _kib(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0
