"""What is bundled to be tried."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.capture import find_capture
from pipeline.capture.capture import check_video
from pipeline.cli.entry import execute
from pipeline.demo import DEMO_CAPTURE
from pipeline.evaluation.capture import REFERENCE_FILE, read_reference

BYTES_MAX = 3_000_000


def test_the_bundled_capture_is_whole_and_small() -> None:
    capture = find_capture(DEMO_CAPTURE)
    assert len(capture.cameras) == 3 and not capture.notes and not capture.unmatched
    reference = read_reference(DEMO_CAPTURE / REFERENCE_FILE)
    assert reference.shape == (2, 75, 17, 3) and np.isfinite(reference).all()
    for camera in capture.cameras:
        assert float(check_video(camera, capture.videos[camera.name]).rate) == 25.0
        pixels = camera.project(reference.mean(axis=2))
        assert (pixels > 0).all() and (pixels < np.array(camera.size_px)).all()
    assert sum(path.stat().st_size for path in DEMO_CAPTURE.rglob("*")) < BYTES_MAX


@pytest.mark.slow
def test_the_demo_of_several_cameras_finds_both_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["demo", "--multiview", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    (people,) = re.findall(r"│ people +│(.*)", printed)
    found, error_mm, *_, switches = map(float, re.findall(r"[\d.]+", people))
    assert found > 95.0 and error_mm < 60.0 and switches == 0
    assert (tmp_path / DEMO_CAPTURE.name / "mosaic.mp4").is_file()
    assert len(list((tmp_path / DEMO_CAPTURE.name / "tracks").iterdir())) == 2
