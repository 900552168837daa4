"""Commands and their options. What a command does is imported when it runs, so that --help stays fast."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from configs.errors import SettingsError
from configs.version import program_version
from pipeline.cli.analytics_commands import add_analytics_commands
from pipeline.cli.capture_commands import add_capture_commands, demo_of_views
from pipeline.cli.evaluate_app import evaluate_app, print_truth
from pipeline.cli.export_command import export_command
from pipeline.cli.options import Assignments, Detector, Model, Output, Preset, Verbose, configure_log
from pipeline.cli.panoptic_commands import add_panoptic_commands
from pipeline.cli.programs import add_programs
from pipeline.cli.report_commands import add_report_commands
from pipeline.cli.store_command import Engine, is_for_store, run_into_store
from pipeline.cli.tables import print_table, report_result, say
from pipeline.cli.weights_app import weights_app

if TYPE_CHECKING:
    from configs.schema import RunSettings

log = logging.getLogger(__name__)

app = typer.Typer(
    help="Video of many people to 3D human motion: one AMASS-style motion file per person.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # loading rich would take half of the time of --help
    add_completion=False,
)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(weights_app, name="weights")
add_programs(app, evaluate_app)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        say(f"dpmesh-video {program_version()}")
        raise typer.Exit


@app.callback()
def dpmesh_video(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command(short_help="Turn videos into motion files and an overlay.")
def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="videos, folders of videos or of images, globs, URLs, or a manifest: .csv, .parquet"),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="each clip's results get a folder in here; may be a URL as s3://bucket/out"
        ),
    ] = "out",
    preset: Preset = None,
    assignments: Assignments = None,
    detector: Detector = None,
    keypoints: Annotated[
        Path | None,
        typer.Option(
            help="keypoints of one clip in place of a detector: COCO, OpenPose, AlphaPose, MMPose, Ultralytics"
            " or MediaPipe, a .json or a folder"
        ),
    ] = None,
    keypoints_format: Annotated[
        str | None, typer.Option(help="order of their points, e.g. body25, body25b, halpe26; detected automatically")
    ] = None,
    keep_ids: Annotated[
        bool, typer.Option("--keep-ids", help="take over the identities in the keypoint file, one motion each")
    ] = False,
    body: Annotated[str | None, typer.Option(help="'open', or a SMPL .pkl or .npz, or a folder of them")] = None,
    model: Model = None,
    reid: Annotated[
        str | None,
        typer.Option(help="what tells people apart by their looks: parts (colours), off, or an .onnx of a network"),
    ] = None,
    refine: Annotated[
        str | None, typer.Option(help="off, smooth, fit (the default) or published: what is done to the motion")
    ] = None,
    people: Annotated[
        str | None, typer.Option(help="write only these people, by the numbers of a run without it, such as 1,3")
    ] = None,
    focal: Annotated[float | None, typer.Option(help="focal length in pixels of the video")] = None,
    fps: Annotated[
        str | None, typer.Option(help="constant rate of the motion files, a whole number; 'source' keeps the frames")
    ] = None,
    start: Annotated[float | None, typer.Option(help="first second to read")] = None,
    end: Annotated[float | None, typer.Option(help="second to stop before")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N")] = None,
    workers: Annotated[
        str | None, typer.Option(help="processes that clips are spread over; auto: one per core")
    ] = None,
    engine: Annotated[Engine, typer.Option(help="where clips are run: this machine, or a Ray cluster")] = Engine.LOCAL,
    address: Annotated[str | None, typer.Option(help="of the Ray cluster; else Ray is started on this machine")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="also try clips that an earlier run into a store gave up")
    ] = False,
    smplx: Annotated[bool, typer.Option("--smplx", help="also write motion files in the SMPL-X layout")] = False,
    export: Annotated[str | None, typer.Option(help="other formats to write, such as glb,bvh, or all")] = None,
    side_view: Annotated[bool, typer.Option("--side-view", help="add a view from the side to the overlay")] = False,
    no_overlay: Annotated[
        bool, typer.Option("--no-overlay", help="write no overlay video; an existing one is removed")
    ] = False,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="nothing of the video in the output: bodies alone, no sound, no names")
    ] = False,
    analyze: Annotated[bool, typer.Option("--analyze", help="also measure density, speed, flow, groups")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report.html")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="print what would be done and stop")] = False,
    settings: Annotated[bool, typer.Option("--settings", help="print all settings with their values and stop")] = False,
    verbose: Verbose = False,
) -> None:
    """Turn videos into one motion file per person and an overlay video."""
    from configs.read import read_settings

    configure_log(verbose)
    given = {
        "detect.weights": detector,
        "detect.keypoints": keypoints,
        "detect.keypoints_format": keypoints_format,
        "track.is_id_kept": True if keep_ids else None,
        "body.source": body,
        "recover.model": model,
        "appearance.reid": reid,
        "link.people": people,
        "refine.mode": refine,
        "recover.focal_px": focal,
        "decode.start_s": start,
        "decode.end_s": end,
        "runtime.device": device,
        "runtime.workers": workers,
        "export.is_smplx_written": True if smplx else None,
        "privacy.is_anonymous": True if anonymous else None,
        "analytics.is_written": True if analyze else None,
        "export.formats": export,
        "overlay.is_side_view_on": True if side_view else None,
        "overlay.is_written": False if no_overlay else None,
        "report.is_written": False if no_report else None,
    }
    words = [*(assignments or [])]
    if fps is not None:
        words.append(f"export.rate_hz={'null' if fps == 'source' else fps}")
    chosen = read_settings(preset, given, words)
    if settings:
        import yaml

        sys.stdout.write(yaml.safe_dump(chosen.model_dump(mode="json"), sort_keys=False))
        return
    if not inputs:
        raise SettingsError("no input given; name a video, for example: dpmesh-video run clip.mp4")
    if not is_for_store(inputs, output, engine):
        folder = Path(output)
        raise typer.Exit(_print_plan(inputs, folder, chosen) if plan else _run(inputs, folder, chosen))
    code = run_into_store(
        inputs, output, chosen, engine=engine, address=address, is_retrying=retry_failed, is_plan=plan
    )
    raise typer.Exit(code)


def _run(inputs: list[str], output: Path, settings: "RunSettings") -> int:
    """Run clips and print how each ended; return the exit code."""
    from pipeline.flow.inputs import find_inputs

    clips = find_inputs(inputs, settings)  # before libraries are loaded that take seconds
    from pipeline.engine.choose import run_found
    from pipeline.run import ClipResult, exit_code

    problems: set[str] = set()

    def report(result: ClipResult) -> None:
        report_result(result, is_known=result.problem in problems)
        problems.add(result.problem)

    results = run_found(clips, output, settings, on_done=report)
    if len(results) > 1:
        failed = sum(result.is_failed for result in results)
        log.info("%d clips done, %d failed", len(results) - failed, failed)
        if settings.report.is_written:
            from pipeline.report.write import write_index

            if write_index(output) is None:
                log.warning("%s: no run made this index.html; it is left as it is", output)
    return exit_code(results)


def _print_plan(inputs: list[str], output: Path, settings: "RunSettings") -> int:
    """Print what a run would do; return the exit code."""
    from pipeline.flow.inputs import find_inputs

    clips = find_inputs(inputs, settings)
    from pipeline.run import exit_code, plan_clips

    plans = plan_clips(clips, output, settings)
    for plan in plans:
        if plan.problem:
            say(f"{plan.name}  cannot be read: {plan.problem}")
        for node in plan.nodes:
            say(f"{plan.name}  {node.name:<8}  {'up to date' if node.is_current else f'runs: {node.reason}'}")
        if plan.cost:
            say(f"{plan.name}  {plan.cost}")
    return exit_code(plans)


@app.command(short_help="Run the bundled clip and print its errors.")
def demo(
    output: Output = Path("out"),
    multiview: Annotated[bool, typer.Option("--multiview", help="the bundled capture of three cameras")] = False,
    verbose: Verbose = False,
) -> None:
    """Run on the bundled clip with the bundled models and print the errors against its ground truth."""
    configure_log(verbose)
    if multiview:
        raise typer.Exit(demo_of_views(output))
    from configs.read import read_settings
    from pipeline.demo import DEMO_CLIP, DEMO_TRUTH
    from pipeline.flow.outputs import RunFolder

    code = _run([str(DEMO_CLIP)], output, read_settings(None, {"detect.weights": "bundled"}, []))
    if not code:
        files = RunFolder(output / DEMO_CLIP.stem)
        print_truth(files.path, DEMO_TRUTH)
        say()
        for path in files.tracks():
            say(f"motion   {path}")
        say(f"overlay  {files.overlay}")
        say(f"report   {files.report}")
    raise typer.Exit(code)


app.command("export", short_help="Write a finished run in the formats of other tools.")(export_command)
add_capture_commands(app, evaluate_app)
add_panoptic_commands(app, evaluate_app)
add_analytics_commands(app)
add_report_commands(app)


@app.command(short_help="Correct who is who in a finished run.")
def edit(
    folder: Annotated[Path, typer.Argument(help="a run's folder, as out/clip")],
    swap: Annotated[
        list[str] | None, typer.Option(help="two people are swapped from a frame or time on: 3,4@120 or 3,4@4.8s")
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="one person becomes a new one from there on: 3@120")] = None,
    merge: Annotated[list[str] | None, typer.Option(help="people who are the same person: 2,5 (they become 2)")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="leave these people out: 6,7")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="undo all earlier edits first")] = False,
    source: Annotated[Path | None, typer.Option("--input", help="path of the video, if it has moved")] = None,
) -> None:
    """Correct who is who in a run: swaps, splits, merges, drops, in this order; without any, list the people.

    Edits add up over calls and stay for later runs of the clip. Nobody is renumbered.
    """
    configure_log(False)
    from trackers.edits import parse_edits

    edits = parse_edits({"swap": swap, "split": split, "merge": merge, "drop": drop})
    from pipeline.editing import edit_run

    done = edit_run(folder, edits, source, is_cleared=clear, on_done=report_result)
    if done.result is None or not done.result.is_failed:
        rows = [(str(s.track_id), str(s.first_frame), str(s.last_frame), str(s.row_count)) for s in done.people]
        print_table([("person", "first frame", "last frame", "frames seen"), *rows])
        if done.edits:
            say(f"edits: {' '.join(map(str, done.edits))}")
    if done.result is not None:
        from pipeline.run import exit_code

        raise typer.Exit(exit_code([done.result]))


@app.command(short_help="Show what a run, a motion file or a capture contains.")
def inspect(
    path: Annotated[Path, typer.Argument(help="a run's folder, one motion file, or the folder of a capture")],
    sheet: Annotated[
        Path | None, typer.Option(help="also write an image: frames of the overlay, or a plan of the capture's rig")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="how many frames the image shows")] = 12,
    tracks: Annotated[
        Path | None, typer.Option(help="also write an image with one row of crops per person: who is whom over time")
    ] = None,
    calibration: Annotated[Path | None, typer.Option(help="of the capture; else the one in its folder")] = None,
) -> None:
    """Show what a run, a motion file or a capture contains."""
    configure_log(False)
    from pipeline.cli.inspection import inspect_path

    inspect_path(path, sheet, frames, calibration, tracks)


@app.command(short_help="Check what this machine can do.")
def doctor(
    load: Annotated[bool, typer.Option("--load", help="also import every library and ask torch for the GPU")] = False,
) -> None:
    """Check what this machine can do, and what is missing."""
    configure_log(False)
    from pipeline.cli.doctor import examine

    raise typer.Exit(examine(is_loaded=load))
