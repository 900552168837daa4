"""Turns SIGINT, SIGTERM and SIGHUP into an exception, so that a command cleans up before it ends."""

import _thread
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LATER_S = 0.02  # delay before a dropped signal is sent again
AGAIN_S = 1.0  # repeated deliveries of one stop request arrive within this time


class Stopped(KeyboardInterrupt):
    """This process received a stop signal."""

    def __init__(self, message: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


class StopSignals:
    """A context in which the first stop signal raises `Stopped` in the main thread.

    A second one, more than a second later, ends the process immediately. Signals that the parent process set to be
    ignored (`nohup`) stay ignored.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # the first signal received
        self._first_s = 0.0
        self._is_over = False
        self._before: dict[int, Any] = {}
        self._unraisable_before = sys.unraisablehook

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # only this thread receives signals
            for number in SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._hear)
            sys.unraisablehook = self._hear_again
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        if self._before:
            sys.unraisablehook = self._unraisable_before

    def finish(self) -> None:
        """Ignore further signals: only the last line and the exit code are left."""
        self._is_over = True

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._is_over:
            return
        now = time.monotonic()
        if self.number is None:
            self.number, self._first_s = number, now
            raise Stopped(number=number)
        if now - self._first_s > AGAIN_S:
            os.write(2, b"stopped at once\n")
            os._exit(128 + self.number)

    def _hear_again(self, unraisable: Any) -> None:
        """Raise again an exception that Python dropped because it was raised inside a destructor."""
        if issubclass(unraisable.exc_type, Stopped) and not self._is_over:
            number, self.number = self.number or signal.SIGINT, None
            soon = threading.Timer(LATER_S, self._send, [number])  # raising here would be dropped, too
            soon.daemon = True
            soon.start()
        else:
            self._unraisable_before(unraisable)

    def _send(self, number: int) -> None:
        if not self._is_over:
            _thread.interrupt_main(signal.Signals(number))


def ignore_stops() -> None:
    """Ignore stop signals while the interpreter exits, so that the exit code stands."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
