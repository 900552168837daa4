"""Ctrl-C and `kill`: the step in hand is finished and saved before a training ends."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context in which the first request to stop is noted; the second one is obeyed at once."""

    def __init__(self) -> None:
        self.is_asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python lets no other one hear of signals
            self._before = {name: signal.signal(name, self._note) for name in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True
        self._give_back()

    def _give_back(self) -> None:
        for name, before in self._before.items():
            signal.signal(name, before)
        self._before = {}


def stopped_at(step: int) -> KeyboardInterrupt:
    """Return what ends a command that was asked to stop, once all is saved."""
    return KeyboardInterrupt(f"stopped at step {step}; give the same command again")
