"""Ctrl-C, `kill` and a terminal that closes: each ends a command as an exception, so that what is open gets closed."""

import _thread
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LATER_S = 0.02  # until a signal that got lost is sent again
AGAIN_S = 1.0  # one key press or one stop of a job manager may arrive several times within this


class Stopped(KeyboardInterrupt):
    """A signal asks this process to end."""

    def __init__(self, message: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


class StopSignals:
    """A context in which the first stop signal raises `Stopped` in the main thread.

    One that comes more than a second after the first ends the process on the spot. Signals that the parent process
    told this one to ignore (`nohup`) stay ignored.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # the first signal that was heard
        self._first_s = 0.0
        self._is_over = False
        self._before: dict[int, Any] = {}
        self._unraisable_before = sys.unraisablehook

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python lets no other one hear of signals
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
        """Hear no more: the command is over, and only its last line and its exit code are to come."""
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
        """Deliver once more what Python had to drop, as it was raised inside a destructor."""
        if issubclass(unraisable.exc_type, Stopped) and not self._is_over:
            number, self.number = self.number or signal.SIGINT, None
            soon = threading.Timer(LATER_S, self._send, [number])  # here it would be dropped, too
            soon.daemon = True
            soon.start()
        else:
            self._unraisable_before(unraisable)

    def _send(self, number: int) -> None:
        if not self._is_over:
            _thread.interrupt_main(signal.Signals(number))


def ignore_stops() -> None:
    """Let the interpreter end in peace: the exit code stands."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
