"""The `evaluate` commands. What a command does is imported when it runs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from configs.files import check_is_folder, check_regular
from configs.log import log_to_stderr
from pipeline.cli.options import Assignments, Detector, Model, Output, Preset
from pipeline.cli.tables import print_table, report_result, tell_error

if TYPE_CHECKING:
    from configs.schema import RunSettings
    from pipeline.evaluation.comparison import Comparison
    from pipeline.evaluation.studies import Measured

FAILED, PARTLY = 1, 3  # exit codes

evaluate_app = typer.Typer(help="Measure a run, or compare ways to refine.", no_args_is_help=True)

RunPath = Annotated[Path, typer.Argument(help="a run's folder")]
Modes = Annotated[
    list[str] | None,
    typer.Option(
        "--refine",
        help="as for run, or MODE:PRIOR, as in fit:none; the first one given is what the others are compared with",
    ),
]


@evaluate_app.callback()
def configure() -> None:
    """Measure a run, or compare ways to refine."""
    log_to_stderr()


@evaluate_app.command(short_help="How well bodies meet the 2D keypoints.")
def reprojection(folder: RunPath) -> None:
    """Report the fraction of confident keypoints that the projected bodies meet."""
    from pipeline.results import Run

    run = Run(folder)
    from pipeline.evaluation.reprojection import measure_reprojection

    report = measure_reprojection(run.tracks(), run.body)
    near = f"within {report.radius_ratio:.0%} of the box height"
    print_table([("person", "frames", "confident keypoints", near), *report.person_rows()])
    print_table([("joint", "confident keypoints", near), *report.joint_rows()])


@evaluate_app.command(short_help="Errors against a rendered clip's ground truth.")
def truth(folder: RunPath, truth: Annotated[Path, typer.Argument(help="truth.npz of a rendered clip")]) -> None:
    """Report the errors of a run on a rendered clip whose ground truth is known."""
    print_truth(folder, truth)


@evaluate_app.command(short_help="HOTA, IDF1, MOTA and switches against true boxes.")
def tracking(
    run: Annotated[Path, typer.Argument(help="a run's folder, or a tracker's text file of the MOTChallenge")],
    truth: Annotated[Path, typer.Option(help="gt.txt of the MOTChallenge: the true boxes and who is in them")],
    visible_min: Annotated[
        float, typer.Option(min=0, max=1, help="share of a person that is to be seen, to count as visible")
    ] = 0.25,
) -> None:
    """Report how long people were followed under one number, against visible people and against all of them.

    Needs the extra `tracking`. Identities of a run are the people of its motion files, with the gaps that were filled.
    """
    from pipeline.evaluation.tracking import HEAD, measure_tracking, read_mot, rows_of_run

    found = rows_of_run(run) if run.is_dir() else read_mot(run)
    print_table([HEAD, *(report.row() for report in measure_tracking(read_mot(truth), found, visible_min))])


@evaluate_app.command(short_help="The ground, the camera over it and who stands where, against the truth.")
def ground(
    folder: RunPath,
    truth: Annotated[Path, typer.Argument(help="truth.npz of a rendered clip, or a capture with a 3D reference")],
    camera: Annotated[str, typer.Option(help="of the capture: the camera whose video was run")] = "",
) -> None:
    """Report how far the scene of a run is off: tilt, roll, height, focal length, places of people, lean, soles."""
    from pipeline.results import Run

    run = Run(folder)
    from configs.errors import InputError
    from pipeline.evaluation.ground import measure_ground, read_ground_truth

    if run.scene is None:
        raise InputError(f"{folder}: has no scene.json; run the clip again")
    report = measure_ground(list(run.tracks()), run.body, run.scene, read_ground_truth(truth, camera))
    if run.scene.reason:
        typer.echo(f"the ground is not measured: {run.scene.reason}", err=True)
    print_table(report.rows())
    print_table(report.figures())


def print_truth(folder: Path, truth: Path) -> None:
    """Print the errors of a run against the truth of a rendered clip."""
    from pipeline.results import Run

    run = Run(folder)
    from pipeline.evaluation.truth import measure_against_truth, read_truth

    check_regular(truth, "the truth.npz of a rendered clip")
    print_table(measure_against_truth(list(run.tracks()), run.body, read_truth(truth)).rows())


@evaluate_app.command(short_help="Errors against the 3D reference of a capture.")
def capture(
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
    refine: Modes = None,
) -> None:
    """Run the cameras of a calibrated capture, each alone, and report their errors against its 3D reference."""
    check_is_folder(folder)  # before libraries are loaded that take seconds
    settings, modes = compared_settings(preset, assignments, detector, model, refine)
    from pipeline.evaluation.studies import evaluate_capture

    measured = evaluate_capture(
        folder, output, settings, modes, camera=camera, calibration=calibration, on_done=report_result
    )
    raise typer.Exit(_report(measured))


@evaluate_app.command(short_help="Errors on rendered clips, also within gaps.")
def sequences(
    folder: Annotated[Path, typer.Argument(help="rendered clips NAME.mp4, each with NAME.truth.npz")],
    output: Output = Path("out"),
    preset: Preset = None,
    assignments: Assignments = None,
    detector: Detector = None,
    model: Model = None,
    refine: Modes = None,
) -> None:
    """Run rendered clips and report errors of joints, acceleration and feet, in all and within gaps."""
    check_is_folder(folder)  # before libraries are loaded that take seconds
    settings, modes = compared_settings(preset, assignments, detector, model, refine)
    from pipeline.evaluation.studies import evaluate_sequences

    raise typer.Exit(_report(evaluate_sequences(folder, output, settings, modes, on_done=report_result)))


@evaluate_app.command(short_help="Errors on people with simulated keypoints.")
def motions(
    folder: Annotated[Path, typer.Argument(help="shards of `dpmesh-video data motion --split val`")],
    limit: Annotated[int, typer.Option(min=1, help="clips to measure")] = 512,
    preset: Preset = None,
    assignments: Assignments = None,
    refine: Modes = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="fit the scale of every mode's deviations to these people and write it to this prior"),
    ] = None,
) -> None:
    """Refine people whose keypoints were simulated and report errors of joints and acceleration, also within gaps.

    Beside them: how many rotations lie within the 90 % intervals of `joint_sigma_rad`.
    """
    check_is_folder(folder)  # before libraries are loaded that take seconds
    if calibrate is not None:
        check_is_folder(calibrate)
    settings, modes = compared_settings(preset, assignments, None, None, refine)
    from pipeline.evaluation.angles import coverage_rows, write_scales
    from pipeline.evaluation.comparison import join_comparisons
    from pipeline.evaluation.studies import evaluate_motions

    study = evaluate_motions(folder, limit, settings, modes, is_calibrated=calibrate is None)
    if calibrate is not None:
        write_scales(calibrate, study.angles)
    _print_comparison([join_comparisons(study.comparisons)], study.comparisons)
    if calibrate is None and (rows := coverage_rows(study.angles)):
        print_table(rows)


def compared_settings(
    preset: str | None,
    assignments: list[str] | None,
    detector: str | None,
    model: str | None,
    refine: list[str] | None,
) -> "tuple[RunSettings, list[str]]":
    """Return the settings of runs that are only measured, and the ways to refine them."""
    from configs.read import read_settings
    from pipeline.evaluation.modes import mode_settings

    given = {"detect.weights": detector, "recover.model": model, "overlay.is_written": False}
    settings = read_settings(preset, given, assignments or [])
    for mode in refine or []:
        chosen = {f"refine.{name}": value for name, value in mode_settings(mode).items()}
        read_settings(preset, given | chosen, assignments or [])
    return settings, refine or [settings.refine.mode]


def _report(measured: "Iterable[Measured]") -> int:
    """Print the errors of the clips that can be measured, and why the others cannot; return the exit code."""
    found = []
    for one in measured:
        if one.comparison is None and one.problem:
            tell_error(one.problem)
        found.append(one)
    results = [one.comparison for one in found if one.comparison is not None]
    if not results:
        return FAILED
    _print_comparison(results, results)
    return 0 if all(one.is_whole for one in found) else PARTLY


def _print_comparison(listed: "Sequence[Comparison]", results: "Sequence[Comparison]") -> None:
    from pipeline.evaluation.comparison import change_rows, comparison_rows

    print_table(comparison_rows(listed))
    if len(results[0].by_mode) > 1:
        print_table(change_rows(results))
