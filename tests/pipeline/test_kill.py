"""kill -9 at any moment of a run, of a clip or of a capture: the same command goes on and ends with the same bytes."""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked_command import run_forked
from small_capture import ARGUMENTS as CAPTURE_ARGUMENTS
from small_capture import furnish_capture, keypoints_from_files
from small_room import ARGUMENTS, digests, furnish, run_whole

from pipeline.flow.outputs import read_entries

pytestmark = pytest.mark.slow
SECONDS_MAX = 300.0  # of one run; on a busy machine one takes a minute


@dataclass(frozen=True)
class Kind:
    """A command that is killed, and when."""

    arguments: tuple[str, ...]
    furnish: Callable[[Path], None]
    name: str  # of its folder of results
    signs: dict[str, str]  # a name that each node claims, a folder or a file that is being written
    kills_any: int  # at random moments
    kills_each: int  # within each node


KINDS = {
    "clip": Kind(
        ARGUMENTS,
        furnish,
        "clip",
        {"observe": "observations/shard_000001.npz", "motion": "motion", "export": "tracks", "overlay": "overlay*"},
        8,
        6,
    ),
    "capture": Kind(
        CAPTURE_ARGUMENTS,
        furnish_capture,
        "take",
        {
            "view": "views/cam1/observations/shard_000001.npz",
            **{"motion": "motion", "export": "tracks", "tables": "tables", "overlay": "views/cam0/overlay*"},
        },
        2,
        2,
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    """Return what is killed."""
    with keypoints_from_files():
        yield KINDS[request.param]


@pytest.fixture(scope="module")
def room(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a video or several, and what a run without a stop makes of it."""
    folder = tmp_path_factory.mktemp("kill")
    (folder / "seconds").write_text(str(run_whole(folder, kind.arguments, kind.furnish).seconds))
    return folder


def kill_when(arguments: tuple[str, ...], folder: Path, is_time: Callable[[], bool]) -> bool:
    """Start the run and kill it when `is_time` says so; return whether it was killed before its end."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        code = 1
        try:
            code = run_forked(arguments, folder, seconds_max=SECONDS_MAX).code
        finally:
            os._exit(code)
    while True:
        done, _ = os.waitpid(child, os.WNOHANG)
        if done:
            return False
        if is_time():
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            time.sleep(0.05)  # the one below it holds the lock until it is gone
            return True
        time.sleep(0.002)


def moments(kind: Kind, room: Path) -> list[tuple[str, Callable[[Path], Callable[[], bool]]]]:
    """Return when to kill: at random, and soon after the first sign of each later node."""
    rng, seconds = random.Random(5), float((room / "seconds").read_text())

    def after(delay_s: float) -> Callable[[Path], Callable[[], bool]]:
        def begin(_: Path) -> Callable[[], bool]:
            started = time.monotonic()
            return lambda: time.monotonic() - started > delay_s

        return begin

    def at(sign: str, delay_s: float) -> Callable[[Path], Callable[[], bool]]:
        def begin(out: Path) -> Callable[[], bool]:
            seen: list[float] = []

            def is_time() -> bool:
                if not seen and any(out.glob(f"{kind.name}/{sign}")):
                    seen.append(time.monotonic())
                return bool(seen) and time.monotonic() - seen[0] > delay_s

            return is_time

        return begin

    chosen = [("any", after(rng.uniform(0.0, 0.8 * seconds))) for _ in range(kind.kills_any)]
    return chosen + [
        (name, at(sign, rng.uniform(0.0, 0.02 * seconds)))
        for name, sign in kind.signs.items()
        for _ in range(kind.kills_each)
    ]


def test_a_run_that_was_killed_ends_with_the_same_bytes(kind: Kind, room: Path) -> None:
    whole = digests(room / "whole")
    killed = dict.fromkeys(["any", *kind.signs], 0)
    nodes: dict[str, int] = {}  # in which the kill fell, as the record tells
    for name, begin in moments(kind, room):
        shutil.rmtree(room / "out", ignore_errors=True)
        if kill_when(kind.arguments, room, begin(room / "out")):
            killed[name] += 1
            node = unfinished(room / "out" / kind.name)
            nodes[node] = nodes.get(node, 0) + 1
        outcome = run_forked(kind.arguments, room, seconds_max=SECONDS_MAX)
        assert outcome.code == 0, f"after a kill in {name}: {outcome}"
        assert digests(room / "out") == whole, f"after a kill in {name}"
    print(f"killed at signs of: {killed}; within nodes: {nodes}")
    assert sum(killed.values()) >= 0.75 * (kind.kills_any + kind.kills_each * len(kind.signs))
    assert all(killed.values()), killed


def unfinished(folder: Path) -> str:
    """Return the node in which a run was killed."""
    entries = (read_entries(folder) or {}).items() if folder.is_dir() else ()
    open_ones = [name for name, entry in entries if not entry.fingerprint]
    return open_ones[0] if open_ones else "between" if entries else "before the first"
