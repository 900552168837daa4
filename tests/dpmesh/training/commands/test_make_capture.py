"""A whole rendered capture, small."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from walking_bank import walking_bank

from dpmesh.training.commands.make_capture import main, parse
from pipeline.capture import find_capture
from pipeline.capture.capture import check_video
from pipeline.evaluation.capture import REFERENCE_FILE, read_reference


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options that every capture needs."""
    folder = tmp_path_factory.mktemp("given")
    walking_bank().write(folder / "poses.npz")
    picture = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "wall.png"), picture)
    return ["--poses", str(folder / "poses.npz"), "--picture", str(folder / "wall.png")]


def test_a_capture_is_complete_and_reads_as_one(tmp_path: Path, given: list[str]) -> None:
    folder = tmp_path / "seq"
    words = ["--people", "2", "--seconds", "0.4", "--rate", "10", "--size", "192x108", "--cameras", "00_03,00_06"]
    assert main(["--output", str(folder), *given, *words, "--blind", "00_06", "--offset", "00_03=0.4"]) == 0
    capture = find_capture(folder)
    assert capture.calibration.path.name == "calibration_seq.json" and len(capture.calibration.cameras) == 31
    assert [camera.name for camera in capture.cameras] == ["00_03", "00_06"]
    for camera in capture.cameras:
        info = check_video(camera, capture.videos[camera.name])
        assert info.rate == Fraction(10) and (info.width, info.height) == camera.size_px
    assert read_reference(folder / REFERENCE_FILE).shape == (2, 4, 17, 3)
    for name in ("hdPose3d_stage1_coco19", "hdPose3d_stage1"):
        assert len(list((folder / name).iterdir())) == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--people", "9"], "--people: 9 is not possible; give 2 to 8"),
        (["--size", "95x64"], "95x64 cannot be made; give even sides from 64 to 4096"),
        (["--size", "big"], "'big' is no size; give WIDTHxHEIGHT"),
        (["--rate", "0"], "0 frames per second cannot be meant"),
        (["--rate", "1/0"], "'1/0' is no frame rate"),
        (["--offset", "00_03"], "'00_03' is not CAMERA=NUMBER"),
        (["--offset", "00_03=nan"], "'00_03=nan' is out of range; give at most 100"),
        (["--cameras", "00_03,cam1"], "camera 'cam1': the dome has none of that name"),
        (["--turned", "00_44=3"], "camera '00_44': the dome has none of that name"),
    ],
)
def test_wrong_options_are_told(
    tmp_path: Path, given: list[str], words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path / "seq"), *given, *words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "seq").exists()


def test_a_rate_is_a_fraction(given: list[str]) -> None:
    assert parse(["--output", "x", *given]).rate == Fraction(30000, 1001)
    assert parse(["--output", "x", *given, "--rate", "25"]).rate == 25
