"""The installed command in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("dpmesh-video")


def start(*words: str, folder: Path, **more: object) -> subprocess.Popen[bytes]:
    """Start the installed command, or the module where it is not installed, with signals as a terminal has them.

    Args:
        more: options of `Popen`; `environment` is added to this process's.
    """

    def default_signals() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    command = [str(COMMAND)] if COMMAND.exists() else [sys.executable, "-m", "pipeline.cli"]
    return start_program([*command, *words], folder, preexec_fn=more.pop("preexec_fn", default_signals), **more)


def start_program(command: list[str], folder: Path, **more: object) -> subprocess.Popen[bytes]:
    """Start a program that finds this source tree; options as of `start`."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    given = {"PYTHONPATH": os.pathsep.join(paths), **dict(more.pop("environment", {}))}  # type: ignore[call-overload]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.Popen(command, cwd=folder, env=os.environ | given, **options)  # type: ignore[call-overload]


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Wait for the end; return exit code, stdout and stderr."""
    out, err = process.communicate(timeout=600)
    return process.returncode, (out or b"").decode(), (err or b"").decode()
