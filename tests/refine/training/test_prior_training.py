"""Training of the motion prior on a handful of clips."""

from pathlib import Path

import pytest
import torch
from swaying_people import CLIPS, write_swaying_people

from configs.errors import InputError
from dpmesh.body import BodyModel, load_body
from dpmesh.training.loop import LoopPlan
from dpmesh.training.schedule import Schedule
from refine.motion_prior import MotionPrior
from refine.training import __main__ as command
from refine.training.shards import MotionShards
from refine.training.trainer import PriorTraining

SMALL = {"width": 16, "layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


@pytest.fixture(scope="module")
def folder(body: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motion")
    write_swaying_people(path / "motion_0000000.npz", body)
    return path


def train(folder: Path, body: BodyModel, output: Path, steps: int) -> PriorTraining:
    torch.manual_seed(0)
    plan = LoopPlan(Schedule(3e-3, steps, warm_up_steps=5), batch_rows=6, is_bfloat16=False, average_decay=0.9)
    training = PriorTraining(MotionPrior(**SMALL), body, plan, output, config=SMALL)
    training.resume()
    training.train(MotionShards(folder), MotionShards(folder))
    return training


def test_a_trained_prior_lies_nearer_than_what_was_recovered(folder: Path, body: BodyModel, tmp_path: Path) -> None:
    training = train(folder, body, tmp_path, 60)
    found = training.measure(training.averaged(), MotionShards(folder))
    assert found["joints_mm"] < 0.7 * found["was_joints_mm"]
    assert found["gaps_mm"] < 0.9 * found["was_gaps_mm"]


def test_batches_repeat_with_the_step_and_have_further_gaps(folder: Path) -> None:
    shards = MotionShards(folder)
    one, same, other = (shards.batch(8, step) for step in (1, 1, 2))
    assert torch.equal(one.conditions.numbers, same.conditions.numbers)
    assert not torch.equal(one.pose, other.pose)
    whole = shards.rows(0, CLIPS).conditions
    drawn = shards.batch(64, 3).conditions
    assert drawn.is_observed.float().mean() < whole.is_observed.float().mean() and not drawn.is_row.all()


def test_a_training_goes_on_and_is_exported(
    folder: Path, body: BodyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(folder, body, run, 2)
    training = train(folder, body, run, 4)
    assert training.step == 4
    export = tmp_path / "weights"
    monkeypatch.setattr("sys.argv", ["training", "--output", str(run), "--export", str(export)])
    assert command.main() == 0
    assert MotionPrior.from_pretrained(export).config["width"] == 16


def test_a_folder_without_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no motion_\*\.npz there"):
        MotionShards(tmp_path)
