"""Workers as processes of this machine that put results into a store; each has models of its own."""

import json
import logging
import os
import selectors
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from configs.errors import RunError
from configs.schema import RunSettings
from configs.threads import wait_passively
from pipeline.engine.attempts import Order, Outcome
from pipeline.engine.dispatch import Finished
from pipeline.engine.process import close_pipes, process_count, send, start_process, tell

log = logging.getLogger(__name__)

STARTS_MAX = 3  # in a row without one that begins
LEAVE_S = 10.0  # that workers get to clean up
START = "from pipeline.engine.process_pool import serve; serve(*sys.argv[2:])"


@dataclass(slots=True)
class _Seat:
    process: "subprocess.Popen[bytes]"
    is_ready: bool = False
    order: Order | None = None
    since: float = 0.0
    held: bytes = b""  # the beginning of a line


class ProcessPool:
    """As many processes as `runtime.workers` says."""

    machines = 1

    def __init__(self, settings: RunSettings, store: str) -> None:
        self._settings, self._store = settings, store
        self._count = process_count(settings)
        self._selector = selectors.DefaultSelector()
        self._seats: dict[int, _Seat] = {}  # by the descriptor of what it tells
        self._failed_starts = 0

    def __enter__(self) -> Self:
        self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        for seat in self._seats.values():
            close_pipes(seat.process)
            if seat.order is not None:
                seat.process.kill()
        for seat in self._seats.values():
            try:
                seat.process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                seat.process.kill()
                seat.process.wait()
        self._selector.close()

    def size(self) -> int:
        """Return how many workers there are to be."""
        return self._count

    def room(self) -> int:
        """Return how many workers wait for an order."""
        return len(self._idle())

    def start(self, order: Order) -> None:
        """Hand an order to a worker that waits."""
        seat = self._idle()[0]
        seat.order, seat.since = order, time.monotonic()
        send(seat.process, order.dump())

    def wait(self, seconds: float) -> list[Finished]:
        """Return what came back, at once where something did and after this time where nothing did.

        Raises:
            RunError: no worker can begin.
        """
        finished = []
        for key, _ in self._selector.select(seconds):
            seat = self._seats[key.fd]
            data = os.read(key.fd, 1 << 16)
            if not data:
                finished += self._bury(key.fd)
                continue
            *lines, seat.held = (seat.held + data).split(b"\n")
            finished += [done for line in lines if (done := self._hear(seat, json.loads(line)))]
        self._fill()
        return finished

    def _idle(self) -> list[_Seat]:
        return [seat for seat in self._seats.values() if seat.is_ready and seat.order is None]

    def _hear(self, seat: _Seat, told: dict[str, Any]) -> Finished | None:
        if seat.order is None:
            seat.is_ready, self._failed_starts = True, 0
            return None
        order, seat.order = seat.order, None
        return Finished(order, Outcome.load(told), seconds=time.monotonic() - seat.since)

    def _bury(self, descriptor: int) -> list[Finished]:
        seat = self._seats.pop(descriptor)
        self._selector.unregister(descriptor)
        code = seat.process.wait()
        close_pipes(seat.process)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not seat.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS_MAX:
                raise RunError(f"a worker process ended before it could begin ({how}); see what it wrote above")
        if seat.order is None:
            return []
        seconds, name = time.monotonic() - seat.since, f"{os.uname().nodename}:{seat.process.pid}"
        return [Finished(seat.order, None, f"the worker died ({how})", seconds=seconds, worker=name)]

    def _fill(self) -> None:
        for _ in range(self._count - len(self._seats)):
            words = [self._settings.model_dump_json(exclude_unset=True), self._store]
            process = start_process(START, words, self._settings, self._count)
            assert process.stdout is not None
            self._seats[process.stdout.fileno()] = _Seat(process)
            self._selector.register(process.stdout.fileno(), selectors.EVENT_READ)


def serve(settings: str, store: str) -> NoReturn:
    """Do orders, lines of JSON on stdin, until there are no more; tell outcomes on stdout in the same way."""
    wait_passively()
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    from pipeline.device import choose_device
    from pipeline.engine.attempts import UnitRunner
    from pipeline.engine.result_store import ResultStore

    chosen = RunSettings.model_validate_json(settings)
    runner = UnitRunner(chosen, ResultStore(store), choose_device(chosen.runtime.device))
    with suppress(BrokenPipeError):
        tell(answers, {"name": runner.name})
        for line in sys.stdin.buffer:
            tell(answers, runner.run(Order.load(json.loads(line))).dump())
    runner.close()
    sys.exit(0)
