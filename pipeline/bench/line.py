"""How fast the whole line is, where its time goes, and whether its memory grows with the length of the video."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av

from configs.process import own_process
from configs.threads import core_count, use_one_thread_each
from pipeline.flow.record import read_record
from pipeline.media import VideoWriter, probe, read_frames

POLL_S = 0.02


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
    cpu_seconds: float  # of all cores
    peak_mib: float  # largest resident memory of the process
    stage_s: dict[str, float]
    stage_cpu_s: dict[str, float]
    own_mib: float = 0.0  # largest memory without pages of files, which the system takes back when it needs them
    last: str = ""  # line that the process printed last
    rows: int = 0  # people in frames, all frames together
    nodes: tuple[str, ...] = ()  # among the stages


def bench_line(clip: Path, detector: str, short_s: float, long_s: float) -> Iterator[BenchTable]:
    """Yield the tables; the long run, which comes last, is left out where `long_s` is 0."""
    with tempfile.TemporaryDirectory() as folder:
        short = loop_video(clip, Path(folder) / "short.mp4", short_s)
        floor = measure_detection(short, detector)
        whole = measure_run(short, Path(folder) / "out", detector)
        fast = measure_command(short, Path(folder) / "fast", ["--detector", detector, "--preset", "fast"])
        people = whole.rows / max(whole.frames, 1)
        yield BenchTable(
            f"{clip.name}, {short_s:g} s, {whole.frames} frames, {people:.1f} people, {core_count()} cores",
            [
                ("what", "seconds", "times", "CPU seconds", "times", "cores busy", "frames/s"),
                _compared("floor: decoding, one look of the detector", floor, floor),
                _compared("whole run", whole, floor),
                _compared("whole run, --preset fast", fast, floor),
            ],
        )
        yield BenchTable("where the time of the whole run goes", list(node_rows(whole)))
        yield BenchTable("and that of its longest node", list(stage_rows(whole)))
        if not long_s:
            return
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


def _compared(what: str, run: MeasuredRun, floor: MeasuredRun) -> tuple[str, ...]:
    return (
        what,
        f"{run.seconds:.1f}",
        f"{run.seconds / floor.seconds:.2f}",
        f"{run.cpu_seconds:.1f}",
        f"{run.cpu_seconds / floor.cpu_seconds:.2f}",
        f"{run.cpu_seconds / run.seconds:.2f}",
        f"{run.frames / run.seconds:.2f}",
    )


def node_rows(run: MeasuredRun) -> Iterator[tuple[str, ...]]:
    """Yield a table of a run's nodes, longest first; what is in none of them is its start."""
    yield "node", "seconds", "share", "CPU seconds", "cores busy"
    wall, cpu = ({name: seconds.get(name, 0.0) for name in run.nodes} for seconds in (run.stage_s, run.stage_cpu_s))
    wall["start"] = max(0.0, run.seconds - sum(wall.values()))
    cpu["start"] = max(0.0, run.cpu_seconds - sum(cpu.values()))
    for name, value in sorted(wall.items(), key=lambda item: -item[1]):
        busy = cpu[name] / value if value else 0.0
        yield name, f"{value:.1f}", f"{value / run.seconds:.0%}", f"{cpu[name]:.1f}", f"{busy:.2f}"


def stage_rows(run: MeasuredRun) -> Iterator[tuple[str, ...]]:
    """Yield a table of the stages of the line, longest first; they run side by side."""
    yield "stage of observe", "seconds", "CPU seconds"
    stages = {name: value for name, value in run.stage_s.items() if name not in (*run.nodes, "total")}
    if "look" in stages:  # within the first chunk's detection
        stages["detect"] = max(0.0, stages["detect"] - stages["look"])
    for name, value in sorted(stages.items(), key=lambda item: -item[1]):
        cpu = run.stage_cpu_s.get(name, 0.0) - (run.stage_cpu_s.get("look", 0.0) if name == "detect" else 0.0)
        yield name, f"{value:.1f}", f"{cpu:.1f}"


def loop_video(source: Path, target: Path, length_s: float) -> Path:
    """Write a video of the given length that repeats another, without decoding it unless it is a GIF."""
    if source.suffix.lower() == ".gif":  # which MP4 cannot hold
        return _encode_loop(source, target, length_s)
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


def _encode_loop(source: Path, target: Path, length_s: float) -> Path:
    info = probe(source)
    frames = [frame.image for frame in read_frames(info)]
    height, width = frames[0].shape[:2]
    with VideoWriter(target, width, height, info.rate) as video:
        for number in range(round(length_s * info.rate)):
            video.write(frames[number % len(frames)])
    return target


def measure_run(video: Path, output: Path, detector: str) -> MeasuredRun:
    """Run the command on a video and read what it says of itself."""
    return measure_command(video, output, ["--detector", detector])


def measure_command(video: Path, output: Path, given: list[str]) -> MeasuredRun:
    """Run the command on a video with the options given and read what it says of itself."""
    command = [sys.executable, "-m", "pipeline.cli", "run", str(video), "--output", str(output), *given]
    measured = measure(command)
    record = read_record(output / video.stem)
    return replace(
        measured, frames=record.frames, rows=record.rows, stage_s=record.seconds, stage_cpu_s=record.cpu_seconds,
        nodes=tuple(record.nodes),
    )  # fmt: skip


def measure_detection(video: Path, detector: str) -> MeasuredRun:
    """Decode and detect once, in a separate process: the lower bound of any pipeline with this detector."""
    program = "from pipeline.bench.line import detect_all; import sys; print(detect_all(sys.argv[1], sys.argv[2]))"
    return measure([sys.executable, "-c", program, str(video), detector])


def detect_all(video: str, detector: str) -> int:
    """Run the detector once over a video, as the line does; return the number of frames."""
    own_process()
    from configs.schema import RunSettings
    from pipeline.device import choose_device
    from pipeline.flow.line import chunk_frames
    from pipeline.models import Models

    settings = RunSettings.model_validate({"detect": {"weights": detector, "is_flip_test_on": False}})
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
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            held = held_mib(process.pid)
            peak_mib, own_mib = max(peak_mib, held.get("VmHWM", 0.0)), max(own_mib, held.get("RssAnon", 0.0))
            time.sleep(POLL_S)
        seconds = time.monotonic() - started
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().split("\n")
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    frames = int(last) if last.isdigit() else 0
    return MeasuredRun(frames, seconds, usage.ru_utime + usage.ru_stime, peak_mib, {}, {}, own_mib, last)


def held_mib(process: int) -> dict[str, float]:
    """Return the memory of a process by the names of /proc; empty where it cannot be read.

    Not `ru_maxrss`: after a fork that also counts what the parent held.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: int(text.split()[0]) / 1024 for name, text in (line.split(":", 1) for line in lines) if "kB" in text}
