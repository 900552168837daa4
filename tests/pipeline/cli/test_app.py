from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from configs.errors import SettingsError
from configs.schema import RunSettings
from pipeline.cli.app import app
from pipeline.cli.entry import execute
from pipeline.evaluation.studies import with_focal
from pipeline.flow.atomic import write_npz
from pipeline.media import VideoWriter


@pytest.mark.parametrize("more", [["--plan"], []])
def test_a_keypoint_file_is_refused_for_more_than_one_clip(
    tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for clip in clips:
        clip.write_text("not a video")
    words = ["run", *map(str, clips), "--output", str(tmp_path / "out"), "--keypoints", str(tmp_path / "k.json")]
    assert execute([*words, *more]) == 2
    assert "k.json: a keypoint file belongs to one clip, and these are 2; run the" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--focal", "--start", "--end"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_an_option_that_is_no_finite_number_is_refused(option: str, value: str) -> None:
    told = CliRunner().invoke(app, ["run", "a.mp4", option, value])
    assert isinstance(told.exception, SettingsError) and "should be a finite number" in str(told.exception)


@pytest.mark.parametrize("focal_px", [0.0, -500.0, float("nan")])
def test_a_known_focal_length_is_checked_as_a_given_one_is(focal_px: float) -> None:
    assert with_focal(RunSettings(), 500.0).recover.focal_px == 500.0
    with pytest.raises(ValidationError, match="focal_px"):
        with_focal(RunSettings(), focal_px)


def test_a_sequence_that_cannot_be_measured_costs_only_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nobody.json").write_text("[]")
    command = ["evaluate", "sequences", str(tmp_path), "--output", str(tmp_path / "out"), "--refine", "off"]
    command += ["--set", f"detect.keypoints={tmp_path / 'nobody.json'}"]
    truth = {"joints_smpl24": np.ones((1, 3, 24, 3)), "visible_share": np.ones((1, 3)), "focal_px": 90.0}
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.mp4").write_text("not a video")
        write_npz(tmp_path / f"{name}.truth.npz", truth | {"principal_px": np.array([48.0, 32.0])})
    (tmp_path / "b.truth.npz").write_text("no truth")
    assert execute(command) == 1
    capsys.readouterr()
    with VideoWriter(tmp_path / "c.mp4", 96, 64, Fraction(25)) as video:
        for index in range(3):
            video.write(np.zeros((64, 96, 3), np.uint8), index / 25)
    assert execute(command) == 3
    said = capsys.readouterr()
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and "a.mp4" in errors[0] and "b.truth.npz" in errors[1]
    assert "c" in said.out and "0.0 %" in said.out


@pytest.mark.parametrize(
    "words", [["run", ""], ["run", " "], ["run", "a.mp4", "-o", ""], ["run", "a.mp4", "--body="], ["inspect", ""]]
)
def test_an_empty_word_is_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert execute(words) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "the value is empty" in said.err and not said.out


def test_a_video_in_place_of_a_command_is_told_how_to_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clip.mp4").write_text("")
    assert execute([str(tmp_path / "clip.mp4")]) == 2
    assert f"to process a video: dpmesh-video run {tmp_path / 'clip.mp4'}" in capsys.readouterr().err
