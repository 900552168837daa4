"""`dpmesh-video inspect`: what is in a run, a motion file or a capture."""

from collections.abc import Sequence
from pathlib import Path

from configs.errors import InputError
from pipeline.capture.calibration import has_calibration
from pipeline.cli.capture_inspection import inspect_capture, print_rig_fit
from pipeline.cli.tables import print_table, say
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import read_finished, read_record


def inspect_path(
    path: Path,
    sheet: Path | None = None,
    frame_count: int = 12,
    calibration: Path | None = None,
    people_sheet: Path | None = None,
) -> None:
    """Print what is in a run's folder, in a motion file or in a capture.

    Args:
        sheet: where to write an image with `frame_count` frames of the run's overlay (of a capture's run, the mosaic of
            all its cameras), or a plan of the capture's rig.
        calibration: of the capture; None takes the one in its folder.
        people_sheet: where to write an image with a row of `frame_count` crops per person of a run.

    Raises:
        InputError: the path is none of them, or damaged, or an image is asked for and there is no overlay or no video.
    """
    if people_sheet is not None and not RunFolder(path).record.is_file():
        raise InputError(f"{path}: --tracks shows the people of a run; give the run's folder, as out/clip")
    if path.is_dir() and RunFolder(path).record.is_file():
        _inspect_run(path)
        if sheet is not None:
            files = RunFolder(path)
            _write_sheet(files.mosaic if files.views() else files.overlay, sheet, frame_count)
        if people_sheet is not None:
            _write_people_sheet(path, people_sheet, frame_count)
    elif path.suffix == ".npz" and not path.is_dir():
        if sheet is not None:
            raise InputError(f"{path}: a motion file has no overlay for --sheet; give the run's folder")
        _inspect_motion(path)
    elif path.is_dir() and (calibration is not None or has_calibration(path)):
        inspect_capture(path, calibration, sheet)
    else:
        raise InputError(
            f"{path}: neither a run's folder (with run.json), nor a motion file (.npz), nor a capture's folder (with "
            "a calibration); check the path"
        )


def _inspect_run(folder: Path) -> None:
    record = read_record(folder)
    if record.status == "running":
        say(f"{folder}: not finished, the run goes on or was stopped; what lies there may be of the run before")
    elif record.status == "stopped":
        say(f"{folder}: stopped, the same command goes on from there; what lies there may be of the run before")
    else:
        video = record.video
        size = "" if video.width is None else f"{video.width}x{video.height} at "
        size += f"{video.rate} frames/s"
        if video.rate_source:
            size += f" (by {video.rate_source})"
        say(f"{folder}: {record.status}, {record.people} people in {record.frames} frames, {size}")
    if record.problem:
        say(f"problem: {record.problem}")
    for name, value in record.models.items():
        if not name.endswith("_sha256"):
            say(f"{name}: {value}")
    for part in record.left_out:
        count = "" if part.count is None else f"{part.count} "
        say(f"left out: {count}{part.what} ({part.setting})")
    files = RunFolder(folder)
    if views := files.views():
        rows = [_view_row(view, record.cameras) for view in views]
        print_table([("view", "state", "people", "frames", "problem"), *rows])
    if record.capture.clocks:
        print_rig_fit(record.capture)
    motions = [*files.tracks(), *files.tracks("smplx")]
    rows = [_motion_row(path) for path in motions if path.exists()]
    if rows:
        _print_motions(rows)


def _view_row(view: RunFolder, used: Sequence[str]) -> tuple[str, ...]:
    record = read_record(view.path)
    problem = record.problem if view.path.name in used else record.problem or "of an earlier run"
    return view.path.name, record.status, str(record.people), str(record.frames), problem


def _write_sheet(overlay: Path, sheet: Path, frame_count: int) -> None:
    from pipeline.overlay.sheet import write_contact_sheet

    if not overlay.is_file():
        raise InputError(f"{overlay}: no overlay in this run; run again without --no-overlay")
    frames = write_contact_sheet(overlay, sheet, frame_count)
    say(f"{sheet}: frames {', '.join(str(frame) for frame in frames)}")


def _write_people_sheet(folder: Path, sheet: Path, crop_count: int) -> None:
    from pipeline.media import probe
    from pipeline.overlay.people_sheet import write_people_sheet

    record, files = read_finished(folder), RunFolder(folder)
    if files.views():
        views = ", ".join(str(view.path) for view in files.views()[:2])
        raise InputError(f"{folder}: is of several cameras; give the run of one of them: {views}")
    video = Path(record.path)
    if not video.exists():
        raise InputError(f"{video}: the video of this run is not there any more; put it back, or run it where it is")
    decode = record.run_settings(folder).decode
    info = probe(video, image_rate=decode.folder_rate_hz, rate=decode.rate_hz)
    shown = write_people_sheet(files.motions(), info, sheet, crop_count, decode.max_side_px)
    say(f"{sheet}: {len(shown)} people, {max(len(frames) for _, frames in shown)} crops each")


def _print_motions(rows: list[tuple[str, ...]]) -> None:
    head = ("file", "layout", "samples", "rate", "seconds", "observed", "refined", "views")
    shown = len(head) if any(row[-1] for row in rows) else len(head) - 1  # motions of one camera have no views
    print_table([row[:shown] for row in (head, *rows)])


def _motion_row(path: Path) -> tuple[str, ...]:
    from pipeline.motion import read_motion

    motion = read_motion(path)
    fractions = [
        "" if fraction is None else f"{fraction:.0%}"
        for fraction in (motion.observed_fraction, motion.refined_fraction)
    ]
    return (
        path.name,
        motion.layout.name,
        str(len(motion.poses)),
        f"{motion.rate_hz:g}",
        f"{motion.duration_s:.2f}",
        *fractions,
        "" if motion.view_count is None else f"{motion.view_count.mean():.1f}",
    )


def _inspect_motion(path: Path) -> None:
    from configs.npz_files import open_npz

    _print_motions([_motion_row(path)])
    try:
        with open_npz(path) as file:  # headers alone: some arrays of AMASS are pickles
            rows = [(header.name, str(header.dtype)[:40], str(header.shape)) for header in file.headers.values()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a motion file (.npz): {error}") from error
    print_table([("key", "type", "shape"), *rows])
