"""Tables on stdout: aligned in a terminal, the same text in a pipe."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 120


def print_table(rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print rows of text; the first one is the header. The first column is aligned left, the others right."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for number, name in enumerate(rows[0]):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows[1:]:
        table.add_row(*row)
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=PIPE_WIDTH)
    console.print(table)
