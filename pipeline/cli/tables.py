"""What commands print: lines and tables on stdout, errors on stderr; aligned in a terminal, the same text in a pipe."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from configs.displayable import displayable

if TYPE_CHECKING:
    from pipeline.run import ClipResult

PIPE_WIDTH = 120


def say(text: object = "") -> None:
    """Print a line of the answer, now."""
    print(displayable(text), flush=True)


def note(text: object) -> None:
    """Write a line that is no part of the answer on stderr."""
    sys.stderr.write(f"{displayable(text)}\n")


def tell_error(error: object) -> None:
    """Write what went wrong as one line on stderr."""
    note(f"error: {error}")


def print_table(rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print rows of text; the first one is the header. The first column is aligned left, the others right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(displayable(title)) if title else None, title_justify="left", header_style="bold")
    for number, name in enumerate(rows[0]):
        table.add_column(Text(displayable(name)), justify="left" if number == 0 else "right", overflow="fold")
    for row in rows[1:]:
        table.add_row(*(Text(displayable(cell)) for cell in row))  # a plain str could hold markup
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=PIPE_WIDTH)
    console.print(table)


def report_result(result: "ClipResult", *, is_known: bool = False) -> None:
    """Print how the run of one clip ended.

    Args:
        is_known: whether its problem was printed for an earlier clip: a wrong body, for instance, is wrong for all.
    """
    if result.is_failed:
        tell_error(f"{result.name}: the same" if is_known else result.problem)
        return
    if result.problem:
        note(f"warning: {result.name}: {result.problem}")
    minutes, seconds = divmod(round(result.seconds), 60)
    say(f"{result.folder}  {result.person_count} people  {result.frame_count} frames  {minutes:02d}:{seconds:02d}")
