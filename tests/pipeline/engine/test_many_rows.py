"""A manifest of many short clips, some broken in ten ways: all end, each broken one with its reason, memory is flat."""

import importlib.util
import json
import os
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars
import pytest
from real_command import start
from small_room import furnish

from pipeline.media import VideoWriter

pytestmark = [pytest.mark.slow, pytest.mark.spawns]
ROWS = int(os.environ.get("DPMESH_ROWS", "66"))
EVERY = 33  # row is broken
CLIPS, SIZE = 50, 96
GROWTH_MIB = 16.0  # of the run's memory, after the first fifth of the clips
OPTIONS = (
    *("--model", "model", "--refine", "off", "--no-overlay", "--no-report", "--detector", "bundled"),
    *("--set", "link.frames_min=1", "--set", "detect.second_stage=off", "--reid", "off"),
)
GOOD, POINTS = "clips/clip00.mp4", "clips/points00.json"
BROKEN = {  # cells of a row, and a part of its reason
    "no such clip": (("clips/gone.mp4", POINTS, ""), "gone.mp4: no such file"),
    "an empty clip": (("clips/empty.mp4", POINTS, ""), "has 0 bytes"),
    "no video": (("clips/text.mp4", POINTS, ""), "text.mp4: "),
    "a clip that was cut off": (("clips/cut.mp4", POINTS, ""), "cut.mp4: "),
    "no picture in it": (("clips/sound.mp4", POINTS, ""), "sound.mp4: "),
    "no such keypoint file": ((GOOD, "clips/gone.json", ""), "gone.json: no such file"),
    "a broken keypoint file": ((GOOD, "clips/broken.json", ""), "not readable as JSON"),
    "an unknown setting": ((GOOD, POINTS, "detect.colour=red"), "there is no such setting"),
    "no path": (("", POINTS, ""), "names no clip"),
    "an unknown kind of URL": (("nosuch://host/clip.mp4", POINTS, ""), "nosuch://host/clip.mp4: "),
}


def write_clips(folder: Path) -> None:
    """Write small clips of 4 to 8 frames and their keypoint files, and broken ones."""
    furnish(folder)
    points = json.loads((folder / "points.json").read_text())
    clips = folder / "clips"
    clips.mkdir()
    for number in range(CLIPS):
        frames = 4 + number % 5
        with VideoWriter(clips / f"clip{number:02d}.mp4", SIZE, SIZE, Fraction(12)) as video:
            for frame in range(frames):
                video.write(np.full((SIZE, SIZE, 3), 40 + number + 10 * frame, np.uint8))
        kept = [point for point in points if point["image_id"] < frames]
        (clips / f"points{number:02d}.json").write_text(json.dumps(kept))
    (clips / "empty.mp4").touch()
    (clips / "text.mp4").write_text("no video at all\n" * 20)
    whole = (clips / "clip01.mp4").read_bytes()
    (clips / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (clips / "broken.json").write_text("{not json")
    write_sound(clips / "sound.mp4")


def write_sound(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_manifest(path: Path) -> dict[str, str]:
    """Write the rows; return which of them are broken, and how."""
    kinds, broken = list(BROKEN), {}
    lines = ["path,name,keypoints,settings"]
    for number in range(ROWS):
        name = f"row{number:04d}"
        if number % EVERY == EVERY - 1:
            broken[name] = kinds[len(broken) % len(kinds)]
            source, points, settings = BROKEN[broken[name]][0]
        else:
            clip = number % CLIPS
            source, points, settings = f"clips/clip{clip:02d}.mp4", f"clips/points{clip:02d}.json", ""
            points = "" if number % 10 == 5 else points  # a detector looks at these
        lines.append(f"{source},{name},{points},{settings}")
    path.write_text("\n".join(lines) + "\n")
    return broken


def memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_all_rows_end_and_the_broken_ones_say_why(tmp_path: Path, engine: str) -> None:
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (extra `cluster`)")
    write_clips(tmp_path)
    broken = write_manifest(tmp_path / "clips.csv")
    words = ("run", "clips.csv", "--engine", engine, "--workers", "2", "--output", "out", *OPTIONS)
    memory: list[tuple[int, float]] = []
    with (tmp_path / "stdout").open("wb") as out, (tmp_path / "stderr").open("wb") as err:
        process = start(*words, folder=tmp_path, stdout=out, stderr=err, environment={"OMP_NUM_THREADS": "1"})
        while process.poll() is None:
            done = tmp_path / "out" / "_store" / "done"
            memory.append((len(list(done.iterdir())) if done.is_dir() else 0, memory_mib(process.pid)))
            time.sleep(0.5)
    message = (tmp_path / "stderr").read_text()
    assert process.returncode == 3, message
    table = polars.read_parquet(tmp_path / "out" / "status.parquet")
    last = {row["name"]: row for row in table.sort("attempt").iter_rows(named=True)}
    assert len(last) == ROWS
    assert {name for name, row in last.items() if row["status"] == "failed"} == set(broken)
    for name, kind in broken.items():
        assert BROKEN[kind][1] in last[name]["reason"], (kind, last[name]["reason"])
    print(Counter(row["status"] for row in last.values()), *message.splitlines()[-4:], sep="\n")
    settled = [mib for count, mib in memory[:-1] if count > ROWS / 5]
    if len(settled) > 2:
        print(f"memory: {settled[0]:.0f} MiB after a fifth of the clips, {settled[-1]:.0f} MiB at the end")
        assert settled[-1] - settled[0] < GROWTH_MIB
