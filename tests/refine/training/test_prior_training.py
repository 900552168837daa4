"""Training of the motion prior on a handful of clips."""

from pathlib import Path

import numpy as np
import pytest
import torch

from configs.errors import InputError
from dpmesh.body import BodyModel, load_body
from dpmesh.training.loop import LoopPlan
from dpmesh.training.schedule import Schedule
from refine.motion_prior import MotionPrior
from refine.training import __main__ as command
from refine.training.shards import MotionShards
from refine.training.trainer import PriorTraining

CLIPS, FRAMES = 6, 16
SMALL = {"width": 16, "layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


@pytest.fixture(scope="module")
def folder(body: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who sway; what was recovered leans the same way every time."""
    rng = np.random.default_rng(0)
    sway = np.sin(np.arange(FRAMES) / 4)[None, :, None, None]
    pose = (rng.normal(0, 0.2, (CLIPS, 1, 24, 3)) + 0.2 * sway * rng.normal(0, 1, (CLIPS, 1, 24, 3))).astype(np.float32)
    pose[:, :, 0, 0] += np.pi
    betas = rng.normal(size=(CLIPS, 10)).astype(np.float32)
    flat = torch.from_numpy(pose).flatten(0, 1)
    joints = body.joints(
        flat, torch.from_numpy(betas).repeat_interleave(FRAMES, 0), torch.zeros(len(flat), 3), "coco17"
    )
    points = joints.numpy() + np.array([0.0, 0.0, 4.0])
    pixels = 900.0 * points[..., :2] / points[..., 2:] + np.array([640.0, 360.0])
    keypoints = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 0.8)], axis=-1).astype(np.float32)
    is_observed = np.ones((CLIPS, FRAMES), bool)
    is_observed[0, 5:9] = False
    path = tmp_path_factory.mktemp("motion")
    np.savez(
        path / "motion_0000000.npz",
        pose=pose,
        betas=betas,
        time_s=np.tile(np.arange(FRAMES) / 25.0, (CLIPS, 1)),
        focal_px=np.full(CLIPS, 900.0, np.float32),
        principal_px=np.tile(np.array([640.0, 360.0], np.float32), (CLIPS, 1)),
        keypoints=keypoints.reshape(CLIPS, FRAMES, 17, 3),
        recovered=(pose + np.float32(0.15)) * is_observed[..., None, None],
        is_observed=is_observed,
    )
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
