"""Workers on a Ray cluster: actors that hold the models. The only module that imports ray.

Orders and outcomes cross as JSON text. Ray restarts nothing itself: a worker that died is replaced here, so that every
attempt is counted.
"""

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from configs.errors import RunError
from configs.schema import RunSettings
from configs.threads import core_count, wait_passively
from pipeline.engine.attempts import Order, Outcome
from pipeline.engine.dispatch import Finished
from pipeline.engine.plan import model_identity, program_identity

log = logging.getLogger(__name__)

STARTS_MAX = 3  # per worker, without one that begins, before a run is given up
LOOK_S = 5.0  # between looks at the machines of the cluster
LEAVE_S = 10.0  # that workers get to clean up
ANSWER_S = 2.0  # that the raylet of a machine gets to take a connection


class Worker:
    """An actor: makes attempts at units with models that stay loaded."""

    def __init__(self, settings: str, store: str, folder: str) -> None:
        wait_passively()  # before torch is imported
        with suppress(OSError):  # relative paths in settings count from there, on machines that have it
            os.chdir(folder)
        from pipeline.device import choose_device
        from pipeline.engine.attempts import UnitRunner
        from pipeline.engine.result_store import ResultStore

        chosen = RunSettings.model_validate_json(settings)
        self._settings = chosen
        self._runner = UnitRunner(chosen, ResultStore(store), choose_device(chosen.runtime.device))

    def begin(self) -> str:
        """Return who this is, as JSON: node, host and process, and the code and the models that it has."""
        from pipeline.engine.plan import model_identity, program_identity

        node = ray.get_runtime_context().get_node_id()
        has = {"code": program_identity(), "models": model_identity(self._settings)}
        return json.dumps({"node": node, "name": self._runner.name, "has": has})

    def run(self, order: str) -> str:
        """Make an attempt; order and outcome as JSON."""
        return json.dumps(self._runner.run(Order.load(json.loads(order))).dump())

    def leave(self) -> None:
        """Remove temporary files."""
        self._runner.close()


@dataclass(slots=True)
class _Seat:
    """A worker, and what it is doing."""

    actor: Any
    name: str = ""
    node: str = ""
    order: Order | None = None
    since: float = 0.0


class RayPool:
    """Actors on a cluster, as many as it has room for or as were asked for."""

    def __init__(self, settings: RunSettings, store: str, address: str | None) -> None:
        runtime = settings.runtime
        self._settings, self._store, self._address = settings, store, address
        self._wanted = runtime.workers if "workers" in runtime.model_fields_set else "auto"
        self._cpus = runtime.cores_per_worker
        self._gpus = 0
        self._home = ""  # the node that this process belongs to
        self._seats: dict[Any, _Seat] = {}  # by what is waited for: that a worker begins, or ends an order
        self._idle: list[_Seat] = []
        self._failed_starts = 0
        self._looked = 0.0
        self.machines = 0

    def __enter__(self) -> Self:
        handler = signal.getsignal(signal.SIGTERM)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "WARNING"}
        if self._address is None:
            several = 1 if self._wanted == "auto" else int(self._wanted)
            options |= {"num_cpus": max(core_count(), several * self._cpus), "include_dashboard": False}
        try:
            ray.init(address=self._address or "local", **options)
        except (RayError, OSError, RuntimeError, ValueError) as error:
            where = f"the Ray cluster at {self._address}" if self._address else "Ray on this machine"
            raise RunError(f"{where} cannot be reached ({_first_line(error)}); check --address, or leave it out") from (
                error
            )
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
        self._home = ray.get_runtime_context().get_node_id()
        device = self._settings.runtime.device
        has_gpus = ray.cluster_resources().get("GPU", 0) >= 1
        self._gpus = int(device.startswith("cuda") or (device == "auto" and has_gpus))
        self._fill()
        if not self._seats:
            raise RunError(
                f"the cluster has no machine with {self._cpus} cores{' and a GPU' if self._gpus else ''} for a worker; "
                "lower runtime.cores_per_worker, or give --workers so that machines are started for them"
            )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            leaving = [seat.actor.leave.remote() for seat in self._idle]
            if leaving:
                ray.wait(leaving, num_returns=len(leaving), timeout=LEAVE_S)
            for seat in (*self._idle, *self._seats.values()):
                ray.kill(seat.actor, no_restart=True)
        except RayError:
            log.debug("workers could not be ended in order", exc_info=True)
        finally:
            ray.shutdown()

    def size(self) -> int:
        """Return how many workers there are, or will be."""
        return len(self._seats) + len(self._idle)

    def room(self) -> int:
        """Return how many workers wait for an order."""
        return len(self._idle)

    def start(self, order: Order) -> None:
        """Hand an order to a worker that waits."""
        seat = self._idle.pop(0)
        seat.order, seat.since = order, time.monotonic()
        self._seats[seat.actor.run.remote(json.dumps(order.dump()))] = seat

    def wait(self, seconds: float) -> list[Finished]:
        """Return what came back, at once where something did and after this time where nothing did.

        Raises:
            RunError: no worker can begin, or a machine runs another version of this program.
        """
        if time.monotonic() - self._looked > LOOK_S:
            self._fill()
        refs = list(self._seats)
        ready, _ = ray.wait(refs, num_returns=1, timeout=seconds)
        if ready:
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        finished = []
        for ref in ready:
            seat = self._seats.pop(ref)
            if seat.order is None:
                self._welcome(seat, ref)
            else:
                finished.append(self._take(seat, seat.order, ref))
        if finished:
            self._fill()
        return finished

    def _welcome(self, seat: _Seat, ref: Any) -> None:
        try:
            told = json.loads(ray.get(ref))
        except RayError as error:
            self._failed_starts += 1
            if self._failed_starts > STARTS_MAX * self._count():
                raise RunError(f"no worker can begin ({_last_line(error)}); see docs/cluster.md") from error
            log.warning("a worker could not begin (%s); another one is started", _last_line(error))
            return
        has = {"code": program_identity(), "models": model_identity(self._settings)}
        if other := [name for name in has if told["has"][name] != has[name]]:
            host = told["name"].rpartition(":")[0]
            raise RunError(f"{host}: has other {other[0]} of dpmesh-video than this machine; install the same on both")
        self._failed_starts = 0
        seat.name, seat.node = told["name"], told["node"]
        self._idle.append(seat)

    def _take(self, seat: _Seat, order: Order, ref: Any) -> Finished:
        seconds = time.monotonic() - seat.since
        try:
            outcome = Outcome.load(json.loads(ray.get(ref)))
        except RayTaskError as error:  # the worker lives; what it raised is a fault of this program
            seat.order = None
            self._idle.append(seat)
            return Finished(order, None, f"unexpected: {_last_line(error)}", seconds=seconds, worker=seat.name)
        except RayError:
            ray.kill(seat.actor, no_restart=True)  # one that is cut off, and not dead, ends when it can be reached
            is_lost = not _answers(seat.node)
            problem = f"{'the machine' if is_lost else 'the worker'} died"
            return Finished(order, None, problem, is_lost, seconds, seat.name)
        seat.order = None
        self._idle.append(seat)
        return Finished(order, outcome, seconds=seconds, worker=seat.name)

    def _fill(self) -> None:
        """Start workers up to as many as there are to be."""
        self._looked = time.monotonic()
        missing = self._count() - len(self._seats) - len(self._idle)
        for _ in range(max(0, missing)):
            actor = (
                ray.remote(Worker)
                .options(
                    num_cpus=self._cpus,
                    num_gpus=self._gpus,
                    max_restarts=0,
                    max_task_retries=0,
                    scheduling_strategy="SPREAD",
                )
                .remote(self._settings.model_dump_json(exclude_unset=True), self._store, os.getcwd())
            )
            self._seats[actor.begin.remote()] = _Seat(actor)

    def _count(self) -> int:
        nodes = self._nodes()
        if self._home not in nodes:  # without its raylet this process waits for ever
            raise RunError("this machine has left the cluster; start Ray on it again, then give the same command")
        self.machines = max(self.machines, len(nodes))
        if self._wanted != "auto":
            return int(self._wanted)
        return sum(self._fitting(resources) for resources in nodes.values())

    def _fitting(self, resources: Mapping[str, float]) -> int:
        by_cores = int(resources.get("CPU", 0) // self._cpus)
        return min(by_cores, int(resources.get("GPU", 0))) if self._gpus else by_cores

    def _nodes(self) -> dict[str, Mapping[str, float]]:
        return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def _answers(node: str) -> bool:
    """Return whether the raylet of a node takes a connection: the cluster notices its end only half a minute later."""
    for found in ray.nodes():
        if found["NodeID"] == node and found["Alive"]:
            try:
                address = (found["NodeManagerAddress"], found["NodeManagerPort"])
                socket.create_connection(address, ANSWER_S).close()
                return True
            except OSError:
                return False
    return False


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _last_line(error: BaseException) -> str:
    return str(error).strip().rpartition("\n")[2].strip() or type(error).__name__
