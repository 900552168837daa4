"""Commands for captures of several calibrated cameras. What a command does is imported when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from configs.files import check_is_folder
from pipeline.cli.evaluate_app import PARTLY, Modes, compared_settings
from pipeline.cli.options import (
    Assignments,
    Cameras,
    Detector,
    Model,
    Output,
    Preset,
    Verbose,
    camera_names,
    configure_log,
)
from pipeline.cli.tables import note, print_table, report_result, say

if TYPE_CHECKING:
    from configs.schema import RunSettings
    from pipeline.capture import Capture
    from pipeline.capture.spans import FrameSpan
    from pipeline.evaluation.camera_counts import ViewStudy


def add_capture_commands(app: typer.Typer, evaluate_app: typer.Typer) -> None:
    """Add `multiview`, and what measures it to `evaluate`."""
    app.command(short_help="Turn several calibrated views into one motion per person.")(multiview)
    evaluate_app.command("multiview", short_help="Errors of several views together.")(evaluate_multiview)
    evaluate_app.command("multiview-motions", short_help="The same on people with simulated keypoints.")(
        evaluate_multiview_motions
    )
    evaluate_app.command("who-is-who", short_help="Whether views of a capture are told apart rightly.")(
        evaluate_who_is_who
    )


def multiview(
    folder: Annotated[Path, typer.Argument(help="a capture: the calibration and a video per camera")],
    output: Output = Path("out"),
    cameras: Cameras = None,
    calibration: Annotated[Path | None, typer.Option(help="else the one in the folder")] = None,
    preset: Preset = None,
    assignments: Assignments = None,
    detector: Detector = None,
    model: Model = None,
    refine: Annotated[str | None, typer.Option(help="off, smooth, fit or guided (the default)")] = None,
    sync: Annotated[str | None, typer.Option(help="auto (the default), off, or a JSON file of offsets")] = None,
    start: Annotated[float | None, typer.Option(help="first second to read")] = None,
    end: Annotated[float | None, typer.Option(help="second to stop before")] = None,
    export: Annotated[str | None, typer.Option(help="other formats to write, such as glb,bvh, or all")] = None,
    no_overlay: Annotated[bool, typer.Option("--no-overlay", help="write no overlay videos and no mosaic")] = False,
    verbose: Verbose = False,
) -> None:
    """Turn the synchronised videos of several calibrated cameras into one motion file per person, in world metres."""
    configure_log(verbose)
    from configs.read import read_settings

    given = {
        "detect.weights": detector,
        "recover.model": model,
        "refine.mode": refine,
        "capture.sync": sync,
        "decode.start_s": start,
        "decode.end_s": end,
        "export.formats": export,
        "overlay.is_written": False if no_overlay else None,
    }
    settings = read_settings(preset, given, assignments or [])
    from pipeline.capture import find_capture

    process(find_capture(folder, calibration), output, settings, camera_names(cameras))


def process(
    capture: "Capture",
    output: Path,
    settings: "RunSettings",
    names: list[str] | None,
    span: "FrameSpan | None" = None,
) -> NoReturn:
    """Process a capture, say what came out, and end."""
    capture.choose(names or [])  # before libraries are loaded that take seconds
    for line in (*capture.calibration.notes, *capture.notes):
        note(line)
    if capture.missing and names is None:
        note(f"cameras without a video: {', '.join(capture.missing)}")
    for video in capture.unmatched:
        note(f"{video.name} belongs to no camera")
    from pipeline.multiview.run import run_capture

    done = run_capture(capture, output, settings, names=names, span=span, on_view=report_result)
    for line in done.timing.lines:
        note(line)
    for line in (*done.fit.problems, *filter(None, [done.problem])):
        note(f"warning: {line}")
    say(f"{done.folder}  {done.person_count} people from {len(done.views)} views  {done.frame_count} frames")
    raise typer.Exit(PARTLY if done.problem else 0)


def evaluate_multiview(
    folder: Annotated[Path, typer.Argument(help="a capture: calibration, a video per camera, 3D reference")],
    cameras: Cameras = None,
    counts: Annotated[
        str | None, typer.Option(help="also fit subsets of so many cameras, such as 1,2,4; their mean is printed")
    ] = None,
    wrong_ids: Annotated[
        float, typer.Option(help="also fit with this share of track numbers exchanged in every view, such as 0.2")
    ] = 0.0,
    calibration: Annotated[Path | None, typer.Option(help="which calibration, where there are several")] = None,
    output: Output = Path("out"),
    preset: Preset = None,
    assignments: Assignments = None,
    detector: Detector = None,
    model: Model = None,
) -> None:
    """Run a capture and report errors without any alignment: of each view alone, of their consensus, of triangulation
    alone and of the fitted people.
    """
    check_is_folder(folder)  # before libraries are loaded that take seconds
    settings, _ = compared_settings(preset, assignments, detector, model, None)
    from pipeline.evaluation.camera_counts import evaluate_views, parse_counts

    study = evaluate_views(
        folder,
        output,
        settings,
        names=camera_names(cameras),
        calibration=calibration,
        counts=parse_counts(counts) if counts else (),
        wrong_ids=wrong_ids,
        on_view=report_result,
    )
    raise typer.Exit(_print_study(study))


def evaluate_who_is_who(
    folder: Annotated[Path, typer.Argument(help="a capture with a 3D reference")],
    run: Annotated[Path, typer.Argument(help="the folder of its run")],
    counts: Annotated[str, typer.Option(help="numbers of cameras whose subsets are measured")] = "2,3,5",
    subsets: Annotated[int, typer.Option(min=1, help="at most so many subsets for each number")] = 20,
    wrong_ids: Annotated[float, typer.Option(min=0, max=1, help="share of track numbers exchanged in each view")] = 0.0,
) -> None:
    """Find who is who in subsets of a run's views, and compare with whom of the reference their rows show."""
    check_is_folder(folder)
    check_is_folder(run)
    from configs.schema import LinkSettings
    from pipeline.evaluation.camera_counts import parse_counts
    from pipeline.evaluation.who_is_who import measure_association

    least = LinkSettings().frames_min
    head = ("cameras", "subsets", "rows right", "pairs right", "pairs found", "people")
    rows = [
        (
            str(count),
            str(sets),
            *(f"{share:.1%}" for share in (a.rows_right, a.pairs_right, a.pairs_found)),
            f"{a.people:.1f}",
        )
        for count, sets, a in measure_association(folder, run, parse_counts(counts), subsets, wrong_ids, least)
    ]
    print_table([head, *rows])


def demo_of_views(output: Path) -> int:
    """Run the bundled capture, print its errors against the truth and what was written; return the exit code."""
    from configs.read import read_settings
    from pipeline.demo import DEMO_CAPTURE
    from pipeline.evaluation.camera_counts import evaluate_views
    from pipeline.flow.outputs import RunFolder

    settings = read_settings(None, {"detect.weights": "bundled"}, [])
    code = _print_study(evaluate_views(DEMO_CAPTURE, output, settings, on_view=report_result))
    files = RunFolder(output / DEMO_CAPTURE.name)
    for path in files.tracks():
        say(f"motion   {path}")
    say(f"overlay  {files.mosaic}")
    return code


def _print_study(study: "ViewStudy") -> int:
    """Print the errors of a capture; return the exit code."""
    from pipeline.evaluation.multiview import HEAD

    for title, errors in study.tables:
        print_table([("", *HEAD), *((name, *each.row()) for name, each in errors.items())], title=title)
    for line in study.notes:
        note(line)
    if study.problem:
        note(f"warning: {study.problem}")
    return PARTLY if study.problem else 0


def evaluate_multiview_motions(
    folder: Annotated[Path, typer.Argument(help="shards of `dpmesh-video data motion --cameras N`")],
    limit: Annotated[int, typer.Option(min=1, help="people to measure")] = 64,
    preset: Preset = None,
    assignments: Assignments = None,
    refine: Modes = None,
) -> None:
    """Refine people whose keypoints were simulated in several cameras, and report errors without any alignment.

    The first line is triangulation alone, smoothed. Frames in which it does not know every joint are left out of all.
    """
    check_is_folder(folder)  # before libraries are loaded that take seconds
    settings, modes = compared_settings(preset, assignments, None, None, refine)
    from pipeline.evaluation.filmed_motions import measure_filmed_motions
    from pipeline.evaluation.multiview import HEAD

    found = measure_filmed_motions(folder, limit, settings, modes)
    print_table([("", *HEAD), *((name, *errors.row()) for name, errors in found.items())])
