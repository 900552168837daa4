"""Signals end a command tidily, and what ended it is its exit code."""

import os
import signal
import time

import pytest

from configs.command import exit_code_of
from configs.errors import InputError
from configs.stops import AGAIN_S, Stopped, StopSignals


@pytest.fixture(autouse=True)
def _default_signals():
    """Start from what a terminal gives, however the suite itself was started."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGINT, 130, "stopped; give the same command again\n"),
        (signal.SIGTERM, 143, "stopped by SIGTERM; give the same command again\n"),
        (signal.SIGHUP, 129, "stopped by SIGHUP; give the same command again\n"),
    ],
)
def test_a_signal_closes_what_is_open_and_gives_its_code(
    number: int, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = []

    def command() -> None:
        try:
            send(number)
        finally:
            send(number)  # the same key press, once more, disturbs no tidying up
            closed.append(True)

    assert exit_code_of(command) == code
    assert closed and capsys.readouterr().err == told


def test_a_library_that_makes_another_error_of_ctrl_c_changes_no_code(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        try:
            send(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("half a library") from None

    assert exit_code_of(command) == 143
    assert capsys.readouterr().err.count("\n") == 1


def test_ctrl_c_inside_a_destructor_is_not_lost() -> None:
    class Closing:
        def __del__(self) -> None:
            send(signal.SIGINT)

    def command() -> int:
        held = Closing()
        del held
        for _ in range(500):
            time.sleep(0.01)
        return 0

    assert exit_code_of(command) == 130


def test_a_second_signal_long_after_the_first_ends_the_process_on_the_spot() -> None:
    def command() -> None:
        try:
            send(signal.SIGTERM)
        finally:
            time.sleep(AGAIN_S)
            send(signal.SIGTERM)
            time.sleep(60)

    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        exit_code_of(command)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 143


def test_signals_that_the_parent_had_ignored_stay_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert exit_code_of(lambda: send(signal.SIGHUP)) == 0
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_handlers_are_as_before_after_a_command() -> None:
    with pytest.raises(Stopped), StopSignals():
        send(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_an_error_of_the_user_is_one_line_and_a_bug_goes_up(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise InputError("a\nb.mp4: is empty")

    assert exit_code_of(refuse) == 1
    assert capsys.readouterr().err == "error: a\\nb.mp4: is empty\n"
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 // 0)
