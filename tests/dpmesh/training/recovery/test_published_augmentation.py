"""The released training's noise, look and losses as options of this one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from configs.errors import InputError
from dpmesh.body.model import BodyModel
from dpmesh.keypoints import DPMESH30_GIVEN
from dpmesh.network.config import COMPACT, NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.noise.posefix import PoseFixNoise, outcome_rates, posefix_joints
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import prepare
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.published_augmentation import covers_of, with_published_augmentation
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan

PUBLISHED_HEADS = {"pose_head": "vposer", "camera_head": "published", "joint_lift": 0, "image_lift": 0}


def published_network() -> DPMesh:
    config = NetworkConfig(COMPACT.backbone, replace(COMPACT.regressor, **PUBLISHED_HEADS))
    return DPMesh(**config.to_mappings())


def plan(*, is_published: bool) -> TrainingPlan:
    return TrainingPlan(
        Schedule(1e-3, 2),
        batch_rows=4,
        is_bfloat16=False,
        is_image_used=False,
        noise=PoseFixNoise(),
        has_published_losses=is_published,
    )


def test_rates_of_outcomes_add_up_to_one() -> None:
    rates = outcome_rates(torch.tensor([3, 8, 17, 14]), torch.tensor([0, 1, 2, 3]))
    assert rates.shape == (4, 17, 5)
    assert torch.allclose(rates.sum(-1), torch.ones(4, 17))
    assert (rates > 0).all()


def test_given_joints_are_those_whose_true_place_is_seen(crop_batch: Crops) -> None:
    joints, given = posefix_joints(crop_batch, crop_batch.joints30_px, Rng((0,)))
    side = crop_batch.image.shape[-1]
    true = ((crop_batch.joints30_px >= 0) & (crop_batch.joints30_px < side)).all(-1) & (crop_batch.visible30 > 0)
    listed = list(DPMESH30_GIVEN)
    assert torch.equal(given[:, listed], true[:, listed])
    assert given.sum() == given[:, listed].sum()
    again, _ = posefix_joints(crop_batch, crop_batch.joints30_px, Rng((0,)))
    assert torch.equal(joints, again)
    assert (joints - crop_batch.joints30_px)[given].abs().max() > 1.0


def test_turned_joints_stay_where_the_picture_shows_them(crop_batch: Crops) -> None:
    """Joints of a body that looks along the axis fall the same way before and after."""
    batch = prepare(crop_batch, Rng((0,)), PoseFixNoise(), is_augmented=False)
    found = with_published_augmentation(batch, Rng((5,)))
    assert not torch.equal(found.truth.joints30_crop, batch.truth.joints30_crop)
    before, after = (
        torch.linalg.lstsq(
            torch.cat([t.joints30_cam[..., :2] - t.joints30_cam[:, :1, :2], torch.ones(len(t.pose), 30, 1)], dim=-1),
            t.joints30_crop,
        )
        for t in (batch.truth, found.truth)
    )
    # Pixels are about one scale times metres along both axes, with no turn between them, before and after.
    for solved in (before.solution, after.solution):
        assert (solved[:, 0, 1].abs() < 0.15 * solved[:, 0, 0].abs()).all()
        assert (solved[:, 1, 0].abs() < 0.15 * solved[:, 1, 1].abs()).all()


def test_a_rectangle_that_fits_nowhere_covers_nothing() -> None:
    outside = torch.tensor([[-500.0, -500.0, 100.0, 100.0]])
    assert covers_of(outside, torch.rand(1, 6, 4), 128).abs().sum() == 0


def test_a_network_with_the_published_heads_trains(crop_folder: Path, body: BodyModel, tmp_path: Path) -> None:
    trainer = Trainer(published_network(), body, plan(is_published=True), tmp_path / "run")
    trainer.train(CropShards([crop_folder]), None)
    assert trainer.step == 2
    later = Trainer(published_network(), body, plan(is_published=True), tmp_path / "run")
    assert later.resume()


def test_losses_that_do_not_fit_the_network_are_refused(body: BodyModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--losses"):
        Trainer(published_network(), body, plan(is_published=False), tmp_path / "run")
