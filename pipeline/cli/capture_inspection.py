"""What `dpmesh-video inspect` says of a capture: its cameras, their videos, what is missing."""

from pathlib import Path

from configs.errors import InputError
from pipeline.capture import Camera, find_capture, read_calibration
from pipeline.capture.panoptic import CALIBRATION_LAYOUT
from pipeline.capture.panoptic_check import check_annotations
from pipeline.capture.plan import write_rig_picture
from pipeline.capture.units import rig_span_m
from pipeline.cli.tables import print_table, say
from pipeline.flow.capture_record import CaptureRecord, FitRecord
from pipeline.media import probe

PAIRS_SHOWN = 15


def inspect_capture(folder: Path, calibration: Path | None, sheet: Path | None) -> None:
    """Print the cameras of a capture; also of one without any video, which a user may have downloaded by halves.

    Args:
        calibration: None takes the one in the folder.
        sheet: where to draw the rig.

    Raises:
        InputError: there is no calibration, or it is damaged.
    """
    rig = read_calibration(calibration if calibration is not None else folder)
    problem, videos, notes = "", {}, rig.notes
    try:
        capture = find_capture(folder, calibration)
        videos, notes = capture.videos, (*notes, *capture.notes)
        notes += tuple(f"{video.name} belongs to no camera" for video in capture.unmatched)
    except InputError as error:
        problem = str(error)
    span = f"up to {rig_span_m(rig.cameras):.2f} m apart" if len(rig.cameras) > 1 else "one camera alone"
    say(f"{rig.path}: {rig.layout} calibration, {len(rig.cameras)} cameras, {span}")
    head = ("camera", "at x, y, z m", "focal px", "size", "video")
    rows = [head, *(_row(camera, videos.get(camera.name)) for camera in rig.cameras)]
    annotated = check_annotations(folder, rig.cameras) if rig.layout == CALIBRATION_LAYOUT else None
    if annotated is not None and annotated.shares:
        shares = ("joints in it", *(f"{annotated.shares[camera.name]:.0%}" for camera in rig.cameras))
        rows = [(*row, share) for row, share in zip(rows, shares, strict=True)]
    print_table(rows)
    for note in (*notes, *(annotated.lines if annotated is not None else ())):
        say(note)
    if problem:
        say(f"problem: {problem}")
    elif len(videos) < len(rig.cameras):
        say(f"{len(videos)} of {len(rig.cameras)} cameras have a video")
    if sheet is not None:
        write_rig_picture(sheet, rig.cameras, frozenset(videos), annotated.bones_m if annotated is not None else None)
        say(f"{sheet}: the rig from above and from the side")


def _row(camera: Camera, video: Path | None) -> tuple[str, ...]:
    size = "-" if camera.size_px is None else f"{camera.size_px[0]}x{camera.size_px[1]}"
    place = ", ".join(f"{metres:.2f}" for metres in camera.centre_m)
    return camera.name, place, f"{camera.focal_px:.0f}", size, "none" if video is None else _video(camera, video)


def _video(camera: Camera, video: Path) -> str:
    """Return what a video is, or why it cannot be used."""
    try:
        info = probe(video)
    except InputError as error:
        return f"cannot be read: {str(error).removeprefix(f'{video}: ')}"
    said = f"{video.name}, {float(info.rate):.2f} frames/s"
    if camera.size_px not in (None, (info.width, info.height)):
        said += f", {info.width}x{info.height}: not the calibrated size"
    return said


def print_rig_fit(capture: CaptureRecord) -> None:
    """Print what a run found of its cameras: their clocks, and how far lines of sight of a joint miss each other."""
    rows = [
        (name, _number(clock.offset_frames, "+.2f"), _number(fit.error_px, ".1f"), _number(fit.turned_deg, ".1f"))
        for name, clock in capture.clocks.items()
        for fit in (capture.fits.get(name, FitRecord()),)
    ]
    print_table([("camera", "offset, frames", "error px", "turned by degrees"), *rows])
    pairs = sorted(capture.pairs, key=lambda pair: (pair.error_px is None, -(pair.error_px or 0.0)))
    shown = [(" and ".join(pair.cameras), _number(pair.error_px, ".1f")) for pair in pairs[:PAIRS_SHOWN]]
    more = f", the worst {PAIRS_SHOWN} of {len(pairs)}" if len(pairs) > PAIRS_SHOWN else ""
    print_table([(f"pair{more}", "error px"), *shown])
    for name, clock in capture.clocks.items():
        say(f"camera {name}: {clock.said}")
    for problem in capture.problems:
        say(f"problem: {problem}")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
