"""Commands that show a finished run. What a command does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import configure_log
from pipeline.cli.tables import say


def add_report_commands(app: typer.Typer) -> None:
    """Add `report`."""
    app.command(short_help="Write the report of a finished run again.")(report)


def report(
    folder: Annotated[Path, typer.Argument(help="a run's folder, as out/clip, or a folder of runs, as out")],
) -> None:
    """Write report.html anew, for example after an analysis; for a folder of runs, all of theirs and an index."""
    configure_log(False)
    from pipeline.report.write import report_folder

    for path in report_folder(folder):
        say(path)
