"""The installed command with worker processes: killed, stopped, and with inputs that cannot be read."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from real_command import ended, start
from small_room import digests, furnish

pytestmark = pytest.mark.slow
WORDS = (
    *("run", "clip.mp4", "--keypoints", "points.json", "--model", "model", "--output", "out", "--no-report"),
    *("--set", "runtime.chunk_frames=3", "--set", "link.frames_min=1", "--set", "runtime.threads=1"),
    *("--set", "refine.steps=20", "--set", "refine.shape_steps=8", "--set", "runtime.segment_s=1"),
)
TIMES = ("clip/nodes.json", "index.html")  # hold hashes of what holds times


def files(folder: Path) -> dict[str, str]:
    return {name: value for name, value in digests(folder).items() if name not in TIMES}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip of six segments, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("room")
    furnish(folder, 72)
    code, _, err = ended(start(*WORDS, folder=folder))
    assert code == 0, err
    shutil.move(folder / "out", folder / "whole")
    return folder


@pytest.fixture(autouse=True)
def _clear(room: Path) -> None:
    shutil.rmtree(room / "out", ignore_errors=True)


def workers_of(process: "subprocess.Popen[bytes]") -> list[int]:
    """Return the processes that a command has started."""
    try:
        return [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def wait_for(what: Callable[[], bool]) -> None:
    for _ in range(6000):
        if what():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come")


def is_busy(room: Path) -> bool:
    return any(room.glob("out/clip/segments/*/rows/shard_000001.npz"))


def test_workers_make_the_bytes_of_one_process(room: Path) -> None:
    code, out, err = ended(start(*WORDS, "--workers", "2", folder=room))
    assert code == 0 and "2 people  72 frames" in out, err
    assert files(room / "out") == files(room / "whole")


def test_a_worker_that_is_killed_is_replaced_and_its_unit_done_again(room: Path) -> None:
    process = start(*WORDS, "--workers", "2", folder=room)
    wait_for(lambda: is_busy(room))
    for pid in workers_of(process):
        os.kill(pid, signal.SIGKILL)
    code, _, err = ended(process)
    assert code == 0 and "its worker process ended (signal 9); tried again" in err
    assert files(room / "out") == files(room / "whole")


def test_a_unit_whose_workers_are_all_killed_is_a_failure_with_a_reason(room: Path) -> None:
    process = start(*WORDS, "--workers", "2", "--set", "runtime.tries_max=1", folder=room)
    wait_for(lambda: is_busy(room))
    os.kill(workers_of(process)[0], signal.SIGKILL)
    code, _, err = ended(process)
    assert code == 1 and "its worker process ended in each of 1 tries, at last by signal 9" in err
    record = json.loads((room / "out" / "clip" / "run.json").read_text())
    assert record["status"] == "failed" and "signal 9" in record["problem"]
    assert ended(start(*WORDS, "--workers", "2", folder=room))[0] == 0
    assert files(room / "out") == files(room / "whole")


def test_workers_end_with_the_engine_and_the_same_command_goes_on(room: Path) -> None:
    process = start(*WORDS, "--workers", "2", folder=room)
    wait_for(lambda: is_busy(room))
    pids = workers_of(process)
    process.kill()
    ended(process)
    wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids))
    code, _, err = ended(start(*WORDS, "--workers", "2", folder=room))
    assert code == 0, err
    assert files(room / "out") == files(room / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reaches_the_workers_and_leaves_what_goes_on(room: Path, number: signal.Signals) -> None:
    process = start(*WORDS, "--workers", "2", folder=room)
    wait_for(lambda: is_busy(room))
    pids = workers_of(process)
    process.send_signal(number)
    code, _, err = ended(process)
    assert code == 128 + number and "the same command goes on" in err and "Traceback" not in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert json.loads((room / "out" / "clip" / "run.json").read_text())["status"] == "stopped"
    assert ended(start(*WORDS, folder=room))[0] == 0, "one process goes on where two stopped"
    assert files(room / "out") == files(room / "whole")


def test_a_clip_that_cannot_be_read_costs_no_other(room: Path, pose_weights: Path) -> None:
    (room / "clips").mkdir()
    for name in ("a", "b"):
        shutil.copy(room / "clip.mp4", room / "clips" / f"{name}.mp4")
    (room / "clips" / "c.mp4").write_bytes(bytes(300))
    words = ("run", "clips", "--detector", str(pose_weights), "--output", "out", "--workers", "2")
    code, out, err = ended(start(*words, folder=room))
    assert code == 3 and len(out.splitlines()) == 2 and "c.mp4" in err and "2 clips done, 1 failed" in err
