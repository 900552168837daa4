"""What the commands do: inspect, doctor, weights."""

import importlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from configs.errors import InputError
from configs.threads import core_count
from configs.weights import WeightsStatus, cache_folder, find_entry, how_to_get, locate
from configs.weights import list_weights as weights_states
from configs.weights import verify as verify_entry
from pipeline.cli.tables import note, print_table, say
from pipeline.flow.outputs import person_files
from pipeline.flow.record import RECORD_NAME, read_record


def inspect(path: Path, sheet: Path | None = None, frame_count: int = 12) -> None:
    """Print what is in a run's folder or in a motion file.

    Args:
        sheet: where to write a picture with `frame_count` frames of the run's overlay.

    Raises:
        InputError: the path is neither, what it holds is damaged, or a picture is asked for and there is no overlay.
    """
    if path.is_dir() and (path / RECORD_NAME).is_file():
        _inspect_run(path)
        if sheet is not None:
            _write_sheet(path / "overlay.mp4", sheet, frame_count)
    elif path.suffix == ".npz" and not path.is_dir():
        if sheet is not None:
            raise InputError(f"{path}: a motion file has no overlay for --sheet; give the run's folder")
        _inspect_motion(path)
    else:
        raise InputError(f"{path}: neither a run's folder (with run.json) nor a motion file (.npz); check the path")


def _inspect_run(folder: Path) -> None:
    record = read_record(folder)
    if record.status == "running":
        say(f"{folder}: not finished, the run goes on or was stopped; what lies there may be of the run before")
    elif record.status == "stopped":
        say(f"{folder}: stopped, the same command goes on from there; what lies there may be of the run before")
    else:
        size = f"{record.video.get('width')}x{record.video.get('height')} at {record.video.get('rate')} frames/s"
        if source := record.video.get("rate_source"):
            size += f" (by {source})"
        say(f"{folder}: {record.status}, {record.people} people in {record.frames} frames, {size}")
    if record.problem:
        say(f"problem: {record.problem}")
    for name, value in record.models.items():
        if not name.endswith("_sha256"):
            say(f"{name}: {value}")
    rows = [_motion_row(path) for path in person_files(folder, "tracks") if path.exists()]
    if rows:
        print_table([("file", "layout", "samples", "rate", "seconds", "observed", "refined"), *rows])


def _write_sheet(overlay: Path, sheet: Path, frame_count: int) -> None:
    from pipeline.overlay.sheet import write_contact_sheet

    if not overlay.is_file():
        raise InputError(f"{overlay}: no overlay in this run; run again without --no-overlay")
    frames = write_contact_sheet(overlay, sheet, frame_count)
    say(f"{sheet}: frames {', '.join(str(frame) for frame in frames)}")


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
    )


def _inspect_motion(path: Path) -> None:
    from configs.npz_files import open_npz

    print_table([("file", "layout", "samples", "rate", "seconds", "observed", "refined"), _motion_row(path)])
    try:
        with open_npz(path) as file:  # headers alone: some arrays of AMASS are pickles
            rows = [(header.name, str(header.dtype)[:40], str(header.shape)) for header in file.headers.values()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a motion file (.npz): {error}") from error
    print_table([("key", "type", "shape"), *rows])


def doctor() -> int:
    """Print what this machine can do; return 1 when something that is needed is missing.

    It writes nothing and asks no host.
    """
    import torch

    from trackers.ultralytics_loader import ultralytics_undisturbed

    problems = 0
    say(f"python    {platform.python_version()} on {platform.system()} {platform.machine()}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    say(f"machine   {core_count()} cores, {memory:.0f} GiB of memory")
    say(f"disk      {shutil.disk_usage('.').free / 2**30:.0f} GiB free here")
    cuda = f"CUDA, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no CUDA device; the CPU is used"
    say(f"torch     {torch.__version__}, {cuda}")
    for name in ("av", "decord", "cv2", "diffusers", "peft", "smplx", "ultralytics", "filterpy", "scipy", "embreex"):
        try:
            with ultralytics_undisturbed() if name == "ultralytics" else nullcontext():
                importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            problems += name != "decord"
            say(f"{name:<9} does not load: {error}")
    for status in weights_states():
        if status.entry.kind == "bundled" and status.state in ("missing", "corrupt"):
            problems += 1
            say(f"weights   {status.problem}; {how_to_get(status.entry)}")
    say(f"cache     {cache_folder()}")
    say("all that is needed is here" if not problems else f"{problems} problems")
    return 1 if problems else 0


def list_weights() -> None:
    """Print the catalogue with the state of each entry on this machine."""
    rows = [
        (status.entry.name, status.entry.role, status.entry.kind, status.state, status.entry.licence)
        for status in weights_states()
    ]
    print_table([("name", "for", "kind", "state", "licence"), *rows])


def verify_weights(names: Sequence[str]) -> int:
    """Hash the files of the named entries (all that are here by default); return 1 when one is wrong."""
    chosen = list(names) or [status.entry.name for status in weights_states() if status.state != "missing"]
    states = [verify_entry(name) for name in chosen]
    for status in states:
        say(f"{status.entry.name}  {_verdict(status)}")
    return 1 if any(status.state in ("missing", "corrupt") for status in states) else 0


def _verdict(status: WeightsStatus) -> str:
    if status.state in ("missing", "corrupt"):
        return f"{status.state}: {status.problem}; {how_to_get(status.entry)}"
    return "ok" if status.state == "ok" else f"found at {status.path}; the catalogue has no hash to compare with"


def where_weights(name: str) -> None:
    """Print where one entry comes from.

    Raises:
        InputError: the catalogue has no such name.
    """
    entry = find_entry(name)
    if entry is None:
        known = ", ".join(status.entry.name for status in weights_states())
        raise InputError(f"{name}: not in the catalogue; known names: {known}")
    say(f"{entry.name}: {entry.what}")
    say(f"source   {entry.source}")
    say(f"licence  {entry.licence}")
    say(f"place    {locate(entry)}")
    if not locate(entry).exists():
        note(f"not here: {how_to_get(entry)}")
