"""What `dpmesh-video export` takes: seconds and memory of every format, on long simulated motions of several people."""

import resource
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from configs.command import OptionParser
from configs.schema import RunSettings
from configs.setting_values import EXPORT_FORMATS, read_formats
from pipeline.bench.line import measure
from pipeline.cli.tables import print_table
from pipeline.flow.atomic import write_json
from pipeline.flow.graph import Graph
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import RunRecord, VideoRecord
from pipeline.motion.library import write_track
from pipeline.motion.posing import Body
from pipeline.nodes.export import write_people
from pipeline.types import MotionTrack

RATE_HZ = 30.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench export", description="Print figures of this machine.")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the long run")
    parser.add_argument("--short-min", type=float, default=1.0, help="length of the short run")
    parser.add_argument("--people", type=int, default=5, help="people in both, all the time")
    usual = ",".join(name for name in EXPORT_FORMATS if name != "fbx")
    parser.add_argument("--format", type=read_formats, default=usual, help="as of dpmesh-video export")
    parser.add_argument("--blender", help="Blender, or a Python with bpy; for fbx")
    options = parser.parse_args(arguments)
    formats = options.format
    more = ["--blender", options.blender] if options.blender else []
    rows: list[tuple[str, ...]] = [
        ("format", "seconds", "CPU seconds", "peak MiB", "files MiB", "peak MiB of the short run")
    ]
    with tempfile.TemporaryDirectory(prefix="dpmesh-video-") as folder:
        long, short = Path(folder) / "long", Path(folder) / "short"
        write_run(long, round(options.minutes * 60 * RATE_HZ), options.people)
        write_run(short, round(options.short_min * 60 * RATE_HZ), options.people)
        choices = [*formats, ",".join(formats)] if len(formats) > 1 else list(formats)
        for choice in choices:
            output = Path(folder) / "exported"
            before = _cpu_seconds()
            measured = measure(_command(long, choice, output, more))
            cpu = _cpu_seconds() - before
            size = sum(path.stat().st_size for name in choice.split(",") for path in (output / name).iterdir())
            brief = measure(_command(short, choice, output, more))
            name = choice if choice in formats else "all of these at once"
            figures = measured.seconds, measured.peak_mib, size / 2**20, brief.peak_mib
            rows.append((name, f"{figures[0]:.1f}", f"{cpu:.1f}", *(f"{figure:.0f}" for figure in figures[1:])))
    print_table(rows, title=f"{options.minutes:g} min of {options.people} people at {RATE_HZ:g} samples/s")
    return 0


def _cpu_seconds() -> float:
    """Return what processes that ended have taken of the CPU: on a busy machine, the clock says little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _command(run: Path, formats: str, output: Path, more: Sequence[str]) -> list[str]:
    given = ["export", str(run), "--format", formats, "--output", str(output), *more]
    return [sys.executable, "-m", "pipeline.cli", *given]


def write_run(folder: Path, frames: int, people: int, body: Body | None = None) -> RunFolder:
    """Write the folder of a finished run of people who wander about and move all joints."""
    if body is None:
        from dpmesh.body import load_body

        body = load_body()
    files, settings = RunFolder(folder), RunSettings.model_validate({"export": {"rate_hz": Fraction(30)}})
    folder.mkdir(parents=True)
    graph = Graph(folder, [])
    motions = [files.motion(number) for number in range(1, people + 1)]
    graph.add("motion", motions, lambda: _write_motions(motions, frames))
    tracks = [files.track(number) for number in range(1, people + 1)]
    graph.add(
        "export", [*tracks, files.quality], lambda: write_people(files, settings, body, "simulated", lambda paths: None)
    )
    video = VideoRecord(width=1920, height=1080, rate="30")
    chosen = settings.model_dump(mode="json")
    record = RunRecord(settings=chosen, status="done", input="simulated", video=video, people=people)
    write_json(files.record, record.dump())
    return files


def _write_motions(paths: Sequence[Path], frames: int) -> None:
    for number, path in enumerate(paths, start=1):
        write_track(path, simulated_person(number, frames))


def simulated_person(number: int, frames: int) -> MotionTrack:
    """Return smooth random motion at 30 frames/s: every joint swings, the root goes about upright."""
    rng = np.random.default_rng(number)
    time_s = np.arange(frames) / RATE_HZ
    swing = np.sin(2 * np.pi * (time_s[:, None, None] * rng.uniform(0.1, 1.0, (24, 3)) + rng.random((24, 3))))
    pose = 0.5 * swing
    pose[:, 0] = np.array([np.pi, 0.0, 0.0]) * np.ones((frames, 1))  # upright; the camera's y points down
    trans = 5.0 + np.stack([np.sin(0.1 * time_s + number), 0 * time_s - 5.0, np.cos(0.07 * time_s + number)], axis=1)
    return MotionTrack(
        track_id=number,
        frame_index=np.arange(frames),
        time_s=time_s,
        pose=pose.astype(np.float32),
        betas=rng.normal(0, 1, 10).astype(np.float32),
        trans=trans.astype(np.float32),
        joint_confidence=rng.random((frames, 24), np.float32),
        is_observed=rng.random(frames) > 0.1,
        is_refined=np.ones(frames, bool),
        boxes_xyxy=np.tile(np.array([100, 100, 200, 400], np.float32), (frames, 1)),
        focal_px=np.full(frames, 1500.0, np.float32),
        principal_px=np.tile(np.array([960, 540], np.float32), (frames, 1)),
    )
