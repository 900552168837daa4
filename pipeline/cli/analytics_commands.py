"""The command `analyze`: what people do on the ground. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import Assignments, Preset, Verbose, configure_log
from pipeline.cli.tables import print_table, say, tell_error


def add_analytics_commands(app: typer.Typer) -> None:
    """Add `analyze` and `zones`."""
    app.command(short_help="Measure crowds: density, speed, flow, zones, meetings, groups.")(analyze)
    app.command(short_help="Draw zones and lines on a frame of a run.")(zones)


def analyze(
    inputs: Annotated[
        list[Path], typer.Argument(help="runs' folders, folders of runs, or trajectory files (.txt, .h5, .ndjson)")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="tables of a trajectory file get a folder in here")
    ] = Path("out"),
    zones: Annotated[Path | None, typer.Option(help="zones, queues, the walkable area: JSON or GeoJSON")] = None,
    lines: Annotated[Path | None, typer.Option(help="lines whose crossings are counted: JSON or GeoJSON")] = None,
    fps: Annotated[
        float | None, typer.Option(help="frames per second of a trajectory file that does not say it")
    ] = None,
    homography: Annotated[
        Path | None, typer.Option(help="JSON of 3 x 3 numbers, pixels to metres; for a MOT file of boxes")
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="no frame of the video on the map, no file names")
    ] = False,
    preset: Preset = None,
    assignments: Assignments = None,
    verbose: Verbose = False,
) -> None:
    """Measure what people do on the ground; write tables, `analytics.json` and `analytics.html`."""
    configure_log(verbose)
    from configs.errors import DpmeshVideoError
    from configs.read import read_settings

    given = {
        "analytics.is_written": True,
        "analytics.zones": zones,
        "analytics.lines": lines,
        "privacy.is_anonymous": True if anonymous else None,
    }
    settings = read_settings(preset, given, assignments or [])
    from pipeline.analyzing import analyze_source, find_sources, read_homography

    ground_from_image = None if homography is None else read_homography(homography)
    sources = find_sources(inputs, output, is_hidden=settings.privacy.is_anonymous)
    failed = 0
    for source in sources:
        try:
            _tell(source.folder, analyze_source(source, settings, fps, ground_from_image))
        except DpmeshVideoError as error:
            if len(sources) == 1:
                raise
            tell_error(error)
            failed += 1
    raise typer.Exit(0 if not failed else 3 if failed < len(sources) else 1)


def zones(
    folder: Annotated[Path, typer.Argument(help="a run's folder, as out/clip")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="file; else zones.json in the folder")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="of the page; 0: any free one")] = 0,
    verbose: Verbose = False,
) -> None:
    """Serve a page on this machine to draw zones and lines; its button, or Ctrl-C, ends it."""
    configure_log(verbose)
    from configs.read import read_settings
    from pipeline.analytics.zones_page import ZonesServer
    from pipeline.analyzing import zones_scene

    target = output or folder / "zones.json"
    server = ZonesServer(zones_scene(folder, read_settings(None, {}, []), target), target, port)
    say(server.url)
    server.serve()
    say(f"dpmesh-video analyze {folder} --zones {target}")


def _tell(folder: Path, found: "dict[str, object]") -> None:
    """Print what came out of one analysis."""
    summary, missing, notes = found["summary"], found["not_measured"], found["notes"]
    assert isinstance(summary, dict) and isinstance(missing, dict) and isinstance(notes, list)
    rows = [("figure", "value"), *((name, _shown(value)) for name, value in summary.items())]
    print_table(rows, title=str(folder))
    for name, reason in missing.items():
        say(f"{name}: not measurable, because {reason}")
    for line in notes:
        say(f"note: {line}")
    say(f"tables  {folder / 'tables'}")
    say(f"page    {folder / 'analytics.html'}")


def _shown(value: object) -> str:
    if value is None:
        return "not measured"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
