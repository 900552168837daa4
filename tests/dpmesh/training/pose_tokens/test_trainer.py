"""The pose tokenizer's training: codes that are used, poses that come back, calls that go on."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dpmesh.body.model import BodyModel
from dpmesh.network.config import PAPER
from dpmesh.training.commands.train_pose_tokens import main
from dpmesh.training.engine.checkpoint import read_checkpoint
from dpmesh.training.engine.loop import LoopPlan
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.pose_tokens.trainer import PoseDraws, PoseTokens, TokenTraining, body_rotations, revive_codes

TINY = replace(
    PAPER.regressor,
    token_count=6,
    token_classes=32,
    token_dim=16,
    token_encoder=(1, 64, 16, 64),
    token_decoder=(1, 64, 16, 64),
)


class Bends:
    """Standing people who bend a few joints."""

    def sample(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        pose = np.zeros((count, 24, 3), np.float32)
        pose[:, [3, 16, 17], 2] = rng.choice([-0.8, 0.8], (count, 3))
        return pose


def training(output: Path, body: BodyModel, steps: int) -> TokenTraining:
    torch.manual_seed(0)
    plan = LoopPlan(Schedule(2e-3, steps, warm_up_steps=2), batch_rows=32, is_bfloat16=False, average_decay=0.9)
    return TokenTraining(PoseTokens(TINY), body, plan, output)


def held() -> torch.Tensor:
    return body_rotations(Bends().sample(np.random.default_rng(1), 64, "val"))


def test_poses_come_back_and_training_goes_on(body: BodyModel, tmp_path: Path) -> None:
    first = training(tmp_path, body, 2)
    before = first.measure(first.network.eval(), held())["joints_mm"]
    first.train(PoseDraws(Bends()), None)
    again = training(tmp_path, body, 150)
    assert again.resume() and again.step == 2
    again.train(PoseDraws(Bends()), held())
    told = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert told["step"] == 150
    assert told["joints_mm"] < 0.4 * before
    assert told["codes_used"] > 8
    assert (tmp_path / "curves.png").is_file()


def test_a_new_codebook_begins_at_features_and_only_dead_codes_move_later() -> None:
    torch.manual_seed(0)
    tokenizer = PoseTokens(TINY).pose_prior
    poses = held().flatten(2)
    assert revive_codes(tokenizer, poses, Rng((0,))) == 32
    features = tokenizer.encode(poses).flatten(0, 1)
    assert torch.cdist(tokenizer.codebook, features).amin(1).max() < 1e-3
    assert revive_codes(tokenizer, poses, Rng((1,))) == 0
    tokenizer.cluster_size[3] = 0.0
    before = tokenizer.codebook.clone()
    assert revive_codes(tokenizer, poses, Rng((1,))) == 1
    kept = torch.arange(32) != 3
    assert torch.equal(tokenizer.codebook[kept], before[kept])


def test_the_command_leaves_weights_under_the_names_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    bank = PoseBank(
        pose=rng.normal(0, 0.2, (40, 24, 3)).astype(np.float32),
        trans=np.zeros((40, 3), np.float32),
        sequence=np.repeat(np.arange(2, dtype=np.int32), 20),
        time_s=np.tile(np.arange(20, dtype=np.float32), 2),
        rate_hz=30.0,
        names=np.array(["a", "b"]),
        collections=np.array(["made", "made"]),
        subjects=np.array(["a", "b"]),
        categories=np.array(["walk", "walk"]),
        splits=np.array(["train", "val"]),
    )
    bank.write(tmp_path / "poses.npz")
    words = ["--poses", str(tmp_path / "poses.npz"), "--output", str(tmp_path / "run"), "--steps", "1"]
    monkeypatch.setattr(sys, "argv", ["pose_tokens", *words, "--batch-rows", "4", "--threads", "1"])
    assert main() == 0
    state = read_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["average"]["pose_prior.codebook"].shape == (2048, 256)
    assert state["config"] == PAPER.to_mappings()
