"""Every stage at the full width of the `paper` configuration: two steps of one crop each."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dpmesh.body.model import BodyModel
from dpmesh.network.config import PAPER
from dpmesh.network.model import DPMesh
from dpmesh.training.autoencoder.trainer import Autoencoder, AutoencoderTraining
from dpmesh.training.diffusion.trainer import PoseDiffusion
from dpmesh.training.engine.loop import Loop, LoopPlan
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.people.population import Studio
from dpmesh.training.pose_tokens.trainer import PoseDraws, PoseTokens, TokenTraining
from dpmesh.training.recovery.crops import LiveCrops
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan

pytestmark = pytest.mark.slow

PLAN = LoopPlan(Schedule(1e-5, 2), batch_rows=1, report_steps=1)


class _Unsaved:
    """Leaves out the checkpoint, which would be up to ten gigabytes."""

    def save(self) -> None:
        pass


class _Autoencoder(_Unsaved, AutoencoderTraining):
    pass


class _Recovery(_Unsaved, Trainer):
    pass


def took_two_steps(loop: Loop, output: Path) -> bool:
    told = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return loop.step == 2 and all(torch.isfinite(torch.tensor(list(line.values()))).all() for line in told)


@pytest.fixture
def crops(studio: Studio) -> LiveCrops:
    return LiveCrops(studio, PAPER.backbone.image_px)


def test_the_autoencoder_trains_at_full_width(crops: LiveCrops, tmp_path: Path) -> None:
    training = _Autoencoder(Autoencoder(PAPER.backbone), PLAN, tmp_path)
    training.train(crops, None)
    assert took_two_steps(training, tmp_path)


def test_the_pose_tokens_train_at_full_width(studio: Studio, tmp_path: Path) -> None:
    plan = replace(PLAN, is_bfloat16=False)
    training = TokenTraining(PoseTokens(PAPER.regressor), studio.body, plan, tmp_path)
    training.train(PoseDraws(studio.poses), None)
    assert took_two_steps(training, tmp_path)


def test_the_prior_fits_together_at_full_width() -> None:
    """On the meta device, which has shapes and no numbers: 1.2 billion weights, their gradients, AdamW's two averages
    and the average of the weights take 24 GB before the first activation."""
    with torch.device("meta"):
        network = PoseDiffusion(PAPER.backbone).train()
        latents, timestep = torch.empty(1, 4, 32, 32), torch.zeros(1, dtype=torch.int64)
        joints, mask = torch.empty(1, 30, 2), torch.empty(1, 30, 1)
    optimizer = torch.optim.AdamW([value for value in network.parameters() if value.requires_grad])
    for _ in range(2):
        found = network(latents, timestep, joints, mask)
        assert found.shape == (1, 4, 32, 32)
        found.square().mean().backward()
        optimizer.step()
    trained = sum(value.numel() for value in network.parameters() if value.grad is not None)
    assert 1.1e9 < trained < 1.3e9


def test_a_student_and_its_teacher_train_at_full_width(body: BodyModel, crops: LiveCrops, tmp_path: Path) -> None:
    """With weights in bfloat16: in float32 the two networks, gradients and averages take 19 GB before the first
    activation."""
    torch.manual_seed(0)
    network: DPMesh = DPMesh(**PAPER.to_mappings())
    network.to(torch.bfloat16)
    plan = TrainingPlan(PLAN.schedule, batch_rows=1, report_steps=1, has_published_losses=True)
    training = _Recovery(network, body, plan, tmp_path, teacher=copy.deepcopy(network))
    training.train(crops, None)
    assert took_two_steps(training, tmp_path)
