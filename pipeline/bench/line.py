"""How fast the whole line is, where its time goes, and whether its memory grows with the length of the video."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from configs.threads import core_count, use_one_thread_each
from pipeline.flow.record import read_record

POLL_S = 0.02
STAGES = ("decode", "detect", "track", "recover", "write", "motion", "export", "overlay")


@dataclass(frozen=True, slots=True)
class BenchTable:
    """A table to print; the first row is its header."""

    title: str
    rows: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run of the command in a separate process."""

    frames: int
    seconds: float  # of the whole process
    peak_mib: float  # largest resident memory of the process
    stage_s: dict[str, float]
    own_mib: float = 0.0  # largest memory without pages of files, which the system takes back when it needs them
    last: str = ""  # line that the process printed last
    rows: int = 0  # people in frames, all frames together


def bench_line(clip: Path, detector: str, short_s: float, long_s: float) -> Iterator[BenchTable]:
    """Yield the tables; the long run comes last, as it takes longest."""
    with tempfile.TemporaryDirectory() as folder:
        short = loop_video(clip, Path(folder) / "short.mp4", short_s)
        floor = measure_detection(short, detector)
        whole = measure_run(short, Path(folder) / "out", detector)
        recover_s = whole.stage_s["recover"]
        yield BenchTable(
            f"{clip.name}, {short_s:g} s, {core_count()} cores",
            [
                ("what", "pictures", "seconds", "per second"),
                ("detection alone", str(floor.frames), f"{floor.seconds:.1f}", f"{floor.frames / floor.seconds:.2f}"),
                ("recovery, of crops", str(whole.rows), f"{recover_s:.1f}", f"{whole.rows / recover_s:.2f}"),
                ("whole run", str(whole.frames), f"{whole.seconds:.1f}", f"{whole.frames / whole.seconds:.2f}"),
            ],
        )
        known = {name: whole.stage_s.get(name, 0.0) for name in STAGES}
        known["start and load"] = max(0.0, whole.seconds - sum(known.values()))
        rows = [(name, f"{value:.1f}", f"{value / whole.seconds:.0%}") for name, value in known.items()]
        yield BenchTable("where the time of the whole run goes", [("stage", "seconds", "share"), *rows])
        long = measure_run(loop_video(clip, Path(folder) / "long.mp4", long_s), Path(folder) / "out", detector)
        growth = f"{long.peak_mib / whole.peak_mib - 1:+.1%}"
        yield BenchTable(
            "peak memory of the process",
            [
                ("input", "frames", "MiB", "growth"),
                (f"{short_s:g} s", str(whole.frames), f"{whole.peak_mib:.0f}", ""),
                (f"{long_s:g} s", str(long.frames), f"{long.peak_mib:.0f}", growth),
            ],
        )


def loop_video(source: Path, target: Path, length_s: float) -> Path:
    """Write a video of the given length that repeats another, without decoding it."""
    with av.open(str(target), "w") as out:
        stream, offset, tick = None, 0, Fraction(1)
        while float(offset * tick) < length_s:
            with av.open(str(source)) as container:
                video = container.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(video)
                end, tick = offset, Fraction(video.time_base or 1)
                for packet in container.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    duration = packet.duration or 1
                    if float((packet.pts + offset) * tick) >= length_s:
                        continue
                    end = max(end, packet.pts + offset + duration)
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
                if end == offset:
                    break
                offset = end
                stream.time_base = tick
    return target


def measure_run(video: Path, output: Path, detector: str) -> MeasuredRun:
    """Run the command on a video and read what it says of itself."""
    return measure_command(video, output, ["--detector", detector])


def measure_command(video: Path, output: Path, given: list[str]) -> MeasuredRun:
    """Run the command on a video with the options given and read what it says of itself."""
    command = [sys.executable, "-m", "pipeline.cli", "run", str(video), "--output", str(output), *given]
    measured = measure(command)
    record = read_record(output / video.stem)
    return MeasuredRun(record.frames, measured.seconds, measured.peak_mib, record.seconds, rows=record.rows)


def measure_detection(video: Path, detector: str) -> MeasuredRun:
    """Decode and detect only, in a separate process: the lower bound of any pipeline with this detector."""
    program = "from pipeline.bench.line import detect_all; import sys; print(detect_all(sys.argv[1], sys.argv[2]))"
    return measure([sys.executable, "-c", program, str(video), detector])


def detect_all(video: str, detector: str) -> int:
    """Run the detector over a video as the line does; return the number of frames."""
    from configs.schema import RunSettings
    from pipeline.device import choose_device
    from pipeline.flow.line import chunk_frames
    from pipeline.media import read_frames
    from pipeline.models import Models

    settings = RunSettings.model_validate({"detect": {"weights": detector}})
    use_one_thread_each()
    finder = Models(settings, choose_device(settings.runtime.device)).people_finder()
    count = 0
    for chunk in chunk_frames(read_frames(Path(video)), settings.runtime.chunk_frames):
        finder.find([frame.image for frame in chunk.frames], [frame.index for frame in chunk.frames])
        count += len(chunk.frames)
    return count


def measure(command: list[str]) -> MeasuredRun:
    """Run a process to its end; `frames` is the number it prints last, if it prints one."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output)
        peak_mib = own_mib = 0.0
        while process.poll() is None:
            held = held_mib(process.pid)
            peak_mib, own_mib = max(peak_mib, held.get("VmHWM", 0.0)), max(own_mib, held.get("RssAnon", 0.0))
            time.sleep(POLL_S)
        seconds = time.monotonic() - started
        output.seek(0)
        lines = output.read().split("\n")
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return MeasuredRun(int(last) if last.isdigit() else 0, seconds, peak_mib, {}, own_mib, last)


def held_mib(process: int) -> dict[str, float]:
    """Return the memory of a process by the names of /proc; empty where it cannot be read.

    Not `ru_maxrss`: after a fork that also counts what the parent held.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: int(text.split()[0]) / 1024 for name, text in (line.split(":", 1) for line in lines) if "kB" in text}
