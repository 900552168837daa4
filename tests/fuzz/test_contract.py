"""Each promise of the contract can be broken, and that is noticed."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fuzz_contract
import pytest
from fuzz_contract import Keeps

pytestmark = pytest.mark.slow


def _raise(error: BaseException) -> None:
    raise error


def _take_memory() -> None:
    assert len(bytearray(b"x") * (1200 * 2**20)) > 0


def _compute() -> None:
    while True:
        pass


SABOTAGE: dict[str, tuple[Callable[[], object], str]] = {
    "an exit code of no list": (lambda: os._exit(9), "exit code 9"),
    "a signal": (lambda: os.kill(os.getpid(), signal.SIGKILL), "exit code -9"),
    "a traceback": (lambda: print("Traceback (most recent call last):", file=sys.stderr), "traceback"),
    "an error of the program": (lambda: _raise(KeyError("x")), "an error that nobody expected"),
    "no reason": (lambda: _raise(SystemExit(1)), "no line says why"),
    "a long line": (lambda: print("x" * 9999), "a line of 9999 characters"),
    "memory": (_take_memory, "MiB"),
    "time": (lambda: time.sleep(60), "exit code -9"),
    "time of the processor": (_compute, "exit code -24"),
    "a changed file": (lambda: Path("victim.txt").write_text("yours"), "victim.txt"),
    "a deleted file": (lambda: Path("victim.txt").unlink(), "victim.txt"),
    "a file above": (lambda: Path("../../new").touch(), "'new'"),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_broken_promise_is_noticed(keeps: Keeps, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from pipeline.cli import inspection

    sabotage, words = SABOTAGE[name]
    monkeypatch.setattr(inspection, "list_weights", sabotage)
    monkeypatch.setattr(fuzz_contract, "SECONDS_MAX", 10.0 if name == "time" else 300.0)
    monkeypatch.setattr(fuzz_contract, "CPU_SECONDS_MAX", 4)
    monkeypatch.setattr(fuzz_contract, "FINDS", None)
    with pytest.raises(AssertionError, match=words):
        keeps({}, ["weights", "list"])


def test_a_good_command_keeps_the_contract(keeps: Keeps) -> None:
    assert keeps({}, ["weights", "list"]).code == 0
