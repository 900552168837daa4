"""What the paper says of its training can be said to the command."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

from configs.errors import InputError
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.network.pose_tokens import PoseTokenizer
from dpmesh.training.commands import train_recovery
from dpmesh.training.engine.checkpoint import CHECKPOINT, read_checkpoint
from dpmesh.training.recovery.trainer import Trainer
from dpmesh.weights.tokenizer import FIELDS

REGRESSOR = replace(
    TINY_REGRESSOR, pose_head="tokens", camera_head="published", joint_lift=0, image_lift=0, token_count=12,
    token_classes=16, token_dim=24, token_encoder=(2, 48, 40, 56), token_decoder=(1, 32, 64, 64),
)  # fmt: skip
TINY = NetworkConfig(replace(TINY_BACKBONE, keypoint_maps=False), REGRESSOR)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """Return the folder of an imported tokenizer with an attention layer, which the usual configuration has not."""
    torch.manual_seed(3)
    config = replace(REGRESSOR, token_attention_layers=1)
    folder = tmp_path / "tokens"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({name: asdict(config)[name] for name in FIELDS}))
    save_file(PoseTokenizer(config).state_dict(), folder / "diffusion_pytorch_model.safetensors")
    return folder


def test_the_papers_recipe_trains_with_an_imported_tokenizer(
    crop_folder: Path, tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Trainer] = []

    class Watched(Trainer):
        def __init__(self, *given: object, **named: object) -> None:
            super().__init__(*given, **named)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(train_recovery, "Trainer", Watched)
    monkeypatch.setattr(train_recovery, "find_config", lambda *_: TINY.to_mappings())
    words = ["--crops", str(crop_folder), "--output", str(tmp_path / "run"), "--tokens-from", str(tokens), "--float32"]
    words += ["--losses", "published", "--loss-weights", "paper", "--teacher-features", "paper", "--batch-rows", "4"]
    words += ["--epochs", "2", "--learning-rate", "1e-4", "--drop-at", "0.5", "--weight-decay", "1e-6"]
    assert train_recovery.main([*words, "--threads", "1"]) == 0
    plan, schedule = made[0].plan, made[0].plan.schedule
    count = len(train_recovery.CropShards([crop_folder]))
    assert schedule.steps == made[0].step == 2 * (count // 4)
    assert [schedule.rate(step, 0.0) for step in (0, schedule.steps - 1)] == pytest.approx([1e-4, 1e-5])
    assert (plan.weight_decay, plan.is_weighed_as_paper, plan.is_reasoning_multi_scale) == (1e-6, True, True)
    state = read_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert state["published"] is None  # no weights are learned
    wanted = PoseTokenizer(replace(REGRESSOR, token_attention_layers=1))
    assert {f"pose_prior.{name}" for name in wanted.state_dict()} <= state["average"].keys()
    given = train_recovery.imported_tokenizer(str(tokens)).state_dict()
    assert all(torch.equal(state["average"][f"pose_prior.{name}"], tensor) for name, tensor in given.items())


def test_a_tokenizer_of_other_sizes_is_refused(tokens: Path) -> None:
    network = DPMesh(**replace(TINY, regressor=replace(REGRESSOR, token_classes=8)).to_mappings())
    found = train_recovery.imported_tokenizer(str(tokens))
    trainer = type("Trainer", (), {"network": network})
    with pytest.raises(InputError, match="has no pose tokenizer of these sizes; give --config paper"):
        train_recovery._take_tokens(trainer, found, str(tokens))  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [["--poses", "a", "--backgrounds", "b"], ["--crops", "a", "--steps", "3"]])
def test_epochs_need_crops_that_end_and_no_other_length(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert train_recovery.main([*words, "--output", str(tmp_path), "--epochs", "3"]) == 2
    assert "--epochs: are passes over --crops, in place of --steps" in capsys.readouterr().err
