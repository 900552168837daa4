"""Crops on their way into the network."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from configs.skeletons import MIRRORED_30
from dpmesh.body.model import BodyModel
from dpmesh.keypoints import DPMESH30_FROM_COCO
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.simulated import CLEAN, CONFIDENCE_MIN, KeypointNoise, noisy_joints
from dpmesh.training.people.annotated import as_annotated
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import filtered, mirrored, prepare, recoloured


def reprojected(crops: Crops) -> Tensor:
    pixels = crops.focal_px[:, None, None] * crops.joints30_cam[..., :2] / crops.joints30_cam[..., 2:]
    pixels = pixels + (crops.principal_px - crops.box_centre_px)[:, None]
    return pixels * (128 / crops.box_px)[:, None, None] + 64


def is_turned(before: Crops, after: Crops) -> Tensor:
    return (before.image != after.image).flatten(1).any(1)


def test_a_mirrored_crop_is_still_what_its_camera_sees(crop_batch: Crops) -> None:
    after = mirrored(crop_batch, Rng((0,)))
    turned = is_turned(crop_batch, after)
    assert 0 < turned.sum() < len(turned)
    assert torch.equal(after.image[turned], crop_batch.image[turned].flip(-1))
    torch.testing.assert_close(reprojected(after), after.joints30_px, rtol=0, atol=4e-3)


def test_a_mirrored_pose_is_the_pose_of_the_mirrored_joints(crop_batch: Crops, body: BodyModel) -> None:
    after = mirrored(crop_batch, Rng((0,)))
    joints = body.joints(after.pose, after.betas, torch.zeros_like(after.trans), joint_set="dpmesh30")
    given = after.joints30_cam
    torch.testing.assert_close(joints - joints[:, :1], given - given[:, :1], rtol=0, atol=1e-3)


def test_mirroring_twice_gives_the_crop_back_and_keeps_rotations_proper(crop_batch: Crops) -> None:
    once = mirrored(crop_batch, Rng((0,)))
    assert torch.allclose(torch.linalg.det(once.camera_from_crop), torch.ones(6), atol=1e-5)
    twice = mirrored(once, Rng((0,)))
    for name in ("image", "pose", "camera_from_crop", "box_centre_px", "joints30_px", "joints30_cam", "visible30"):
        torch.testing.assert_close(getattr(twice, name), getattr(crop_batch, name), rtol=0, atol=1e-3)


def test_in_the_mirror_the_left_is_the_right(crop_batch: Crops) -> None:
    marks = crop_batch.visible30.clone()
    marks[:, 20] = 0
    after = mirrored(replace(crop_batch, visible30=marks), Rng((0,)))
    turned = is_turned(crop_batch, after)
    assert MIRRORED_30[20] == 21
    assert torch.equal(after.visible30[:, 21] == 0, turned) and torch.equal(after.visible30[:, 20] == 0, ~turned)


def test_only_the_hips_move_where_people_mark_them(crop_batch: Crops) -> None:
    shift = (as_annotated(crop_batch) - crop_batch.joints30_px).abs().amax((0, 2))
    assert (shift[[1, 2]] > 0.5).all()
    shift[[1, 2]] = 0
    assert shift.max() == 0.0


def test_without_noise_the_given_joints_are_the_true_ones(crop_batch: Crops) -> None:
    joints, confidence = noisy_joints(crop_batch, crop_batch.joints30_px, CLEAN, Rng((0,)))
    given = confidence > 0
    assert given.sum(1).max() == 19  # what COCO keypoints determine
    assert not joints[~given].any()
    given[:, [0, 12]] = False  # pelvis and neck are the means of their pairs, not the joints themselves
    torch.testing.assert_close(joints[given], crop_batch.joints30_px[given], rtol=0, atol=1e-5)


def test_a_joint_outside_is_never_given_and_a_hidden_one_seldom(crop_batch: Crops) -> None:
    marks = crop_batch.visible30.clone()
    marks[:, 4], marks[:, 5] = 0, 1
    crops = replace(crop_batch, visible30=marks)
    _, confidence = noisy_joints(crops, crops.joints30_px, replace(CLEAN, drop_hidden=1e6), Rng((0,)))
    given = confidence > 0
    assert not given[:, [4, 5]].any()
    assert given[:, [7, 8]].all()


def test_a_whole_inversion_takes_every_left_for_a_right(crop_batch: Crops) -> None:
    all_turned = replace(CLEAN, whole_inversion_rate=1.0)
    joints, confidence = noisy_joints(crop_batch, crop_batch.joints30_px, all_turned, Rng((0,)))
    given = confidence > 0
    other = crop_batch.joints30_px[:, list(MIRRORED_30)]
    given[:, [0, 12]] = False
    torch.testing.assert_close(joints[given], other[given], rtol=0, atol=1e-5)


def test_a_swapped_joint_is_that_of_a_neighbour_near_by(crop_batch: Crops) -> None:
    near = crop_batch.joints30_px[:, list(DPMESH30_FROM_COCO)] + 3.0
    order = torch.tensor(list(DPMESH30_FROM_COCO.values())).argsort()
    far = near[:, order] + 200.0
    neighbours = torch.stack([near[:, order], far, torch.full_like(far, torch.nan), near[:, order]], 1)
    crops = replace(crop_batch, neighbour_joints17_px=neighbours)
    joints, confidence = noisy_joints(crops, crops.joints30_px, replace(CLEAN, swap_rate=1.0), Rng((0,)))
    given = confidence > 0
    given[:, [0, 12]] = False
    shift = (joints - crops.joints30_px)[given]
    assert ((shift - 3.0).abs().amax(1) < 1e-4).float().mean() == pytest.approx(0.5, abs=0.2)
    assert (((shift - 3.0).abs().amax(1) < 1e-4) | (shift.abs().amax(1) < 1e-4)).all()


def test_noise_is_the_same_for_the_same_chance_and_differs_for_another(crop_batch: Crops) -> None:
    def draw(seed: int) -> Tensor:
        return prepare(crop_batch, Rng((seed,)), KeypointNoise(), is_augmented=True).joints

    assert torch.equal(draw(3), draw(3))
    assert (draw(3) - draw(4)).abs().max() > 0.1


@pytest.mark.parametrize("is_augmented", [False, True])
def test_a_batch_has_the_shapes_the_network_takes(crop_batch: Crops, is_augmented: bool) -> None:
    batch = prepare(crop_batch, Rng((0,)), KeypointNoise(), is_augmented=is_augmented)
    assert batch.image.shape == (6, 3, 128, 128) and batch.image.min() >= 0 and batch.image.max() <= 1
    assert batch.joints.shape == (6, 30, 2) and batch.mask.shape == (6, 30, 1)
    assert batch.mask.min() == 0.0 and CONFIDENCE_MIN <= batch.mask[batch.mask > 0].min() < batch.mask.max() <= 1.0


def test_given_joints_lie_in_the_grid_where_the_truth_has_them_over_the_crop(crop_batch: Crops) -> None:
    behind = crop_batch.joints30_px.clone()
    behind[0, 9] = torch.nan
    batch = prepare(replace(crop_batch, joints30_px=behind), Rng((0,)), CLEAN, is_augmented=False)
    given = batch.mask[..., 0] > 0
    given[:, [0, 12]] = False
    torch.testing.assert_close(batch.joints[given] / 32, batch.truth.annotated30_crop[given], rtol=0, atol=1e-5)
    assert batch.truth.joints30_crop.isfinite().all() and (batch.truth.joints30_crop[0, 9] > 2).all()
    assert torch.equal(batch.truth.visible30, crop_batch.visible30)


def test_filtered_pictures_keep_their_brightness_and_half_of_them_change() -> None:
    before = torch.rand(60, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    after = filtered(before, Rng((0,)))
    assert after.min() >= 0 and after.max() <= 1
    change = (after - before).abs().mean((1, 2, 3))
    assert 15 < (change == 0).sum() < 45 and change.max() > 0.1
    torch.testing.assert_close(after.mean((1, 2, 3)), before.mean((1, 2, 3)), rtol=0, atol=0.05)


def test_recoloured_pictures_stay_pictures_and_some_turn_grey() -> None:
    before = torch.rand(60, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    after = recoloured(before, Rng((0,)))
    assert after.min() >= 0 and after.max() <= 1
    grey = (after.amax(1) - after.amin(1)).amax((1, 2)) < 1e-6
    assert 0 < grey.sum() < 20
    assert (after - before).abs().mean((1, 2, 3)).min() > 0.005


def test_a_detector_is_less_sure_of_joints_that_scatter_more(crop_batch: Crops) -> None:
    def sure(jitter: float) -> float:
        _, confidence = noisy_joints(crop_batch, crop_batch.joints30_px, replace(CLEAN, jitter=jitter), Rng((0,)))
        assert confidence[confidence > 0].min() >= CONFIDENCE_MIN and confidence.max() <= 1.0
        return float(confidence[confidence > 0].mean())

    assert sure(0.0) == 1.0
    assert 0.95 > sure(0.012) > sure(0.03) + 0.1 > sure(0.08) + 0.2
