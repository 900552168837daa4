"""The autoencoder's and the diffusion prior's training, and recovery that starts from them. Tiny widths."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

from configs.errors import InputError
from dpmesh.network.config import PRESETS, NetworkConfig
from dpmesh.network.lift import JOINT_PARTS
from dpmesh.network.model import DPMesh
from dpmesh.stored.cache import WEIGHTS_FILE
from dpmesh.training.autoencoder.trainer import Autoencoder, AutoencoderTraining
from dpmesh.training.commands.train_autoencoder import main as train_autoencoder
from dpmesh.training.commands.train_diffusion import main as train_diffusion
from dpmesh.training.commands.train_recovery import main as train_recovery
from dpmesh.training.diffusion.trainer import DiffusionTraining, PoseDiffusion
from dpmesh.training.engine.checkpoint import CHECKPOINT, read_checkpoint, take_over
from dpmesh.training.engine.loop import LoopPlan
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.recovery.crops import CropShards

BACKBONE = replace(TINY_BACKBONE, vae_channels=(16,), joint_drop=0.0)
TINY = NetworkConfig(BACKBONE, TINY_REGRESSOR)


def plan_of(steps: int, **options: object) -> LoopPlan:
    plan = LoopPlan(Schedule(4e-3, steps, warm_up_steps=2), batch_rows=4, is_bfloat16=False, average_decay=0.8)
    return replace(plan, report_steps=5, **options)


@pytest.fixture
def shards(crop_folder: Path) -> CropShards:
    """Return eight crops that can be learned: a bright square where the first joint is."""
    shards = CropShards([crop_folder], limit=8)
    shards.crops.image.fill_(60)
    for row, (x, y) in enumerate(shards.crops.joints30_px[:, 0].long().clamp(8, 120).tolist()):
        shards.crops.image[row, row % 3, y - 8 : y + 8, x - 8 : x + 8] = 220
    return shards


def told(folder: Path, name: str) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def test_the_autoencoder_learns_crops_and_goes_on(shards: CropShards, tmp_path: Path) -> None:
    torch.manual_seed(0)
    AutoencoderTraining(Autoencoder(BACKBONE), plan_of(2), tmp_path).train(shards, None)
    again = AutoencoderTraining(Autoencoder(BACKBONE), plan_of(40), tmp_path)
    assert again.resume() and again.step == 2
    again.train(shards, shards)
    losses = told(tmp_path, "picture")
    assert losses[-1] < 0.5 * losses[0]
    assert told(tmp_path, "psnr_db")[-1] > 15
    assert (tmp_path / "samples" / "step_0000040.png").is_file() and (tmp_path / "curves.png").is_file()


def test_the_decoder_gives_crops_of_the_encoder_s_size() -> None:
    folded = replace(BACKBONE, patch_px=2, image_px=128, vae_channels=(8, 16))
    for config in (BACKBONE, folded):
        latents, made = Autoencoder(config)(torch.rand(2, 3, 128, 128))
        assert latents.shape == (2, 16, 32, 32) and made.shape == (2, 3, 128, 128)


def test_the_prior_learns_to_find_noise_and_goes_on(shards: CropShards, tmp_path: Path) -> None:
    torch.manual_seed(0)
    autoencoder = Autoencoder(BACKBONE)
    first = DiffusionTraining(PoseDiffusion(BACKBONE), plan_of(2), tmp_path)
    encoder = first.network.backbone.latents.quant_conv.weight.clone()
    first.train(shards, None)
    again = DiffusionTraining(PoseDiffusion(BACKBONE), plan_of(40), tmp_path, autoencoder=autoencoder)
    assert again.resume() and again.step == 2
    again.train(shards, shards)
    losses = told(tmp_path, "noise")
    assert losses[-1] < 0.7 * losses[0]
    assert told(tmp_path, "noise_error")[-1] < 1.0
    assert torch.equal(again.network.backbone.latents.quant_conv.weight, encoder)
    assert (tmp_path / "samples" / "step_0000040.png").is_file()


def test_the_noise_that_is_found_depends_on_the_time_step_and_the_joints() -> None:
    torch.manual_seed(0)
    network = PoseDiffusion(BACKBONE).eval()
    latents, joints, mask = torch.randn(2, 16, 32, 32), 32 * torch.rand(2, 30, 2), torch.ones(2, 30, 1)
    with torch.no_grad():
        found = network(latents, torch.tensor([5, 900]), joints, mask)
        assert torch.allclose(found[1:], network(latents[1:], torch.tensor([900]), joints[1:], mask[1:]), atol=1e-4)
        assert not torch.allclose(found, network(latents, torch.tensor([900, 5]), joints, mask), atol=1e-4)
        assert not torch.allclose(found, network(latents, torch.tensor([5, 900]), joints.flip(0), mask), atol=1e-4)


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_recovery_takes_its_backbone_from_the_prior(tmp_path: Path, lora_rank: int) -> None:
    torch.manual_seed(0)
    prior = DiffusionTraining(PoseDiffusion(BACKBONE), plan_of(1), tmp_path)
    prior.save()
    backbone = replace(BACKBONE, lora_rank=lora_rank)
    network = DPMesh(**replace(TINY, backbone=backbone).to_mappings()).eval()
    before = network.pose_head.steps[0].weight.clone()
    take_over(network, tmp_path / CHECKPOINT, "backbone")
    image, joints, mask = torch.rand(1, 3, 128, 128), 32 * torch.rand(1, 30, 2), torch.ones(1, 30, 1)
    with torch.no_grad():
        wanted = prior.network.eval().backbone(image, joints, mask).features.fused
        assert torch.allclose(network.backbone(image, joints, mask).features.fused, wanted, atol=1e-5)
    assert torch.equal(network.pose_head.steps[0].weight, before)


def test_weights_of_other_widths_are_refused(tmp_path: Path) -> None:
    DiffusionTraining(PoseDiffusion(BACKBONE), plan_of(1), tmp_path).save()
    network = DPMesh.from_preset("compact")
    with pytest.raises(InputError, match=r"of another network, backbone\.latents\.\S+ differs"):
        take_over(network, tmp_path / CHECKPOINT, "backbone")
    with pytest.raises(InputError, match="no such checkpoint"):
        take_over(network, tmp_path / "absent.pt")


def test_a_training_starts_from_a_folder_of_weights(tmp_path: Path) -> None:
    exported = PoseDiffusion(BACKBONE).half()
    folder = tmp_path / "weights"
    folder.mkdir()
    save_file(exported.state_dict(), folder / WEIGHTS_FILE)
    training = DiffusionTraining(PoseDiffusion(BACKBONE), plan_of(1), tmp_path)
    training.start_from(folder)
    wanted = {name: tensor.float() for name, tensor in exported.state_dict().items()}
    for state in (training.network.state_dict(), training.averaged().state_dict()):
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in state.items())
    with pytest.raises(InputError, match=r"holds no diffusion_pytorch_model\.safetensors; give a folder of weights"):
        training.start_from(tmp_path)


def test_the_commands_follow_each_other(crop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", TINY)

    def run(main: Callable[[], int], name: str, *more: str) -> int:
        words = ["--crops", str(crop_folder), "--output", str(tmp_path / name), "--config", "tiny", "--steps", "1"]
        monkeypatch.setattr(sys, "argv", [name, *words, "--batch-rows", "2", "--threads", "1", *more])
        return main()

    assert run(train_autoencoder, "autoencoder") == 0
    first = tmp_path / "autoencoder" / CHECKPOINT
    assert run(train_diffusion, "prior", "--autoencoder", str(first)) == 0
    stored = read_checkpoint(tmp_path / "prior" / CHECKPOINT)
    name = "backbone.latents.encoder.conv_in.weight"
    assert torch.equal(stored["network"][name], read_checkpoint(first)["average"][name])
    assert stored["config"] == TINY.to_mappings()
    assert run(train_diffusion, "other", "--autoencoder", str(tmp_path / "absent.pt")) == 1


def test_a_lift_is_taken_over_and_kept(
    crop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", TINY)

    def run(name: str, *more: str) -> dict[str, torch.Tensor]:
        words = ["--crops", str(crop_folder), "--output", str(tmp_path / name), "--config", "tiny", "--steps", "1"]
        monkeypatch.setattr(sys, "argv", [name, *words, "--batch-rows", "2", "--threads", "1", *more])
        assert train_recovery() == 0
        average: dict[str, torch.Tensor] = read_checkpoint(tmp_path / name / CHECKPOINT)["average"]
        return average

    def checkpoint(name: str) -> str:
        return str(tmp_path / name / CHECKPOINT)

    first = run("first")
    lift = run("lift", "--without-images", "--start-from", checkpoint("first"))
    both = run("both", "--start-from", checkpoint("first"), "--lift-from", checkpoint("lift"), "--keep-lift")
    assert not torch.equal(lift["joint_lift.joints.weight"], first["joint_lift.joints.weight"])
    for name in both:
        if name.startswith(tuple(f"joint_lift.{part}." for part in JOINT_PARTS)):
            assert torch.equal(both[name], lift[name]), name
    assert not torch.equal(both["pose_head.steps.0.weight"], lift["pose_head.steps.0.weight"])
    words = ["--output", str(tmp_path / "both"), "--export", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["export", *words])
    assert train_recovery() == 1
    assert "trained with, such as --keep-lift" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["export", *words, "--keep-lift"])
    assert train_recovery() == 0 and (tmp_path / "out" / "config.json").is_file()
