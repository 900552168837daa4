"""`inspect` on a capture, from outside."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.media import VideoWriter


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    entry = {"K": [[100, 0, 48], [0, 100, 32], [0, 0, 1]], "R": np.eye(3).tolist(), "size": [96, 64]}
    names = ("left", "right", "broken", "wide", "none")
    cameras = [{"name": name, **entry, "t": [index, 0, 3]} for index, name in enumerate(names)]
    (tmp_path / "calibration.json").write_text(json.dumps({"cameras": cameras}))
    for name, width in (("left", 96), ("right", 96), ("wide", 128), ("extra", 96)):
        with VideoWriter(tmp_path / f"{name}.mp4", width, 64, Fraction(25)) as video:
            video.write(np.zeros((64, width, 3), np.uint8), 0.0)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    return tmp_path


def inspect(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "inspect", *words],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
    )


def test_a_capture_is_described_whatever_is_missing(capture: Path) -> None:
    sheet = capture / "rig.png"
    done = inspect(str(capture), "--sheet", str(sheet))
    assert done.returncode == 0 and sheet.stat().st_size > 1000
    rows = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("│")}
    assert "left.mp4, 25.00 frames/s" in rows["left"] and "-1.00, 0.00, -3.00" in rows["right"]
    assert "cannot be read" in rows["broken"] and "128x64: not the calibrated size" in rows["wide"]
    assert "none" in rows["none"].split()[-2] and "4 of 5 cameras have a video" in done.stdout
    assert "extra.mp4 belongs to no camera" in done.stdout and "own calibration, 5 cameras" in done.stdout


def test_a_capture_without_videos_is_described_and_a_damaged_calibration_refused(capture: Path) -> None:
    for video in capture.glob("*.mp4"):
        video.unlink()
    done = inspect(str(capture))
    assert done.returncode == 0 and "problem:" in done.stdout and "holds no videos" in done.stdout
    (capture / "calibration.json").write_text("{}")
    done = inspect(str(capture))
    assert done.returncode == 1 and "calibration.json" in done.stderr
