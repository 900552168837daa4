"""A disk that is really full, at many fillings: the clip fails in one line, and goes on when there is space."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked_command import run_forked
from small_room import ARGUMENTS, digests, run_whole

from pipeline.flow.record import read_record

pytestmark = [pytest.mark.slow, pytest.mark.spawns]
PAGE = 4096
PLACES = 11  # sizes of the disk, from one page to one page less than what a run takes


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip, and what a run makes of it where there is space."""
    folder = tmp_path_factory.mktemp("full")
    run_whole(folder)
    return folder


@pytest.fixture
def disk(room: Path) -> Iterator[Path]:
    """Return a file system of one page at the place of the results; the test gives it its size."""
    out = room / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={PAGE}", "none", str(out)], capture_output=True)
    if done.returncode:
        pytest.skip(f"mount is not allowed here: {done.stderr.decode().strip()}")
    try:
        yield out
    finally:
        subprocess.run(["umount", "-l", str(out)], check=True)


def resize(disk: Path, size: int) -> None:
    """Empty the disk and give it a size."""
    for path in disk.iterdir():
        shutil.rmtree(path)
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def pages(folder: Path) -> int:
    """Return what the files of a folder take on such a disk."""
    return sum(-(-path.stat().st_size // PAGE) for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_fails_the_clip_in_one_line_and_spoils_nothing(room: Path, disk: Path) -> None:
    whole, needed = digests(room / "whole"), pages(room / "whole")
    print(f"a run takes {needed * PAGE // 1024} KiB")
    places = {}
    for size in sorted({1 + round((needed - 2) * (place / (PLACES - 1)) ** 1.5) for place in range(PLACES)}):
        resize(disk, size * PAGE)
        outcome = run_forked(ARGUMENTS, room)
        what = f"{size * PAGE // 1024} KiB: {outcome}"
        assert outcome.code == 1 and not outcome.stdout, what
        [line] = outcome.error_lines
        assert line.count("the disk is full (No space left on device); free space") == 1, what
        assert "Traceback" not in outcome.stderr, what
        assert not list(disk.rglob("*.part")), what
        record = disk / "clip" / "run.json"
        status = read_record(disk / "clip").status if record.exists() and record.stat().st_size else "absent"
        assert status in ("failed", "absent") and (status == "failed" or not record.exists()), what
        places[f"{size * PAGE // 1024} KiB"] = line.partition(": the disk")[0].rpartition("clip/")[2], status
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        outcome = run_forked(ARGUMENTS, room)
        assert outcome.code == 0, f"with space again after {what}: {outcome}"
        assert digests(disk) == whole, f"with space again after {what}"
        assert not (disk / "clip" / "error.log").exists() and read_record(disk / "clip").status == "done"
    print(json.dumps(places, indent=1))
    assert len(places) >= 10 and len({name for name, _ in places.values()}) >= 4, places


def test_a_sheet_and_an_edit_that_find_the_disk_full_leave_what_was_there(room: Path, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    shutil.copytree(room / "whole" / "clip", disk / "clip")
    before = digests(disk)
    filler = disk / "filler"
    try:
        with open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(PAGE))
    except OSError:
        pass
    for words in (["inspect", "out/clip", "--sheet", "out/sheet.png"], ["edit", "out/clip", "--drop", "2"]):
        outcome = run_forked(words, room)
        assert outcome.code == 1 and len(outcome.error_lines) == 1, outcome
        assert "disk is full" in outcome.stderr or "No space left" in outcome.stderr, outcome
        assert "Traceback" not in outcome.stderr, outcome
        assert not list(disk.rglob("*.part")) and not (disk / "sheet.png").exists(), words
    os.unlink(filler)
    assert run_forked(["inspect", "out/clip", "--sheet", "out/sheet.png"], room).code == 0
    (disk / "sheet.png").unlink()
    assert run_forked(ARGUMENTS, room).code == 0
    assert digests(disk) == before
    assert run_forked(["edit", "out/clip", "--drop", "2"], room).code == 0
    assert not (disk / "clip" / "tracks" / "person_002.npz").exists()
