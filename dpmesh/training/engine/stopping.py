"""Ctrl-C, `kill` and a terminal that closes: the step in hand is finished and saved before a training ends."""

import signal
import threading
import time
from types import FrameType
from typing import Any, Self

from configs.stops import AGAIN_S, SIGNALS, Stopped


class StopRequest:
    """A context in which the first request to stop is noted, and one that comes more than a second later is obeyed.

    Signals that the parent process told this one to ignore (`nohup`) stay ignored.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # the first signal that was heard
        self._first_s = 0.0
        self._before: dict[int, Any] = {}

    @property
    def is_asked(self) -> bool:
        """Whether the work is to end after the step in hand."""
        return self.number is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python lets no other one hear of signals
            for number in SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def stopped_at(self, step: int) -> Stopped:
        """Return what ends a command that was asked to stop, once all is saved."""
        return Stopped(f"stopped at step {step}; give the same command again", self.number or signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.number is None:
            self.number, self._first_s = number, now
        elif now - self._first_s > AGAIN_S:  # `timeout` and job managers send the first one twice
            self._give_back()
            signal.raise_signal(number)

    def _give_back(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}
