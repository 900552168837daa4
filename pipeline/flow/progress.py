"""Progress on stderr: a line that moves in a terminal or a notebook, nothing elsewhere."""

import sys
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from configs.displayable import displayable


class SpeedColumn(ProgressColumn):
    """Units per second, empty until that is known."""

    def render(self, task: Task) -> Text:
        """Return the text of one line."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class ClipProgress:
    """Shows stage, frames per second and time left of one clip."""

    def __init__(self, bar: Progress, name: str) -> None:
        self._bar = bar
        self._name = displayable(name)
        self._task: TaskID | None = None

    def start(self, step: str, total: int | None) -> None:
        """Begin a step with as many units, if that is known."""
        self.finish()
        self._task = self._bar.add_task(f"{self._name}  {step}", total=total, note="")

    def advance(self, done: int, note: str) -> None:
        """Show that so many units are done."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, note=note)

    def finish(self) -> None:
        """Take the line away."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


class ProgressDisplay:
    """The moving lines on stderr, in a terminal or a notebook, of the clips that are worked on."""

    def __init__(self, *, is_shown: bool = True) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}/{task.total}"),
            SpeedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            # What is printed while the bar moves would go to the bar's stderr, also where stdout is a file.
            redirect_stdout=sys.stdout.isatty(),
            disable=not (is_shown and (console.is_terminal or console.is_jupyter)),
        )
        self._lines: dict[str, ClipProgress] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def listen(self, name: str) -> ClipProgress:
        """Return the progress display of a clip."""
        self._lines[name] = ClipProgress(self._bar, name)
        return self._lines[name]

    def finish(self, name: str) -> None:
        """Take the line of a clip away."""
        if name in self._lines:
            self._lines.pop(name).finish()
