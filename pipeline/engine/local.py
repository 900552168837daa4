"""The local engine: units over several processes of this machine, each with its own models."""

import json
import logging
import os
import selectors
import subprocess
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from configs.errors import RunError
from configs.schema import RunSettings
from pipeline.engine.process import close_pipes, send, start_process
from pipeline.engine.units import Unit, error_of_json, result_of_json
from pipeline.run import ClipResult

log = logging.getLogger(__name__)

STOP_S = 20.0  # a worker that was asked to stop gets so long to write down where it is
START = "from pipeline.engine.worker import main; sys.exit(main())"


class Listener(Protocol):
    """Hears how far a unit is."""

    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, done: int, note: str) -> None: ...

    def finish(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How a unit ended."""

    unit: Unit
    result: ClipResult
    is_given_up: bool = False  # its process died every time, and nothing is recorded of it


@dataclass(slots=True)
class _Worker:
    """A process and what it is doing."""

    process: "subprocess.Popen[bytes]"
    is_ready: bool = False
    unit: Unit | None = None
    listener: Listener | None = None
    held: bytes = b""  # the beginning of an event


@dataclass(slots=True)
class LocalEngine:
    """Hands units to workers, replaces workers that die, and gives up on a unit after so many tries."""

    output: Path
    settings: RunSettings
    device: str
    listen: Callable[[str], Listener]
    worker_count: int
    _source: Iterator[Unit] = field(default_factory=lambda: iter(()))
    _waiting: "deque[Unit]" = field(default_factory=deque)  # before those of the source
    _ended: "deque[Ended]" = field(default_factory=deque)
    _tries: dict[Unit, int] = field(default_factory=dict)
    _workers: dict[int, _Worker] = field(default_factory=dict)  # by the descriptor of their events
    _said_by: dict[tuple[str, str], int] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def add(self, units: Iterable[Unit]) -> None:
        """Have units done next: they follow from others that have ended."""
        self._waiting.extend(units)

    def run(self, units: Iterable[Unit]) -> Generator[Ended, None, None]:
        """Do units, also those that are added meanwhile; yield how each ended, in the order in which they do.

        Close it to stop early: workers then write down where they are.

        Args:
            units: taken as there are workers for them.

        Raises:
            SettingsError, WeightsError: what every unit would raise.
            RunError: no worker can be started.
        """
        self._source = iter(units)
        try:
            while True:
                while self._ended:
                    yield self._ended.popleft()
                self._fill()
                if not self._is_busy:
                    return
                for key, _ in self._selector.select():
                    self._hear(key.fd)
        finally:
            self._stop()

    @property
    def _is_busy(self) -> bool:
        return any(worker.unit is not None for worker in self._workers.values())

    def _fill(self) -> None:
        """Give work to idle workers, and start more while there is work without one."""
        idle = [worker for worker in self._workers.values() if worker.unit is None]
        while idle or len(self._workers) < self.worker_count:
            unit = self._waiting.popleft() if self._waiting else next(self._source, None)
            if unit is None:
                return
            self._give(idle.pop() if idle else self._start(), unit)

    def _start(self) -> _Worker:
        process = start_process(START, (), self.settings, self.worker_count)
        worker = _Worker(process)
        assert process.stdout is not None
        self._workers[process.stdout.fileno()] = worker
        self._selector.register(process.stdout.fileno(), selectors.EVENT_READ)
        send(
            worker.process,
            {
                "output": str(self.output),
                "settings": self.settings.model_dump(mode="json"),
                "device": self.device,
                "log_level": logging.getLogger().getEffectiveLevel(),
            },
        )
        return worker

    def _give(self, worker: _Worker, unit: Unit) -> None:
        worker.unit, worker.listener = unit, self.listen(unit.name)
        self._tries[unit] = self._tries.get(unit, 0) + 1
        send(worker.process, unit.as_json())

    def _hear(self, descriptor: int) -> None:
        worker = self._workers[descriptor]
        data = os.read(descriptor, 1 << 16)
        if not data:
            self._bury(descriptor)
            return
        *lines, worker.held = (worker.held + data).split(b"\n")
        for line in lines:
            self._take(worker, json.loads(line))

    def _take(self, worker: _Worker, event: dict[str, Any]) -> None:
        match event:
            case {"start": [step, total]} if worker.listener is not None:
                worker.listener.start(step, total)
            case {"advance": [done, note]} if worker.listener is not None:
                worker.listener.advance(done, note)
            case {"log": [name, level, message]}:
                # What every process says once, such as which detector it took, is said once.
                if self._said_by.setdefault((name, message), worker.process.pid) == worker.process.pid:
                    logging.getLogger(name).log(level, "%s", message)
            case {"ready": _}:
                worker.is_ready = True
            case {"refused": error}:
                raise error_of_json(error)
            case {"done": result}:
                self._end(worker, result_of_json(result))

    def _end(self, worker: _Worker, result: ClipResult, *, is_given_up: bool = False) -> None:
        unit, listener = worker.unit, worker.listener
        worker.unit = worker.listener = None
        if listener is not None:
            listener.finish()
        if unit is not None:
            self._ended.append(Ended(unit, result, is_given_up))

    def _bury(self, descriptor: int) -> None:
        """Take note of a worker that has ended; its unit is done again, first of all, unless it was often enough."""
        worker = self._workers.pop(descriptor)
        self._selector.unregister(descriptor)
        code = worker.process.wait()
        close_pipes(worker.process)
        if worker.unit is None:
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not worker.is_ready and code >= 0:
            raise RunError(f"a worker process ended before it could begin ({how}); use --workers 1 to see why")
        unit, tries = worker.unit, self._tries[worker.unit]
        if tries < self.settings.runtime.tries_max:
            log.warning("%s: its worker process ended (%s); tried again", unit.name, how)
            if worker.listener is not None:
                worker.listener.finish()
            self._waiting.appendleft(unit)
            return
        error = RunError(
            f"{unit.name}: its worker process ended in each of {tries} tries, at last by {how}; where memory is short, "
            "use fewer --workers"
        )
        result = ClipResult(unit.clip.name, self.output / unit.clip.name, 0, 0, 0.0, str(error), error)
        self._end(worker, result, is_given_up=True)

    def _stop(self) -> None:
        """End all workers; those in the middle of a unit write down where they are."""
        for worker in self._workers.values():
            if worker.process.stdin is not None and not worker.process.stdin.closed:
                worker.process.stdin.close()
            if worker.unit is not None:
                worker.process.terminate()
        for worker in self._workers.values():
            try:
                worker.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            close_pipes(worker.process)
        self._workers.clear()
        self._selector.close()
