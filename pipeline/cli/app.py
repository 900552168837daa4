"""Commands and their options. What a command does is imported when it runs, so that --help stays fast."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from configs.errors import SettingsError
from configs.log import log_to_stderr
from pipeline.cli.programs import add_programs
from pipeline.cli.weights_app import weights_app

if TYPE_CHECKING:
    from configs.schema import RunSettings

app = typer.Typer(
    help="Video of many people to 3D human motion: one AMASS-style motion file per person.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
evaluate_app = typer.Typer(help="Measure a run, or ways to refine.", no_args_is_help=True)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(weights_app, name="weights")
add_programs(app, evaluate_app)

Output = Annotated[Path, typer.Option("--output", "-o", help="each clip's results get a folder in here")]
Preset = Annotated[str | None, typer.Option(help="named settings (accurate, fast), or a .yaml file")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="any setting, as section.name=value")]
Detector = Annotated[str | None, typer.Option(help="pose weights: a path, an Ultralytics name, 'bundled' or 'auto'")]
Model = Annotated[str | None, typer.Option(help="recovery network: a name of `weights list`, or a folder")]
Refines = Annotated[
    list[str] | None, typer.Option(help="as for run; the first one given is what the others are compared with")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="also log one line per chunk")]


@app.command()
def run(
    inputs: Annotated[list[str] | None, typer.Argument(help="videos, folders of videos or of images, or globs")] = None,
    output: Output = Path("out"),
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
        str | None, typer.Option(help="order of their points, e.g. body25, body25b, halpe26; told automatically")
    ] = None,
    keep_ids: Annotated[
        bool, typer.Option("--keep-ids", help="take over the identities in the keypoint file, one motion each")
    ] = False,
    body: Annotated[str | None, typer.Option(help="'open', or a SMPL .pkl or .npz, or a folder of them")] = None,
    model: Model = None,
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
    smplx: Annotated[bool, typer.Option("--smplx", help="also write motion files in the SMPL-X layout")] = False,
    side_view: Annotated[bool, typer.Option("--side-view", help="add a view from the side to the overlay")] = False,
    no_overlay: Annotated[bool, typer.Option("--no-overlay", help="write no overlay video")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="print what would be done and stop")] = False,
    settings: Annotated[bool, typer.Option("--settings", help="print all settings with their values and stop")] = False,
    verbose: Verbose = False,
) -> None:
    """Turn videos into one motion file per person and an overlay video."""
    from configs.read import read_settings

    _configure_log(verbose)
    given = {
        "detect.weights": detector,
        "detect.keypoints": keypoints,
        "detect.keypoints_format": keypoints_format,
        "track.is_id_kept": True if keep_ids else None,
        "body.source": body,
        "recover.model": model,
        "link.people": people,
        "refine.mode": refine,
        "recover.focal_px": focal,
        "decode.start_s": start,
        "decode.end_s": end,
        "runtime.device": device,
        "export.is_smplx_written": True if smplx else None,
        "overlay.is_side_view_on": True if side_view else None,
        "overlay.is_written": False if no_overlay else None,
    }
    words = [*(assignments or [])]
    if fps is not None:
        words.append(f"export.rate_hz={'null' if fps == 'source' else fps}")
    chosen = read_settings(preset, given, words)
    from pipeline.cli import commands

    if settings:
        commands.print_settings(chosen)
        return
    if not inputs:
        raise SettingsError("no input given; name a video, for example: dpmesh-video run clip.mp4")
    raise typer.Exit(commands.run(inputs, output, chosen, is_plan=plan))


@app.command()
def demo(
    output: Output = Path("out"),
    verbose: Verbose = False,
) -> None:
    """Run on the bundled clip with the bundled models and print the errors against its truth."""
    _configure_log(verbose)
    from pipeline.cli import commands

    raise typer.Exit(commands.demo(output))


@app.command()
def edit(
    folder: Annotated[Path, typer.Argument(help="a run's folder, as out/clip")],
    swap: Annotated[
        list[str] | None, typer.Option(help="two people change places from a frame or time on: 3,4@120 or 3,4@4.8s")
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="one person is somebody new from there on: 3@120")] = None,
    merge: Annotated[list[str] | None, typer.Option(help="people who are one: 2,5 (they become 2)")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="people who are left out: 6,7")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="take back all earlier edits first")] = False,
    source: Annotated[Path | None, typer.Option("--input", help="the video, where it was moved")] = None,
) -> None:
    """Put right who is who in a run: swaps, splits, merges, drops, in this order; without any, list the people.

    Edits add up over calls and stay for later runs of the clip. Nobody is renumbered.
    """
    _configure_log(False)
    from trackers.edits import parse_edit

    edits = [
        *(parse_edit("swap", text) for text in swap or []),
        *(parse_edit("split", text) for text in split or []),
        *(parse_edit("merge", text) for text in merge or []),
        *(parse_edit("drop", text) for text in drop or []),
    ]
    from pipeline.cli.edit import edit as edit_run

    raise typer.Exit(edit_run(folder, edits, source, is_cleared=clear))


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="a run's folder, or one motion file")],
    sheet: Annotated[Path | None, typer.Option(help="also write frames of the overlay into this picture")] = None,
    frames: Annotated[int, typer.Option(min=1, help="how many frames the picture shows")] = 12,
) -> None:
    """Say what is in a run or in a motion file."""
    _configure_log(False)
    from pipeline.cli import inspection

    inspection.inspect(path, sheet, frames)


@app.command()
def doctor() -> None:
    """Say what this machine can do, and what is missing."""
    _configure_log(False)
    from pipeline.cli import inspection

    raise typer.Exit(inspection.doctor())


@evaluate_app.command("reprojection")
def evaluate_reprojection(
    folder: Annotated[Path, typer.Argument(help="a run's folder")],
) -> None:
    """Report the share of confident keypoints that the projected bodies meet."""
    _configure_log(False)
    from pipeline.cli import commands

    commands.evaluate_reprojection(folder)


@evaluate_app.command("truth")
def evaluate_truth(
    folder: Annotated[Path, typer.Argument(help="a run's folder")],
    truth: Annotated[Path, typer.Argument(help="truth.npz of a rendered clip")],
) -> None:
    """Report the errors of a run on a rendered clip whose truth is known."""
    _configure_log(False)
    from pipeline.cli import commands

    commands.evaluate_truth(folder, truth)


@evaluate_app.command("capture")
def evaluate_capture(
    folder: Annotated[Path, typer.Argument(help="a capture: calibration, a video per camera, 3D reference")],
    camera: Annotated[
        str, typer.Option(help="a camera's name, or 'each' for one after the other, each alone")
    ] = "each",
    calibration: Annotated[Path | None, typer.Option(help="which calibration, where there are several")] = None,
    output: Output = Path("out"),
    preset: Preset = None,
    assignments: Assignments = None,
    detector: Detector = None,
    model: Model = None,
    refine: Refines = None,
) -> None:
    """Run the cameras of a calibrated capture, each alone, and report their errors against its 3D reference."""
    _configure_log(False)
    chosen, modes = _compared(preset, assignments, detector, model, refine)
    from pipeline.cli import commands

    raise typer.Exit(commands.evaluate_capture(folder, camera, calibration, output, chosen, modes))


@evaluate_app.command("sequences")
def evaluate_sequences(
    folder: Annotated[Path, typer.Argument(help="rendered clips NAME.mp4, each with NAME.truth.npz")],
    output: Output = Path("out"),
    preset: Preset = None,
    assignments: Assignments = None,
    detector: Detector = None,
    model: Model = None,
    refine: Refines = None,
) -> None:
    """Run rendered clips and report errors of joints, acceleration and feet, in all and within gaps."""
    _configure_log(False)
    chosen, modes = _compared(preset, assignments, detector, model, refine)
    from pipeline.cli import commands

    raise typer.Exit(commands.evaluate_sequences(folder, output, chosen, modes))


@evaluate_app.command("motions")
def evaluate_motions(
    folder: Annotated[Path, typer.Argument(help="shards of `dpmesh-video data motion --split val`")],
    limit: Annotated[int, typer.Option(min=1, help="clips to measure")] = 512,
    preset: Preset = None,
    assignments: Assignments = None,
    refine: Refines = None,
) -> None:
    """Refine people whose keypoints were simulated and report errors of joints and acceleration, also within gaps."""
    _configure_log(False)
    chosen, modes = _compared(preset, assignments, None, None, refine)
    from pipeline.cli import commands

    raise typer.Exit(commands.evaluate_motions(folder, limit, chosen, modes))


def _compared(
    preset: str | None,
    assignments: list[str] | None,
    detector: str | None,
    model: str | None,
    refine: list[str] | None,
) -> "tuple[RunSettings, list[str]]":
    """Return the settings of runs that are only measured, and the ways to refine them."""
    from configs.read import read_settings

    given = {"detect.weights": detector, "recover.model": model, "overlay.is_written": False}
    modes: list[str | None] = [*refine] if refine else [None]
    settings = [read_settings(preset, given | {"refine.mode": mode}, assignments or []) for mode in modes]
    return settings[0], [each.refine.mode for each in settings]


def _configure_log(verbose: bool) -> None:
    if verbose:
        log_to_stderr(logging.DEBUG, "%(levelname)s: %(message)s")
    else:
        log_to_stderr()
    for name in ("matplotlib", "PIL", "urllib3", "filelock", "fsspec", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
