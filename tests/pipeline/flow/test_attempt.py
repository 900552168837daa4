"""The log of a failed run: only our own is replaced or taken away."""

import os
from pathlib import Path

from configs.schema import RunSettings
from pipeline.flow.attempt import Attempt


def test_a_pipe_of_the_logs_name_is_neither_waited_for_nor_taken_away(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "error.log")
    attempt = Attempt("clip", tmp_path, RunSettings())
    with attempt.lock:
        attempt.begin()
        assert attempt.fail(ZeroDivisionError("1 / 0")).startswith("clip: unexpected ZeroDivisionError")
        attempt.finish(status="done")
    assert (tmp_path / "error.log").is_fifo()
