"""Noisy keypoint reasoning: a student follows a frozen teacher that sees clean keypoints."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR
from torch import Tensor

from configs.errors import InputError
from dpmesh.body.model import BodyModel
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.training.engine.checkpoint import CHECKPOINT
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.noise.simulated import CLEAN
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.reasoning import reasoning_losses
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan, read_teacher

TINY = NetworkConfig(
    replace(TINY_BACKBONE, keypoint_maps=False),
    replace(TINY_REGRESSOR, joint_lift=32),
)


def plan_of(steps: int, **options: object) -> TrainingPlan:
    schedule = Schedule(2e-3, steps, warm_up_steps=2)
    return replace(TrainingPlan(schedule, batch_rows=4, is_bfloat16=False, report_steps=2), **options)


@pytest.fixture
def shards(crop_folder: Path) -> CropShards:
    return CropShards([crop_folder], limit=8)


def test_a_student_nears_its_teacher_which_stays(body: BodyModel, shards: CropShards, tmp_path: Path) -> None:
    torch.manual_seed(0)
    Trainer(DPMesh(**TINY.to_mappings()), body, plan_of(1, noise=CLEAN), tmp_path / "teacher").train(shards, None)
    teacher = read_teacher(tmp_path / "teacher" / CHECKPOINT)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    for steps in (2, 20):
        trainer = Trainer(DPMesh(**TINY.to_mappings()), body, plan_of(steps), tmp_path / "student", teacher=teacher)
        assert trainer.resume() == (steps == 20)
        trainer.train(shards, None)
    told = [json.loads(line) for line in (tmp_path / "student" / "log.jsonl").read_text().splitlines()]
    assert told[-1]["step"] == 20
    assert told[-1]["nkr_error"] < 0.7 * told[0]["nkr_error"]
    assert told[-1]["nkr_contrast"] < told[0]["nkr_contrast"]
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


class _Recorded(torch.nn.Module):
    """A teacher that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = DPMesh(**TINY.to_mappings())
        self.given: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, image: Tensor, joints: Tensor, mask: Tensor) -> object:
        self.given.append((image, joints, mask))
        return self.inner.forward(image, joints, mask)


def test_the_teacher_sees_the_same_view_with_its_true_colours_and_keypoints(
    body: BodyModel, crop_batch: Crops, tmp_path: Path
) -> None:
    teacher = _Recorded()
    network = DPMesh(**TINY.to_mappings())
    trainer = Trainer(network, body, plan_of(1), tmp_path, teacher=teacher)  # type: ignore[arg-type]
    trainer.losses(crop_batch, 0)
    image, joints, mask = teacher.given[0]
    turned = 0
    for row in range(len(image)):
        own = crop_batch.image[row].float() / 255.0
        is_turned = not torch.equal(image[row], own)
        assert torch.equal(image[row], own.flip(-1) if is_turned else own)
        place = crop_batch.joints30_px[row, 24, 0] / 4.0  # the nose is its own mirror image
        wanted = 32.0 - place if is_turned else place
        if mask[row, 24, 0]:
            assert abs(float(joints[row, 24, 0] - wanted)) < 0.05
        turned += is_turned
    assert 0 < turned < len(image)


def test_equal_features_have_no_error_and_other_rows_are_told_apart() -> None:
    torch.manual_seed(0)
    network = DPMesh(**TINY.to_mappings()).eval()
    with torch.no_grad():
        output = network(torch.rand(3, 3, 128, 128), 32 * torch.rand(3, 30, 2), torch.ones(3, 30, 1))
    paid = reasoning_losses(output, output)
    turned = replace(
        output, feature=output.feature.roll(1, 0), feature_2d=output.feature_2d.roll(1, 0),
        feature_3d=output.feature_3d.roll(1, 0),
    )  # fmt: skip
    other = reasoning_losses(output, turned)
    assert float(paid["nkr_error"]) == 0.0 < float(other["nkr_error"])
    assert float(paid["nkr_contrast"]) < float(other["nkr_contrast"])


def test_three_scales_of_features_are_followed_each_with_its_attention_maps() -> None:
    torch.manual_seed(0)
    network = DPMesh(**TINY.to_mappings()).eval()
    with torch.no_grad():
        output = network(torch.rand(3, 3, 128, 128), 32 * torch.rand(3, 30, 2), torch.ones(3, 30, 1))
    shapes = [[tuple(part.shape[1:]) for part in parts] for parts in output.scales]
    assert [parts[0][1:] for parts in shapes] == [(4, 4), (8, 8), (16, 16)]
    assert [parts[1:] for parts in shapes] == [[], [(30, 8, 8)], [(30, 16, 16)]]
    for scale, parts in enumerate(output.scales):
        for at in range(len(parts)):
            moved = [list(each) for each in output.scales]
            moved[scale][at] = moved[scale][at] + 1.0
            other = replace(output, scales=tuple(map(tuple, moved)))
            assert float(reasoning_losses(other, output, is_multi_scale=True)["nkr_error"]) > 0.0
            assert float(reasoning_losses(other, output)["nkr_error"]) == 0.0


def test_a_teacher_without_images_is_refused(body: BodyModel, tmp_path: Path) -> None:
    network = DPMesh(**TINY.to_mappings())
    with pytest.raises(InputError, match="without images"):
        Trainer(network, body, plan_of(1, is_image_used=False), tmp_path, teacher=network)
