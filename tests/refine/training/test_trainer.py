"""Training of the motion prior on a handful of clips."""

from importlib.resources import files
from pathlib import Path

import pytest
import torch
from swaying_people import CLIPS, write_swaying_people

from configs.errors import InputError
from dpmesh.body import BodyModel, load_body
from dpmesh.training.engine.checkpoint import CHECKPOINT, read_averaged
from dpmesh.training.engine.loop import LoopPlan
from dpmesh.training.engine.schedule import Schedule
from refine.prior.conditions import BONE_NUMBERS
from refine.prior.network import MotionPrior
from refine.training import command
from refine.training.shards import MotionShards
from refine.training.trainer import PriorTraining

BUNDLED = Path(str(files("refine"))) / "data" / "motion_prior"
SMALL = {"width": 16, "layers": 1, "heads": 2, "has_bones": True}


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


def test_clips_cut_into_windows_are_the_same_rows_in_axes_of_their_own(folder: Path) -> None:
    whole, alone = MotionShards(folder), MotionShards(folder, rows=1)
    clips, rows = whole.rows(0, 3), alone.rows(0, 3)
    frames = clips.pose.shape[1]
    assert rows.pose.shape[:2] == (3 * frames, 1) and rows.betas.shape == (3 * frames, 10)
    # In the camera's axes nothing has changed.
    in_camera = clips.conditions.to_camera(clips.pose).flatten(0, 1)
    torch.testing.assert_close(rows.conditions.to_camera(rows.pose)[:, 0], in_camera, atol=1e-5, rtol=0)
    # Rows behind the end of a clip are in no window.
    drawn, cut = whole.batch(64, 3).conditions, alone.batch(64, 3).conditions
    assert bool(cut.is_row.all()) and len(cut.is_row) == int(drawn.is_row.sum())


def test_a_prior_of_single_rows_is_trained(folder: Path, body: BodyModel, tmp_path: Path) -> None:
    plan = LoopPlan(Schedule(3e-3, 2, warm_up_steps=1), batch_rows=6, is_bfloat16=False, average_decay=0.9)
    training = PriorTraining(MotionPrior(**SMALL), body, plan, tmp_path, config=SMALL)
    training.train(MotionShards(folder, rows=1), None)
    found = training.measure(training.averaged(), MotionShards(folder, rows=1))
    assert found["joints_mm"] > 0 and "acceleration" not in found


def test_windows_that_do_not_fill_a_clip_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="cannot be cut into windows of 7"):
        MotionShards(folder, rows=7)


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


def test_a_prior_of_another_size_is_not_gone_on_from(
    folder: Path, body: BodyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(folder, body, tmp_path, 1)
    words = ["--output", str(tmp_path), "--motion", str(folder), "--steps", "1", "--threads", "1"]
    monkeypatch.setattr("sys.argv", ["training", *words, "--width", "32"])
    assert command.main() == 1
    assert "its width is 16; leave --width out to go on, or give" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["training", *words, "--width", "16"])
    assert command.main() == 0


def test_the_bundled_prior_can_be_trained_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--output", str(tmp_path), "--motion", str(folder), "--start-from", str(BUNDLED)]
    words += ["--steps", "1", "--threads", "1", "--batch-rows", "2"]
    monkeypatch.setattr("sys.argv", ["training", *words, "--width", "16"])
    assert command.main() == 1
    assert f"{BUNDLED}: is of another network" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["training", *words])
    assert command.main() == 0
    made, bundled = read_averaged(tmp_path / CHECKPOINT), read_averaged(BUNDLED)
    moved = torch.stack([(made[name][..., : old.shape[-1]] - old).abs().max() for name, old in bundled.items()])
    assert 0 < moved.max() < 1e-2, "one step from where the bundled weights are"


def test_a_prior_that_read_no_bones_goes_on_with_them(folder: Path, body: BodyModel, tmp_path: Path) -> None:
    plan = LoopPlan(Schedule(3e-3, 1, warm_up_steps=1), batch_rows=2, is_bfloat16=False, average_decay=0.9)
    before = SMALL | {"has_bones": False}
    PriorTraining(MotionPrior(**before), body, plan, tmp_path / "old", config=before).train(MotionShards(folder), None)
    training = PriorTraining(MotionPrior(**SMALL), body, plan, tmp_path / "new", config=SMALL)
    training.start_from(tmp_path / "old" / CHECKPOINT)
    old, new = read_averaged(tmp_path / "old" / CHECKPOINT)["told.weight"], training.network.told.weight
    assert torch.equal(new[:, : old.shape[1]], old) and not new[:, old.shape[1] :].any()
    assert new.shape[1] - old.shape[1] == BONE_NUMBERS


def test_a_cut_shard_is_named(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "motion_0000000.npz").read_bytes()
    (tmp_path / "motion_0000000.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"motion_0000000\.npz: not a whole shard"):
        MotionShards(tmp_path)


def test_a_folder_without_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no motion_\*\.npz there"):
        MotionShards(tmp_path)
