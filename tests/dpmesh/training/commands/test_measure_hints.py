"""`data hint-errors`: simulated errors are as large as those that hints have on real people."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.skeletons import COCO_OF_30
from configs.weights import resolve
from dpmesh.recovery.hint_rows import HintRows
from dpmesh.training.commands.measure_hints import main, match
from dpmesh.training.engine.shards import write_arrays
from dpmesh.training.noise.hints import HintNoise, true_hints
from dpmesh.training.people.annotated import as_annotated
from dpmesh.training.people.crops import Crops


def sightings(crops: Crops, sigma_m: float) -> HintRows:
    """Return the people of crops with true keypoints, and hints with errors of this size."""
    count, generator = len(crops), torch.Generator().manual_seed(4)
    truth = true_hints(crops)
    told = (truth + sigma_m * torch.randn(2, *truth.shape, generator=generator)).numpy()
    seen = np.ones((count, 12, 1), np.float32)
    places = as_annotated(crops)[:, list(COCO_OF_30)]
    keypoints = torch.cat([places, torch.full((count, 17, 1), 0.9)], dim=-1)
    boxes = torch.cat([places.amin(1), places.amax(1)], dim=1)
    hints, flipped = (np.concatenate([each, seen], axis=-1).astype(np.float32) for each in told)
    return HintRows(np.zeros(count, np.int64), np.arange(count), boxes.numpy(), keypoints.numpy(), hints, flipped)


@pytest.fixture
def folder(many_crops: Crops, tmp_path: Path) -> Path:
    """Return a folder with 80 crops, hints on them, and hints on real people with half of these errors."""
    crops = many_crops[:80]
    (tmp_path / "crops").mkdir()
    write_arrays(tmp_path / "crops" / "crops_0000000.npz", crops)
    sightings(crops, 0.1).write(tmp_path / "drawn.npz")
    sightings(crops, 0.05).write(tmp_path / "real.npz")
    return tmp_path


def words(folder: Path, real: str) -> list[str]:
    given = [str(folder / "drawn.npz"), str(folder / real), "--crops", str(folder / "crops")]
    return [*given, "--weights", str(resolve("compact")), "--threads", "1", "--output", str(folder / "noise.json")]


@pytest.mark.parametrize(("real", "scale"), [("drawn.npz", 1.0), ("real.npz", 0.5)])
def test_the_simulated_errors_are_as_large_as_on_real_people(
    folder: Path, real: str, scale: float, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, real)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["people"] == 80
    assert told["scale"] == pytest.approx([scale] * 3, abs=0.1)
    noise = HintNoise.read(folder / "noise.json")
    assert list(noise.scale) == pytest.approx(told["scale"], abs=1e-3)
    assert noise.shared == pytest.approx((0.0, 0.0, 0.0), abs=0.15)  # the errors have nothing of the lift's
    assert float(np.abs(noise.bias).max()) < 0.05


def test_keypoints_of_somebody_else_are_not_taken_for_the_crops_person(many_crops: Crops) -> None:
    crops = many_crops[:6]
    rows = sightings(crops, 0.1)
    moved = rows.keypoints.copy()
    moved[1, :, :2] += 40.0  # another person
    twice = np.array([0, 1, 2, 3, 4, 5, 2])
    rows = replace(rows, keypoints=moved).take(twice)
    rows.keypoints[6, :, 0] += 2.0  # found twice: the second time worse
    assert match(rows, crops).tolist() == [True, False, True, True, True, True, False]


def test_hints_of_more_crops_or_too_few_people_are_refused(
    folder: Path, many_crops: Crops, capsys: pytest.CaptureFixture[str]
) -> None:
    sightings(many_crops[:81], 0.1).write(folder / "drawn.npz")
    assert main(words(folder, "real.npz")) == 1
    assert "drawn.npz: is of more crops than 80; give the folders" in capsys.readouterr().err
    sightings(many_crops[:30], 0.1).write(folder / "drawn.npz")
    assert main(words(folder, "real.npz")) == 1
    assert "30 people were found where they are, 50 are needed; give more crops" in capsys.readouterr().err
    sightings(many_crops[:10], 0.1).write(folder / "few.npz")
    assert main(words(folder, "few.npz")) == 1
    assert "no clip has 15 people with all limbs in sight" in capsys.readouterr().err
    assert not (folder / "noise.json").exists()
