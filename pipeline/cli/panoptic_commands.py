"""Commands for sequences of CMU Panoptic. What a command does is imported when it runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from configs.errors import InputError, SettingsError
from configs.files import check_is_folder
from pipeline.cli.evaluate_app import FAILED, PARTLY, compared_settings
from pipeline.cli.options import Assignments, Detector, Model, Output, Preset, Verbose, configure_log
from pipeline.cli.tables import note, print_table, report_result, tell_error

if TYPE_CHECKING:
    from configs.schema import RunSettings
    from pipeline.capture.spans import FrameSpan
    from pipeline.evaluation.panoptic import SequenceErrors, SequenceFrames

    Found = TypeVar("Found", SequenceErrors, SequenceFrames)

RATE = "30000/1001"  # of the HD cameras; images carry none
# Its cameras are triggered together, so a clock that differs would be an error of the estimate.
SEQUENCE_SETTINGS = {"decode.folder_rate_hz": RATE, "decode.is_green_skipped": True, "capture.sync": "off"}
VOXELPOSE = "voxelpose"
READING_NAMES = {
    "crmh": "CRMH: over 17 joints, nearest body",
    "romp": "ROMP: over 14 joints, 150 mm if missed",
    "valid": "valid joints, one to one",
}

Frames = Annotated[str | None, typer.Option(help="such as 1000:2000, as Panoptic numbers frames; else all")]


def add_panoptic_commands(app: typer.Typer, evaluate_app: typer.Typer) -> None:
    """Add `panoptic`, and what measures it to `evaluate`."""
    app.command(short_help="The same for a sequence of CMU Panoptic.")(panoptic)
    evaluate_app.command("panoptic", short_help="Errors against the annotations of CMU Panoptic.")(evaluate_panoptic)


def panoptic(
    folder: Annotated[Path, typer.Argument(help="a sequence: calibration_SEQ.json, hdVideos/ or hdImgs/")],
    output: Output = Path("out"),
    cameras: Annotated[str | None, typer.Option(help="HD cameras, such as 00_16,00_30; else all with a video")] = None,
    frames: Frames = None,
    preset: Preset = None,
    assignments: Assignments = None,
    detector: Detector = None,
    model: Model = None,
    refine: Annotated[str | None, typer.Option(help="off, smooth, fit or guided (the default)")] = None,
    verbose: Verbose = False,
) -> None:
    """Turn a sequence of CMU Panoptic into one motion file per person, in world metres, z up.

    Any HD cameras that are there are used; a video that is broken and green frames are left out and named.
    """
    configure_log(verbose)
    from configs.read import read_settings

    given = {"detect.weights": detector, "recover.model": model, "refine.mode": refine}
    settings = read_settings(preset, SEQUENCE_SETTINGS | given, assignments or [])
    check_is_folder(folder)
    names, span = _chosen(cameras, frames)
    from pipeline.capture.panoptic import find_sequence
    from pipeline.cli.capture_commands import process

    process(find_sequence(folder), output, settings, names, span)


def evaluate_panoptic(
    folders: Annotated[list[Path], typer.Argument(help="sequences, each with calibration, videos and annotations")],
    protocol: Annotated[
        str | None,
        typer.Option(
            help="crmh, romp or valid: cameras 16 and 30, each alone, as in published tables (default: all three);"
            " voxelpose: several cameras together"
        ),
    ] = None,
    cameras: Annotated[str | None, typer.Option(help="HD cameras, in place of the protocol's")] = None,
    camera_set: Annotated[str, typer.Option(help="of voxelpose: CMU0 to CMU4")] = "CMU0",
    frames: Frames = None,
    images: Annotated[
        int | None, typer.Option(min=0, help="annotated frames per camera, spread evenly (1200); 0: all")
    ] = None,
    every: Annotated[
        int | None, typer.Option(min=1, help="of voxelpose: one of so many annotation files (12; 3 in its training)")
    ] = None,
    output: Output = Path("out"),
    preset: Preset = None,
    assignments: Assignments = None,
    detector: Detector = None,
    model: Model = None,
) -> None:
    """Run sequences of CMU Panoptic and report their errors as published protocols define them.

    A sequence or camera that cannot be measured costs only itself.
    """
    if protocol is not None and protocol not in (*READING_NAMES, VOXELPOSE):
        raise SettingsError(f"--protocol {protocol}: choose {', '.join(READING_NAMES)} or {VOXELPOSE}")
    given = [f"{name}={value}" for name, value in SEQUENCE_SETTINGS.items()]
    settings, _ = compared_settings(preset, [*given, *(assignments or [])], detector, model, None)
    names, span = _chosen(cameras, frames)
    if protocol == VOXELPOSE:
        from pipeline.evaluation.voxelpose import CAMERA_SETS, EVERY

        if camera_set not in CAMERA_SETS:
            raise SettingsError(f"--camera-set {camera_set}: choose {', '.join(CAMERA_SETS)}")
        chosen = names or [f"00_{number:02d}" for number in CAMERA_SETS[camera_set]]
        raise typer.Exit(_together(folders, output, settings, chosen, span, every or EVERY))
    raise typer.Exit(
        _alone(folders, output, settings, names, span, images, [protocol] if protocol else list(READING_NAMES))
    )


def _chosen(cameras: str | None, frames: str | None) -> "tuple[list[str] | None, FrameSpan | None]":
    from pipeline.capture.panoptic import hd_names
    from pipeline.capture.spans import parse_span

    return hd_names(cameras) if cameras else None, parse_span(frames) if frames else None


def _measured(folders: Sequence[Path], measure: "Callable[[Path], Found]") -> "tuple[list[Found], int]":
    """Return what could be measured, and the exit code; say what was left out."""
    found, code = [], 0
    for folder in folders:
        try:
            check_is_folder(folder)
            found.append(measure(folder))
        except InputError as error:
            tell_error(error)
            code = PARTLY
    for one in found:
        if one.problem:
            note(f"warning: {one.name}: {one.problem}")
            code = PARTLY
    return found, code if found else FAILED


def _alone(
    folders: Sequence[Path],
    output: Path,
    settings: "RunSettings",
    names: Sequence[str] | None,
    span: "FrameSpan | None",
    images: int | None,
    readings: Sequence[str],
) -> int:
    from pipeline.evaluation.panoptic import CAMERAS, IMAGES, evaluate_alone

    count = IMAGES if images is None else images

    def measure(folder: Path) -> "SequenceErrors":
        return evaluate_alone(
            folder, output, settings, names=names or CAMERAS, span=span, images=count, on_done=report_result
        )

    found, code = _measured(folders, measure)
    if found:
        title = "CMU Panoptic, MPJPE in mm, root on root, each camera alone"
        print_table(table3_rows(found, readings), title=title)
    return code


def table3_rows(found: "Sequence[SequenceErrors]", readings: Sequence[str]) -> list[tuple[str, ...]]:
    """Return table rows: sequences beside each other with their mean, the published row below ours."""
    from pipeline.evaluation.table3 import PUBLISHED, PUBLISHED_MEAN

    rows = [("", *(one.name for one in found), "mean")]
    for reading in readings:
        rows.append((READING_NAMES[reading], *_millimetres([one.readings[reading].mean_mm for one in found])))
        if reading == "valid":
            shares = [100 * one.readings[reading].recall for one in found]
            rows.append(("recall of the same, %", *_millimetres(shares)))
    published = [
        next((value for activity, value in PUBLISHED.items() if activity in one.name), float("nan")) for one in found
    ]
    is_whole = sorted(published) == sorted(PUBLISHED.values())
    cells = _millimetres(published)[:-1]
    rows.append(("DPMesh, as published", *cells, f"{PUBLISHED_MEAN:.1f}" if is_whole else "-"))
    rows.append(("images", *(str(one.images) for one in found), ""))
    rows.append(("people in them", *(str(one.readings["crmh"].wanted) for one in found), ""))
    return rows


def _millimetres(values: Sequence[float]) -> list[str]:
    """Return values and their mean as cells; - for what is not known."""
    known = [value for value in values if value == value]
    mean = sum(known) / len(known) if len(known) == len(values) and known else float("nan")
    return [f"{value:.1f}" if value == value else "-" for value in (*values, mean)]


def _together(
    folders: Sequence[Path],
    output: Path,
    settings: "RunSettings",
    names: Sequence[str],
    span: "FrameSpan | None",
    every: int,
) -> int:
    from pipeline.evaluation.panoptic import evaluate_together
    from pipeline.evaluation.voxelpose import HEAD, measure_frames

    def measure(folder: Path) -> "SequenceFrames":
        return evaluate_together(folder, output, settings, names=names, span=span, every=every, on_done=report_result)

    found, code = _measured(folders, measure)
    rows = [(one.name, str(one.view_count), str(len(one.frames)), *measure_frames(one.frames).row()) for one in found]
    if len(found) > 1:
        whole = [frame for one in found for frame in one.frames]
        rows.append(("all", "", str(len(whole)), *measure_frames(whole).row()))
    if rows:
        title = "CMU Panoptic, VoxelPose's protocol: AP and recall in %, no alignment"
        print_table([("", "cameras", "frames", *HEAD), *rows], title=title)
    return code
