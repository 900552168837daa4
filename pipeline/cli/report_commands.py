"""Commands that show a finished run. What a command does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import configure_log
from pipeline.cli.tables import say


def add_report_commands(app: typer.Typer) -> None:
    """Add `report` and `view`."""
    app.command(short_help="Write the report of a finished run again.")(report)
    app.command(short_help="Look at a finished run in the browser.")(view)


def report(
    folder: Annotated[Path, typer.Argument(help="a run's folder, as out/clip, or a folder of runs, as out")],
) -> None:
    """Write report.html anew, for example after an analysis; for a folder of runs, all of theirs and an index."""
    configure_log(False)
    from pipeline.report.write import report_folder

    for path in report_folder(folder):
        say(path)


def view(
    folder: Annotated[Path, typer.Argument(help="a run's folder, as out/clip")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="on this machine; the next free one from here on")] = 8080,
    host: Annotated[str, typer.Option(help="address to listen on; others than this machine's let others look")] = (
        "127.0.0.1"
    ),
) -> None:
    """Serve a page with the people of a run in 3D until Ctrl-C (needs the extra `view`)."""
    configure_log(False)
    from pipeline.results import Run

    run = Run(folder)  # before libraries are loaded that take seconds
    from configs.errors import missing_package

    try:
        from pipeline.view.viewer import Viewer
    except ModuleNotFoundError as error:
        if error.name != "viser":
            raise
        raise missing_package(error, "view") from error
    from pipeline.nodes.raw import raw_scene
    from pipeline.view.footage import Footage
    from pipeline.view.scene import scene_of_run

    scene = scene_of_run(run, samples_max=1_000_000)
    title = run.record.input or folder.name
    viewer = Viewer(scene, Footage(run), lambda: raw_scene(run, scene), title, host, port)
    say(f"{viewer.url}  (Ctrl-C ends it)")
    try:
        viewer.wait()
    except KeyboardInterrupt:
        viewer.close()
