"""A worker process of the local engine: takes units from its stdin, tells on its stdout, both as lines of JSON.

It loads the models once. It ends when its stdin does: at once where it is in the middle of a unit, because then the
engine has gone or wants it to stop.
"""

import gc
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

from configs.process import own_process
from configs.schema import RunSettings
from configs.stops import StopSignals, ignore_stops
from configs.threads import use_one_thread_each, wait_passively
from pipeline.engine.process import tell


class _Events:
    """Lines of JSON to the engine."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, **event: Any) -> None:
        tell(self._descriptor, event)


class _LogToEngine(logging.Handler):
    """Hands messages to the engine, whose process has the terminal."""

    def __init__(self, events: _Events) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Send one message."""
        self._events.tell(log=[record.name, record.levelno, record.getMessage()])


class _ProgressToEngine:
    """Tells how far the unit is."""

    def __init__(self, events: _Events) -> None:
        self._events = events

    def start(self, step: str, total: int | None) -> None:
        """Begin a step."""
        self._events.tell(start=[step, total])

    def advance(self, done: int, note: str) -> None:
        """So much of it is done."""
        self._events.tell(advance=[done, note])


class _Orders:
    """What comes in; the end of it stops the unit that is under way."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._is_busy = False
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """Return the next order, when it comes; None: there is none any more."""
        self._is_busy = False
        order = self._queue.get()
        self._is_busy = order is not None
        return order

    def _listen(self) -> None:
        with os.fdopen(os.dup(0), "rb") as lines:
            for line in lines:
                self._queue.put(json.loads(line))
        is_busy = self._is_busy or not self._queue.empty()
        self._queue.put(None)
        if is_busy:
            os.kill(os.getpid(), signal.SIGTERM)


def main() -> NoReturn:
    """Do units until there are none any more, and end the process."""
    own_process()
    wait_passively()
    events = _Events(os.dup(1))
    os.dup2(2, 1)  # what a library prints is no event
    code = 0
    with StopSignals() as stops:
        try:
            _serve(_Orders(), events)
        except KeyboardInterrupt:
            code = 128 + (stops.number or signal.SIGINT)
        except BrokenPipeError:  # the engine has gone
            code = 1
        stops.finish()
    ignore_stops()
    gc.freeze()
    sys.exit(code)


def _serve(orders: _Orders, events: _Events) -> None:
    first = orders.next()
    if first is None:
        return
    logging.basicConfig(level=first["log_level"], handlers=[_LogToEngine(events)], force=True)
    from pipeline.engine.units import Unit, error_as_json, result_as_json, run_unit
    from pipeline.models import Models

    output, settings = Path(first["output"]), RunSettings.model_validate(first["settings"])
    use_one_thread_each()
    models = Models(settings, first["device"])
    events.tell(ready=True)
    while (order := orders.next()) is not None:
        try:
            result = run_unit(Unit.of_json(order), output, settings, models, _ProgressToEngine(events))
        except Exception as error:  # what every unit would raise
            events.tell(refused=error_as_json(error))
            return
        events.tell(done=result_as_json(result))
