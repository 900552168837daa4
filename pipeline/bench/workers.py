"""A folder of clips on several worker processes beside one: seconds, cores' use, and whether the files are the same."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.command import OptionParser
from configs.option_types import positive_int
from configs.threads import core_count
from pipeline.cli.tables import print_table, say
from pipeline.demo import DEMO_CLIP
from pipeline.flow.outputs import read_hash
from pipeline.media import VideoWriter, probe, read_frames

OWN = ("run.json", "nodes.json", "report.html", "index.html", ".lock")  # hold times


@dataclass(frozen=True, slots=True)
class Measured:
    """One run over the clips."""

    what: str
    seconds: float
    cpu_s: float
    hashes: dict[str, str]  # of the files that do not tell times


def write_clips(sources: Sequence[Path], folder: Path, count: int, length_s: float) -> None:
    """Write short clips, cut in turn from the sources at places spread over each."""
    for number in range(count):
        info = probe(sources[number % len(sources)])
        turns = -(-count // len(sources))
        room_s = max(0.0, (info.duration_s or length_s) - length_s)
        start_s = room_s * (number // len(sources)) / max(1, turns - 1)
        with VideoWriter(folder / f"clip_{number:02d}.mp4", info.width, info.height, info.rate) as video:
            for frame in read_frames(info, start_s=start_s, end_s=start_s + length_s):
                video.write(frame.image)


def measure(what: str, clips: Path, output: Path, words: Sequence[str]) -> Measured:
    """Run the command on a folder of clips in a process of its own."""
    command = [sys.executable, "-m", "pipeline.cli", "run", str(clips), "--output", str(output), *words]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # with that of its workers, for whom it waited
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    files = sorted(path for path in output.rglob("*") if path.is_file() and path.name not in OWN)
    hashes = {path.relative_to(output).as_posix(): read_hash(path) for path in files}
    return Measured(what, seconds, usage.ru_utime + usage.ru_stime, hashes)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench workers", description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, default=[DEMO_CLIP], help="videos that short clips are cut from")
    parser.add_argument("--count", type=positive_int, default=8, help="how many short clips")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each")
    parser.add_argument("--workers", type=positive_int, default=core_count(), help="processes to measure")
    parser.add_argument("--detector", default="bundled", help="pose weights")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "clips").mkdir()
        write_clips(options.clips, place / "clips", options.count, options.seconds)
        given = ["--detector", options.detector]
        kinds = {
            "1 worker, 1 thread": [*given, "--set", "runtime.threads=1"],
            "1 worker": given,
            f"{options.workers} workers": [*given, "--workers", str(options.workers)],
        }
        runs = [
            measure(what, place / "clips", place / f"out{number}", words)
            for number, (what, words) in enumerate(kinds.items())
        ]
    rows = [("", "seconds", "CPU seconds", "cores in use", "times as fast")]
    for run in runs:
        use, gain = run.cpu_s / run.seconds, runs[0].seconds / run.seconds
        rows.append((run.what, f"{run.seconds:.1f}", f"{run.cpu_s:.1f}", f"{use:.2f}", f"{gain:.2f}"))
    print_table(rows, title=f"{options.count} clips of {options.seconds:g} s, {core_count()} cores")
    is_same = all(run.hashes == runs[0].hashes for run in runs)
    say(f"the files of all runs are {'the same' if is_same else 'NOT the same'}, {len(runs[0].hashes)} of each")
    return 0 if is_same else 1
