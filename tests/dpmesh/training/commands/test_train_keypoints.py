"""The keypoint reader's training: what moves with the picture, and what a continued training takes up."""

import json
import sys
from pathlib import Path

import pytest
import torch

from dpmesh.recovery.keypoint_refiner import MAP_PX
from dpmesh.training.commands.train_keypoints import main, prepare
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import write_arrays
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.map_loss import map_loss


def test_a_keypoint_moves_with_the_picture(crop_batch: Crops) -> None:
    """A white square painted round a keypoint is still there after the crop was turned, moved and mirrored."""
    nose = crop_batch.joints30_px[:, 24]
    image = torch.zeros_like(crop_batch.image)
    for row, (x, y) in enumerate(nose.round().long().tolist()):
        image[row, :, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = 255
    painted = Crops(**{name: getattr(crop_batch, name) for name in crop_batch.__slots__} | {"image": image})
    moved, places, visible = prepare(painted, Rng((5,)), is_augmented=True)
    checked = 0
    for row in range(len(moved)):
        x, y = (places[row, 0] * 128 / MAP_PX).round().long().tolist()
        if int(visible[row, 0]) and 3 < x < 125 and 3 < y < 125:
            level = moved[row].mean(0)
            assert level[y, x] > level.mean() + 0.2
            checked += 1
    assert checked >= 3


def test_a_map_at_the_place_costs_less_than_one_beside_it() -> None:
    places = torch.full((1, 17, 2), 10.0)
    visible = torch.full((1, 17), 2)
    right, wrong = torch.zeros(1, 17, MAP_PX, MAP_PX), torch.zeros(1, 17, MAP_PX, MAP_PX)
    right[:, :, 10, 10], wrong[:, :, 10, 14] = 9.0, 9.0
    assert map_loss(right, places, visible) < map_loss(torch.zeros_like(right), places, visible)
    assert map_loss(wrong, places, visible) > map_loss(right, places, visible)


def test_a_keypoint_outside_the_crop_costs_nothing() -> None:
    logits = torch.randn(1, 17, MAP_PX, MAP_PX)
    assert float(map_loss(logits, torch.full((1, 17, 2), 99.0), torch.zeros(1, 17))) == 0.0


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["keypoints", *words])
    return main()


def test_training_goes_on_and_its_weights_are_exported(
    crop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--crops", str(crop_folder), "--validation", str(crop_folder), "--output", str(tmp_path / "run")]
    words += ["--batch-rows", "4", "--minutes", "5", "--pause-after", "0.005", "--threads", "1"]
    steps = []
    for _ in range(2):
        assert run(monkeypatch, *words) == 0
        steps.append(json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["step"])
    assert 0 < steps[0] < steps[1]
    assert run(monkeypatch, "--output", str(tmp_path / "run"), "--export", str(tmp_path / "model")) == 0
    assert (tmp_path / "model" / "diffusion_pytorch_model.safetensors").is_file()
    words[words.index("--output") + 1] = str(tmp_path / "further")
    assert run(monkeypatch, *words, "--start-from", str(tmp_path / "model")) == 0
    assert run(monkeypatch, *words, "--start-from", str(tmp_path / "absent")) == 0, "a training that goes on needs none"


def test_crops_of_another_size_are_refused(
    crop_batch: Crops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {name: getattr(crop_batch, name) for name in crop_batch.__slots__}
    small = Crops(**columns | {"image": crop_batch.image[..., :64, :64].contiguous()})
    write_arrays(tmp_path / "crops_0000000.npz", small)
    assert run(monkeypatch, "--crops", str(tmp_path), "--output", str(tmp_path / "run"), "--threads", "1") == 1
    assert "the crops have 64 px, the network takes 128" in capsys.readouterr().err


def test_a_folder_without_crops_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--crops", str(tmp_path), "--output", str(tmp_path / "run")) == 1
    assert str(tmp_path) in capsys.readouterr().err
