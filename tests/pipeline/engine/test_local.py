"""The engine with workers that do what the name of their clip says, in place of models and videos."""

import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from configs.errors import InputError, RunError, WeightsError
from configs.schema import RunSettings
from pipeline.engine import local
from pipeline.engine.local import Ended, LocalEngine
from pipeline.engine.process import process_count
from pipeline.engine.units import Unit
from pipeline.flow.inputs import ClipInput

WORKER = """
import json, os, signal, sys, time
def tell(**event): print(json.dumps(event), flush=True)
first = json.loads(input())
if "cannot start" in first["output"]: sys.exit(7)
tell(ready=True)
for line in sys.stdin:
    name = json.loads(line)["name"]
    tell(log=["worker", 20, "models loaded"])
    tell(start=["recover", 2]); tell(advance=[1, "somebody"])
    if "waits" in name: time.sleep(60)
    mark = os.path.join(first["output"], name)
    if "dies" in name or ("once" in name and not os.path.exists(mark)):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if "refused" in name: tell(refused={"kind": "WeightsError", "message": "no such model"})
    error = {"kind": "InputError", "message": "is damaged"} if "damaged" in name else None
    tell(done={"name": name, "folder": name, "people": os.getpid(), "frames": 2, "seconds": 0.1,
               "problem": "is damaged" if error else "", "error": error})
"""


class Heard:
    """What listeners heard."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def listen(self, name: str) -> "Heard":
        self.lines.append(name)
        return self

    def start(self, step: str, total: int | None) -> None:
        self.lines.append(f"{step} {total}")

    def advance(self, done: int, note: str) -> None:
        self.lines.append(f"{done} {note}")

    def finish(self) -> None:
        self.lines.append("finished")


@pytest.fixture(autouse=True)
def _play(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "START", WORKER)


def units(*names: str) -> list[Unit]:
    return [Unit(ClipInput(Path(f"{name}.mp4"), name)) for name in names]


def engine(output: Path, workers: int = 2, heard: Heard | None = None) -> LocalEngine:
    return LocalEngine(output, RunSettings(), "cpu", (heard or Heard()).listen, workers)


def run(given: LocalEngine, *names: str) -> dict[str, Ended]:
    with closing(given.run(iter(units(*names)))) as ends:
        return {ended.unit.name: ended for ended in ends}


def test_every_unit_is_done_once_by_as_many_processes_as_wanted(tmp_path: Path) -> None:
    ends = run(engine(tmp_path, 3), *"abcdefgh")
    assert sorted(ends) == list("abcdefgh")
    assert len({ended.result.person_count for ended in ends.values()}) == 3
    assert not any(ended.result.is_failed for ended in ends.values())


def test_units_are_taken_when_there_is_a_worker_and_those_that_follow_come_first(tmp_path: Path) -> None:
    taken, ends = [], []

    def given() -> object:
        for unit in units(*"abcd"):
            taken.append(unit.name)
            yield unit

    one = engine(tmp_path, 1)
    for ended in one.run(given()):  # type: ignore[arg-type]
        ends.append(ended.unit.name)
        assert taken == list("abcd")[: len(taken)]
        if ended.unit.name == "a":
            assert taken == ["a"]
            one.add(units("after a"))
    assert ends == ["a", "after a", "b", "c", "d"]


def test_a_failure_is_a_result_and_costs_no_other_unit(tmp_path: Path) -> None:
    ends = run(engine(tmp_path), "a", "damaged", "b")
    assert isinstance(ends["damaged"].result.error, InputError) and not ends["damaged"].is_given_up
    assert not ends["a"].result.is_failed and not ends["b"].result.is_failed


def test_a_unit_whose_worker_was_killed_is_done_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ends = run(engine(tmp_path), "a", "once", "b")
    assert not ends["once"].result.is_failed
    assert "once: its worker process ended (signal 9); tried again" in caplog.text


def test_a_unit_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    ends = run(engine(tmp_path, 1), "a", "dies", "b")
    assert ends["dies"].is_given_up and isinstance(ends["dies"].result.error, RunError)
    assert "in each of 3 tries, at last by signal 9" in ends["dies"].result.problem
    assert not ends["a"].result.is_failed and not ends["b"].result.is_failed


def test_what_every_unit_would_raise_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such model"):
        run(engine(tmp_path), "waits", "refused")


def test_workers_that_cannot_start_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="exit code 7"):
        run(engine(tmp_path / "cannot start"), "a", "b")


def test_workers_are_gone_after_a_stop(tmp_path: Path) -> None:
    one = engine(tmp_path)
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(one, "waits", "waits too")
    timer.join()
    assert time.monotonic() - started < 30 and not one._workers


def test_progress_is_heard_and_what_every_process_says_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    heard = Heard()
    run(engine(tmp_path, 2, heard), "a", "b")
    assert heard.lines.count("recover 2") == heard.lines.count("1 somebody") == heard.lines.count("finished") == 2
    assert caplog.text.count("models loaded") == 1


def test_auto_is_a_process_per_core() -> None:
    assert process_count(RunSettings.model_validate({"runtime": {"workers": 3}})) == 3
    assert process_count(RunSettings.model_validate({"runtime": {"workers": "auto"}})) >= 1
