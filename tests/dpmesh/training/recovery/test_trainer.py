"""Training can stop and go on; its errors are those of the network."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR
from torch import Tensor, nn

from configs.errors import InputError
from dpmesh.body.model import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix
from dpmesh.network.config import COMPACT, NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.training.engine.checkpoint import CHECKPOINT, find_config
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.noise.hints import HintNoise
from dpmesh.training.noise.simulated import KeypointNoise
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.evaluate import JointErrors, measure_errors
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan

TINY = NetworkConfig(
    TINY_BACKBONE,
    replace(TINY_REGRESSOR, joint_lift=32),
)


def plan_of(steps: int, **options: object) -> TrainingPlan:
    schedule = Schedule(5e-4, steps, warm_up_steps=2)
    return replace(TrainingPlan(schedule, batch_rows=4, is_bfloat16=False, is_image_used=False), **options)


def make_trainer(output: Path, body: BodyModel, steps: int, **options: object) -> Trainer:
    torch.manual_seed(0)
    config = find_config(output, None) if (output / CHECKPOINT).exists() else TINY.to_mappings()
    return Trainer(DPMesh(**config), body, plan_of(steps, **options), output)


def weights_of(network: DPMesh) -> Tensor:
    return torch.cat([value.flatten() for value in network.joint_lift.state_dict().values()])


def test_training_stopped_and_continued_takes_the_steps_that_are_left(
    body: BodyModel, crop_folder: Path, tmp_path: Path
) -> None:
    crops = CropShards([crop_folder])
    first = make_trainer(tmp_path / "run", body, 2)
    first.train(crops, None)
    again = make_trainer(tmp_path / "run", body, 3)
    assert again.resume() and again.step == 2
    assert torch.equal(weights_of(again.network), weights_of(first.network))
    again.train(crops, None)
    assert again.step == 3
    assert not torch.equal(weights_of(again.network), weights_of(first.network))


class _Killed:
    """Crops that kill the training at a step."""

    def __init__(self, crops: CropShards, step: int) -> None:
        self._crops, self._step = crops, step

    def batch(self, size: int, step: int) -> Crops:
        if step == self._step:
            raise KeyboardInterrupt
        return self._crops.batch(size, step)


def test_training_killed_and_continued_gives_the_weights_of_training_in_one_go(
    body: BodyModel, crop_folder: Path, tmp_path: Path
) -> None:
    crops = CropShards([crop_folder])
    whole = make_trainer(tmp_path / "whole", body, 3)
    whole.train(crops, None)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path / "parts", body, 3, checkpoint_steps=1).train(_Killed(crops, 2), None)
    again = make_trainer(tmp_path / "parts", body, 3)
    assert again.resume() and again.step == 2
    again.train(crops, None)
    assert torch.equal(weights_of(again.network), weights_of(whole.network))
    assert torch.equal(weights_of(again.averaged()), weights_of(whole.averaged()))


def test_a_folder_without_checkpoint_gives_the_preset(tmp_path: Path) -> None:
    assert find_config(tmp_path, "compact") == find_config(tmp_path, None) == COMPACT.to_mappings()


def test_a_checkpoint_of_another_configuration_is_not_gone_on_from(body: BodyModel, tmp_path: Path) -> None:
    make_trainer(tmp_path, body, 1).save()
    assert find_config(tmp_path, None) == TINY.to_mappings()
    with pytest.raises(InputError, match="is not of --config compact; leave --config out to go on"):
        find_config(tmp_path, "compact")


def test_a_call_without_time_left_takes_no_step_and_leaves_a_checkpoint(
    body: BodyModel, crop_folder: Path, tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path / "run", body, 3)
    assert not trainer.resume()
    trainer.train(CropShards([crop_folder]), None, pause_after=0.0)
    assert trainer.step == 0 and trainer.checkpoint_path.exists()
    assert make_trainer(tmp_path / "run", body, 3).resume()


def test_a_later_stage_starts_from_the_averaged_weights(body: BodyModel, crop_folder: Path, tmp_path: Path) -> None:
    first = make_trainer(tmp_path / "a", body, 2)
    first.train(CropShards([crop_folder]), None)
    second = make_trainer(tmp_path / "b", body, 2)
    second.start_from(first.checkpoint_path)
    assert second.step == 0
    assert torch.equal(weights_of(second.network), weights_of(first.averaged()))
    assert not torch.equal(weights_of(second.network), weights_of(first.network))


def test_a_part_of_the_weights_can_be_taken_and_another_network_is_refused(
    body: BodyModel, crop_folder: Path, tmp_path: Path
) -> None:
    first = make_trainer(tmp_path / "a", body, 2)
    with torch.no_grad():
        for parameter in first.network.parameters():
            parameter.add_(1.0)
    first.train(CropShards([crop_folder]), None, pause_after=0.0)
    second = make_trainer(tmp_path / "b", body, 2)
    before = {name: value.clone() for name, value in second.network.state_dict().items()}
    state = torch.load(first.checkpoint_path, weights_only=True)
    torch.save(state | {"average": first.network.state_dict()}, first.checkpoint_path)
    second.start_from(first.checkpoint_path, part="backbone")
    after = second.network.state_dict()
    assert all(torch.equal(after[name], first.network.state_dict()[name]) for name in after if "backbone." in name)
    assert all(torch.equal(after[name], before[name]) for name in after if "backbone." not in name)
    state["average"].pop("joint_lift.joints.weight")
    torch.save(state, first.checkpoint_path)
    with pytest.raises(InputError, match=r"another network, joint_lift\.joints\.weight differs"):
        second.start_from(first.checkpoint_path)


def test_a_step_with_the_image_trains_the_maps_and_reports_every_loss(
    body: BodyModel, crop_folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = DPMesh(**TINY.to_mappings())
    before = network.backbone.keypoint_maps.trust.detach().clone()
    plan = plan_of(2, batch_rows=2, is_image_used=True, is_bfloat16=True, report_steps=2)
    shards = CropShards([crop_folder], limit=8)
    shards.crops.visible30[:, 7] = 1
    Trainer(network, body, plan, tmp_path / "run").train(shards, shards)
    assert not torch.equal(network.backbone.keypoint_maps.trust, before)
    means, errors = (json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert means["step"] == 2 and {"keypoints", "joints_3d", "pose", "grad_norm", "crops_per_s"} <= means.keys()
    assert errors["pa_mpjpe_mm"] <= errors["mpjpe_mm"]


class _Knowing(nn.Module):
    """A network that says what is true of crops in their order."""

    def __init__(self, shards: CropShards, is_published: bool) -> None:
        super().__init__()
        self._batches, self._is_published = shards.in_order(64), is_published
        head = "published" if is_published else "scale"
        self.settings = SimpleNamespace(regressor=SimpleNamespace(camera_head=head))

    def forward(self, image: Tensor | None, joints: Tensor, mask: Tensor, hints: None = None) -> SimpleNamespace:
        crops = next(self._batches)
        pose = axis_angle_to_matrix(crops.pose)
        if not self._is_published:
            pose[:, 0] = crops.camera_from_crop.mT @ pose[:, 0]
        scale = None if self._is_published else torch.ones(len(pose))
        return SimpleNamespace(pose=pose, betas=crops.betas, scale=scale)


@pytest.mark.parametrize("is_published", [True, False])
def test_a_network_that_knows_the_truth_has_no_error(body: BodyModel, crop_folder: Path, is_published: bool) -> None:
    shards = CropShards([crop_folder])
    shards.crops.visible30[:, 7] = 1
    errors = measure_errors(_Knowing(shards, is_published), body, shards, KeypointNoise()).means()
    assert max(asdict(errors).values()) < 0.1


def test_held_out_errors_are_the_same_at_every_call(body: BodyModel, crop_folder: Path) -> None:
    shards = CropShards([crop_folder])
    shards.crops.visible30[:, 7] = 1
    network = DPMesh.from_preset("compact").eval()
    found = [measure_errors(network, body, shards, KeypointNoise(), is_image_used=False).means() for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].mpjpe_mm > 50


def test_every_crop_is_of_one_level_of_occlusion() -> None:
    hidden = np.zeros((4, 14), bool)
    hidden[1, :2] = hidden[2, :7] = hidden[3] = True
    errors = JointErrors(np.ones((4, 14)), np.arange(4)[:, None] * np.ones(14), np.arange(4), hidden, np.zeros(4, bool))
    assert [len(errors.of_level(name).apart_mm) for name in ("none", "half", "heavy")] == [1, 1, 2]
    assert errors.of_level("heavy").means().pa_mpjpe_mm == 2.5
    assert errors.means().unseen_pa_mpjpe_mm == pytest.approx((2 * 1 + 7 * 2 + 14 * 3) / 23)
    assert (errors.means().unseen_mpjpe_mm, errors.means().mpvpe_mm) == (1.0, 1.5)


def test_only_what_reads_hints_learns_from_an_older_network(body: BodyModel, crop_folder: Path, tmp_path: Path) -> None:
    crops = CropShards([crop_folder])
    first = make_trainer(tmp_path / "first", body, 1)
    first.train(crops, None)
    network = DPMesh(**replace(TINY, regressor=replace(TINY.regressor, hint_lift=24)).to_mappings())
    network.joint_lift.start_hints(torch.randn(24, 3))
    second = Trainer(network, body, plan_of(3, hint_noise=HintNoise.read()), tmp_path / "second")
    second.start_from(first.checkpoint_path)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    older = first.averaged().state_dict()
    assert all(torch.equal(before[name], value) for name, value in older.items())
    second.train(crops, None)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert "joint_lift.hints.change.weight" in changed and "joint_lift.hints.rest" not in changed
    assert all(name.startswith("joint_lift.hints.") for name in changed)
    told, untold = second.measure(second.averaged(), crops), first.measure(first.averaged(), crops)
    assert told["pa_mpjpe_mm"] > 0.0 and told != untold


def test_a_network_with_hints_is_stored_and_found_again(tmp_path: Path) -> None:
    network = DPMesh(**replace(TINY, regressor=replace(TINY.regressor, hint_lift=24)).to_mappings())
    network.joint_lift.start_hints(torch.randn(24, 3))
    network.save_pretrained(tmp_path)
    found = DPMesh.from_pretrained(tmp_path)
    assert found.settings.regressor.hint_lift == 24
    assert torch.equal(found.joint_lift.hints.rest, network.joint_lift.hints.rest)


def test_the_surface_error_is_that_of_the_shape_alone_where_two_bodies_differ_by_it(
    body: BodyModel, crop_folder: Path
) -> None:
    shards = CropShards([crop_folder])
    shards.crops.pose[:] = 0.0
    shards.crops.pose[:, 0, 0] = torch.pi
    shards.crops.betas[:] = 0.0
    knowing = _Knowing(shards, is_published=True)
    plain = knowing.forward

    def taller(*given: object, **named: object) -> SimpleNamespace:
        found = plain(*given, **named)
        return SimpleNamespace(pose=found.pose, betas=found.betas + torch.eye(10)[0], scale=None)

    knowing.forward = taller
    errors = measure_errors(knowing, body, shards, KeypointNoise())
    shape = body.structure.shapedirs[..., 0]
    moved = shape - body.structure.joint_regressor[0] @ shape
    assert errors.surface_mm == pytest.approx(1000 * np.linalg.norm(moved, axis=-1).mean(), rel=1e-3)
    assert errors.means().mpvpe_mm == pytest.approx(float(errors.surface_mm[0]), rel=1e-3)
