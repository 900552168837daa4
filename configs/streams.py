"""stdout and stderr that never end a command: closed, full, without a reader, or of another encoding."""

import errno
import io
import os
import select
import sys
from typing import Any, TextIO


class Output(io.FileIO):
    """A file descriptor that takes everything; after the first write that fails the rest is dropped."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self.problem: OSError | None = None  # why something was dropped

    def write(self, data: Any, /) -> int:
        """Write what can be written; return its length, dropped or not."""
        if self.problem is None:
            try:
                while (count := super().write(data)) is None:  # somebody made the descriptor non-blocking
                    select.select([], [self], [])
                return count
            except OSError as error:
                self.problem = error
        return memoryview(data).nbytes

    @property
    def is_answer_lost(self) -> bool:
        """Whether something was dropped that somebody wanted; a reader that has gone (`| head`) had enough."""
        return self.problem is not None and self.problem.errno != errno.EPIPE


def open_streams() -> Output:
    """Replace `sys.stdout` and `sys.stderr`; return what is below stdout.

    What an encoding lacks is written as an escape. A standard descriptor that the parent process left closed becomes
    the null device: otherwise the next file that is opened would take its number, and its place.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    output = Output(1)
    sys.stdout = _text(output, sys.stdout)
    sys.stderr = _text(Output(2), sys.stderr)
    return output


def _text(output: Output, before: TextIO | None) -> TextIO:
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(output), encoding=encoding, errors="backslashreplace", line_buffering=True
    )
