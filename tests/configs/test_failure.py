"""Every error is one line that says what was wrong and, where it is known, what to do."""

import errno
import os
import re
from pathlib import Path

import pytest

from configs.errors import InputError
from configs.failure import describe_failure, is_unexpected, keep_traceback


@pytest.mark.parametrize(
    ("error", "told", "is_bug"),
    [
        (InputError("a.mp4: is empty; copy it again"), "a.mp4: is empty; copy it again", False),
        (OSError(errno.ENOSPC, "No space left on device", "out/a"), "out/a: the disk is full (No space left", False),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full (Disk quota exceeded); free space", False),
        (PermissionError(errno.EACCES, "Permission denied", b"out/a"), "out/a: Permission denied", False),
        (MemoryError(), "out of memory (MemoryError); free some", False),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 1 TB"), "out of memory ([enf", False),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB\nmore"), "out of memory (CUDA out", False),
        (ValueError("no such axis\nand more"), "unexpected ValueError: no such axis", True),
        (RecursionError(), "unexpected RecursionError", True),
        (KeyError("x"), "unexpected KeyError: 'x'", True),
    ],
)
def test_an_error_is_one_line_and_a_bug_is_called_one(error: Exception, told: str, is_bug: bool) -> None:
    line = describe_failure(error)
    assert line.startswith(told) and "\n" not in line
    assert is_unexpected(error) == is_bug


def test_a_traceback_is_kept_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        os.fsdecode(b"\xff")
        raise ValueError("stra\udcdfe")
    except ValueError as error:
        found = re.fullmatch(r"the traceback is in (.+\.log)", keep_traceback(error))
    assert found and "raise ValueError" in Path(found[1]).read_text()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    assert "cannot be kept" in keep_traceback(ValueError())
