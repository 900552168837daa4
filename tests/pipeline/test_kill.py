"""kill -9 at any moment of a run: the same command goes on and ends with the same bytes."""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from forked_command import preload, run_forked

pytestmark = pytest.mark.slow
FRAMES, SIZE = 24, 96
ARGUMENTS = [
    *("run", "clip.mp4", "--keypoints", "points.json", "--output", "out", "--smplx"),
    *("--set", "runtime.chunk_frames=6", "--set", "link.frames_min=1", "--set", "runtime.threads=1"),
]
KILLS_ANY, KILLS_EACH = 10, 4  # at random moments; within each node that follows observation


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip of two people, and what a run without a stop makes of it."""
    from pipeline.media import VideoWriter

    folder = tmp_path_factory.mktemp("kill")
    with VideoWriter(folder / "clip.mp4", SIZE, SIZE, Fraction(12)) as video:
        for number in range(FRAMES):
            video.write(np.full((SIZE, SIZE, 3), 10 * number, np.uint8))
    xs = np.array([32, 33, 31, 34, 30, 38, 26, 40, 24, 41, 23, 36, 28, 36, 28, 36, 28], float)
    ys = np.array([8, 7, 7, 8, 8, 16, 16, 25, 25, 33, 33, 34, 34, 46, 46, 58, 58], float)
    entries = [
        {
            "image_id": frame,
            "category_id": 1,
            "score": 0.9,
            "keypoints": np.stack([xs + shift + frame / 4, ys + 20, np.full(17, 0.9)], 1).ravel().tolist(),
        }
        for frame in range(FRAMES)
        for shift in (-8, 40)
    ]
    (folder / "points.json").write_text(json.dumps(entries))
    preload()
    started = time.monotonic()
    outcome = run_forked(ARGUMENTS, folder)
    assert outcome.code == 0, outcome
    (folder / "seconds").write_text(str(time.monotonic() - started))
    shutil.move(folder / "out", folder / "whole")
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Return a hash of every file that has to have the same bytes however often a run was stopped."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", ".lock")
    }


def kill_when(folder: Path, is_time: Callable[[], bool]) -> bool:
    """Start the run and kill it when `is_time` says so; return whether it was killed before its end."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        code = 1
        try:
            code = run_forked(ARGUMENTS, folder).code
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


def moments(room: Path) -> list[tuple[str, Callable[[Path], Callable[[], bool]]]]:
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
                if not seen and any(out.glob(f"clip/{sign}")):
                    seen.append(time.monotonic())
                return bool(seen) and time.monotonic() - seen[0] > delay_s

            return is_time

        return begin

    chosen = [("any", after(rng.uniform(0.0, seconds))) for _ in range(KILLS_ANY)]
    for name, sign in [
        ("observe", "observations/state.npz"),
        ("motion", "motion"),
        ("export", "tracks"),
        ("overlay", "overlay*"),
    ]:
        chosen += [(name, at(sign, rng.uniform(0.0, 0.15))) for _ in range(KILLS_EACH)]
    return chosen


def test_a_run_that_was_killed_ends_with_the_same_bytes(room: Path) -> None:
    whole = digests(room / "whole")
    killed = dict.fromkeys(["any", "observe", "motion", "export", "overlay"], 0)
    for name, begin in moments(room):
        shutil.rmtree(room / "out", ignore_errors=True)
        killed[name] += kill_when(room, begin(room / "out"))
        outcome = run_forked(ARGUMENTS, room)
        assert outcome.code == 0, f"after a kill in {name}: {outcome}"
        assert digests(room / "out") == whole, f"after a kill in {name}"
    print(f"killed: {killed}")
    assert sum(killed.values()) >= 20
    assert all(killed.values()), killed
