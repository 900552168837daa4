from pathlib import Path

import pytest
import torch

from configs.errors import InputError
from dpmesh.body import load_body
from dpmesh.network.heads import rot6d_to_matrix
from dpmesh.network.model import DPMesh
from dpmesh.training.recovery.batches import prepare
from dpmesh.training.recovery.crops import CropBatch, CropShards
from dpmesh.training.recovery.losses import recovery_losses
from dpmesh.training.recovery.noise import KeypointNoise
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan, find_config


def make_trainer(output: Path, steps: int) -> Trainer:
    torch.manual_seed(0)
    plan = TrainingPlan(steps, batch_rows=4, warm_up_steps=2, is_bfloat16=False, is_image_used=False)
    return Trainer(DPMesh(**find_config(output, "compact")), load_body(None), plan, output)


def weights_of(trainer: Trainer) -> torch.Tensor:
    return torch.cat([value.flatten() for value in trainer.network.pose_head.state_dict().values()])


def test_training_stopped_and_continued_takes_the_steps_that_are_left(crop_folder: Path, tmp_path: Path) -> None:
    crops = CropShards([crop_folder])
    first = make_trainer(tmp_path / "run", 2)
    first.train(crops, None)
    again = make_trainer(tmp_path / "run", 3)
    assert again.resume() and again.step == 2
    assert torch.equal(weights_of(again), weights_of(first))
    again.train(crops, None)
    assert again.step == 3
    assert not torch.equal(weights_of(again), weights_of(first))


def test_a_later_stage_starts_from_the_averaged_weights(crop_folder: Path, tmp_path: Path) -> None:
    first = make_trainer(tmp_path / "a", 2)
    first.train(CropShards([crop_folder]), None)
    second = make_trainer(tmp_path / "b", 2)
    second.start_from(first.checkpoint_path)
    assert second.step == 0
    averaged = first.averaged().pose_head.state_dict()
    assert all(torch.equal(value, averaged[name]) for name, value in second.network.pose_head.state_dict().items())


def test_the_truth_itself_has_no_loss(crop_batch: CropBatch) -> None:
    """A network that says exactly what is true pays nothing in any term but the decoder's joints."""
    import numpy as np

    batch = prepare(crop_batch, np.random.default_rng(0), "cpu", KeypointNoise(), is_augmented=False)
    truth = batch.truth
    network = DPMesh.from_preset("compact").eval()
    with torch.no_grad():
        output = network(None, batch.joints, batch.mask)
    from dataclasses import replace

    from dpmesh.geometry.camera import crop_from_translation
    from dpmesh.geometry.rotations import axis_angle_to_matrix

    wanted = axis_angle_to_matrix(truth.pose)
    wanted[:, 0] = truth.camera_from_crop.mT @ wanted[:, 0]
    raw = wanted[..., :2].flatten(-2)
    assert torch.allclose(rot6d_to_matrix(raw), wanted, atol=1e-5)
    scale, shift = crop_from_translation(
        truth.joints30_cam[:, 0], truth.box_centre_px, truth.box_px, truth.focal_px, truth.principal_px
    )
    camera = torch.cat([torch.log(torch.expm1(scale))[:, None] - 0.5413248, shift], dim=-1)
    layers = output.layers
    exact = replace(
        layers,
        pose_raw=raw.flatten(1).expand_as(layers.pose_raw),
        betas=truth.betas.expand_as(layers.betas),
        camera_raw=camera.expand_as(layers.camera_raw),
    )
    losses = recovery_losses(replace(output, layers=exact), truth, load_body(None))
    assert losses.keys() == {"joints_3d", "joints_2d", "shape", "root", "pose", "joint_img"}
    for name, value in losses.items():
        if name != "joint_img":
            assert float(value) < 1e-3, name
    assert float(losses["joint_img"]) > 0.01


def test_a_folder_without_crops_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make_crops"):
        CropShards([tmp_path])


def test_shards_finished_later_are_found(crop_folder: Path) -> None:
    shards = sorted(crop_folder.glob("*.npz"))
    hidden = shards[1].rename(crop_folder / "unfinished")
    crops = CropShards([crop_folder])
    assert len(crops) == 8
    hidden.rename(shards[1])
    assert crops.refresh() == 16
