import os
import subprocess
import sys
from pathlib import Path

import pytest

from configs.errors import RunError
from configs.lock import locked

HOLD = """
import sys, pathlib, configs.lock
with configs.lock.locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


def test_a_folder_is_free_again_when_its_writer_was_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"held\n"
        with (
            pytest.raises(RunError, match="out: another run is writing here; wait for it, or choose"),
            locked(tmp_path / "out"),
        ):
            pytest.fail("two writers")
        writer.kill()
    with locked(tmp_path / "out"):
        assert (tmp_path / "out").is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"file/out: cannot be written \(Not a directory\); choose another"),
        locked(tmp_path / "file" / "out"),
    ):
        pytest.fail("no folder")


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(RunError, match="cannot be written"), locked(tmp_path / "run"):
        pass
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_lock_with_content_keeps_it(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("mine")
    with locked(tmp_path), pytest.raises(RunError, match="another run"), locked(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "mine"


def test_a_pipe_for_a_lock_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    with locked(tmp_path):
        pass
