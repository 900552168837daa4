"""Clips over processes and over Ray into a store, whatever is killed: each once, whole, the bytes of a plain run."""

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from forked_command import preload, run_forked
from real_command import ended, start
from small_room import digests, furnish
from store_check import check_store

from pipeline.engine.result_store import ResultStore
from pipeline.engine.status import AttemptRow

pytestmark = [pytest.mark.slow, pytest.mark.spawns]
OPTIONS = (
    *("--model", "model", "--set", "runtime.chunk_frames=3", "--set", "link.frames_min=1"),
    *("--set", "refine.steps=20", "--set", "refine.shape_steps=8"),
)
ENDS_S = (0.25, 0.5, 0.75, 1.0)
NAMES = [f"c{number}" for number in range(8)]
WORKERS = {"local": b"process_pool", "ray": b"ray::"}  # how their command lines tell them


@dataclass
class Room:
    """A folder with a manifest of small clips, and runs over it."""

    folder: Path
    engine: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def begin(self) -> "subprocess.Popen[bytes]":
        words = ("run", "clips.csv", *OPTIONS, "--engine", self.engine, "--workers", "2", "--output", "out")
        return start(*words, folder=self.folder, environment={"DPMESH_TEST_RUN": self.token, "OMP_NUM_THREADS": "1"})

    def processes(self, sign: bytes) -> list[int]:
        """Return the processes of this test's runs whose command line holds a text."""
        found = []
        for folder in Path("/proc").iterdir():
            try:
                is_mine = folder.name.isdigit() and self.token.encode() in (folder / "environ").read_bytes()
                if is_mine and sign in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def check(self) -> list[AttemptRow]:
        """Fail unless every unit is there once and whole, with the bytes of a plain run; return all attempts."""
        plain = {name: self.folder / f"whole/{n % len(ENDS_S)}/clip" for n, name in enumerate(NAMES)}
        for name, folder in plain.items():
            assert digests(self.folder / "out" / name) == digests(folder)
        return check_store(str(self.folder / "out"), plain)


@pytest.fixture(scope="module", params=["local", "ray"])
def furnished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Room:
    """Return a folder with clips and, in `whole`, what plain runs make of them."""
    if request.param == "ray" and importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (extra `cluster`)")
    folder = tmp_path_factory.mktemp("store")
    furnish(folder)
    preload()
    lines = ["path,name,keypoints,end"]
    lines += [f"clip.mp4,{name},points.json,{ENDS_S[number % len(ENDS_S)]}" for number, name in enumerate(NAMES)]
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    for number, end in enumerate(ENDS_S):
        words = ("run", "clip.mp4", "--keypoints", "points.json", *OPTIONS, "--end", str(end))
        outcome = run_forked((*words, "--output", f"whole/{number}"), folder, seconds_max=300.0)
        assert outcome.code == 0, outcome
    return Room(folder, request.param)


@pytest.fixture
def room(furnished: Room) -> Room:
    shutil.rmtree(furnished.folder / "out", ignore_errors=True)
    return Room(furnished.folder, furnished.engine)


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    while not condition():
        assert process.poll() is None, ended(process)
        time.sleep(0.05)


def test_a_run_makes_what_plain_runs_make_and_a_second_one_nothing(room: Room) -> None:
    code, out, err = ended(room.begin())
    assert code == 0, err
    assert {line.split()[0] for line in out.splitlines()} == set(NAMES)
    assert [row.status for row in room.check()] == ["done"] * len(NAMES)
    code, out, err = ended(room.begin())
    assert (code, out) == (0, "") and "8 done before, 0 to do" in err


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_worker_that_is_killed_costs_an_attempt(room: Room, seed: int) -> None:
    process, rng = room.begin(), random.Random(seed)
    wait_until(lambda: len(ResultStore(str(room.folder / "out")).done()) > seed, process)
    time.sleep(rng.uniform(0, 2))
    victims = [pid for pid in room.processes(WORKERS[room.engine]) if b"IDLE" not in _command(pid)]
    os.kill(rng.choice(victims), signal.SIGKILL)
    code, _, err = ended(process)
    assert code == 0, err
    print([row.status for row in room.check()])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on(room: Room, number: signal.Signals) -> None:
    process = room.begin()
    wait_until(lambda: len(ResultStore(str(room.folder / "out")).done()) > 1, process)
    process.send_signal(number)
    code, _, err = ended(process)
    assert code == (-number if number == signal.SIGKILL else 128 + number), err
    if number == signal.SIGINT:
        assert err.splitlines()[-1] == "interrupted; the same command goes on where this one stopped"
        assert "Traceback" not in err and not room.processes(WORKERS[room.engine])
    code, _, err = ended(room.begin())
    assert code == 0 and "0 done before" not in err, err
    room.check()
    assert json.loads((room.folder / "out" / "c0" / "run.json").read_text())["status"] == "done"


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"IDLE"
