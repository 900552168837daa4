"""Rendered crowds: people stand apart on one floor, inside the picture, and their boxes are theirs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.errors import SettingsError
from dpmesh.training.commands.make_crowds import APART_M, crowd_view, main, parse, place_people
from dpmesh.training.mocap.bank import PoseBank
from pipeline.evaluation.small_people import read_rendered
from pipeline.media.read import read_frames


@pytest.mark.parametrize("height", [2.5, 6.0, 15.0])
def test_people_are_apart_and_their_heights_spread_down_to_the_least(height: float) -> None:
    view = crowd_view((1280, 720))
    spots = place_people(np.random.default_rng(0), view, height, 60, 20)
    assert len(spots) > 40
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + np.eye(len(spots)) * 9
    assert gaps.min() > APART_M
    tall = float(view.focal_px[0]) * 1.7 / np.hypot(spots[:, 1], height - 0.85)
    assert tall.min() < 30 and tall.max() < 380


def test_a_place_without_room_holds_fewer() -> None:
    assert len(place_people(np.random.default_rng(0), crowd_view((64, 64)), 3.0, 50, 28)) < 50


def standing(split: str) -> PoseBank:
    one = np.array(["x"])
    return PoseBank(
        pose=np.zeros((5, 24, 3), np.float32), trans=np.zeros((5, 3), np.float32),
        sequence=np.zeros(5, np.int32), time_s=np.arange(5, dtype=np.float32), rate_hz=30.0, names=one,
        collections=one, subjects=one, categories=np.array(["walk"]), splits=np.array([split]),
    )  # fmt: skip


def arguments(folder: Path) -> list[str]:
    folder.joinpath("places").mkdir(exist_ok=True)
    for number in range(12):
        cv2.imwrite(str(folder / "places" / f"place{number}_a.png"), np.full((90, 160, 3), 90, np.uint8))
    return [
        *(
            "--poses",
            str(folder / "bank.npz"),
            "--backgrounds",
            str(folder / "places"),
            "--output",
            str(folder / "out"),
        ),
        *("--frames", "1", "--people", "4", "--size", "320x180", "--heights", "2.5"),
    ]


def test_a_clip_shows_everybody_where_its_truth_says(tmp_path: Path) -> None:
    standing("val").write(tmp_path / "bank.npz")
    assert main(arguments(tmp_path)) == 0
    (truth,) = read_rendered(tmp_path / "out" / "crowd_2.5m.mp4")
    (frame,) = read_frames(tmp_path / "out" / "crowd_2.5m.mp4")
    assert len(truth.boxes_xyxy) == 4 and truth.is_counted.all()
    for left, top, right, bottom in truth.boxes_xyxy.astype(int):
        inside = frame.image[top : bottom + 1, left : right + 1].astype(int)
        assert np.abs(inside - 90).max() > 40


def test_a_bank_without_held_out_walks_and_wrong_options_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standing("train").write(tmp_path / "bank.npz")
    assert main(arguments(tmp_path)) == 1
    assert "no held-out poses of walk, run, idle" in capsys.readouterr().err
    standing("val").write(tmp_path / "bank.npz")
    assert main([*arguments(tmp_path), "--heights", "60"]) == 1
    assert "nobody of 20 pixels is in view" in capsys.readouterr().err
    with pytest.raises(SettingsError, match="give heights from 1 to 60 metres"):
        parse([*arguments(tmp_path), "--heights", "100"])
    with pytest.raises(SettingsError, match="--smallest-px: 90 is too tall"):
        parse([*arguments(tmp_path), "--smallest-px", "90"])
