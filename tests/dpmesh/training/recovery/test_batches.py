import numpy as np
import pytest

from dpmesh.training.recovery.batches import as_annotated, mirrored, prepare
from dpmesh.training.recovery.crops import CropBatch
from dpmesh.training.recovery.noise import KeypointNoise, noisy_joints

NO_NOISE = KeypointNoise(
    jitter=0,
    hidden_jitter=0,
    miss_rate=0,
    inversion_rate=0,
    swap_rate=0,
    drop_visible=0,
    drop_hidden=0,
    blackout_rate=0,
)


def reprojected(crops: CropBatch) -> np.ndarray:
    pixels = crops.focal_px[:, None, None] * crops.joints30_cam[..., :2] / crops.joints30_cam[..., 2:]
    pixels = pixels + crops.principal_px[:, None] - crops.box_centre_px[:, None]
    return pixels * (128 / crops.box_px)[:, None, None] + 64


def test_a_mirrored_crop_is_still_what_its_camera_sees(crop_batch: CropBatch) -> None:
    turned = mirrored(crop_batch, np.random.default_rng(0))
    is_turned = (turned.image != crop_batch.image).any(axis=(1, 2, 3))
    assert 0 < is_turned.sum() < len(is_turned)
    np.testing.assert_allclose(reprojected(turned), turned.joints30_px, atol=2e-3)


def test_mirroring_keeps_rotations_proper(crop_batch: CropBatch) -> None:
    turned = mirrored(crop_batch, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.det(turned.camera_from_crop), 1.0, atol=1e-5)


def test_only_the_hips_move_where_people_mark_them(crop_batch: CropBatch) -> None:
    shift = np.abs(as_annotated(crop_batch) - crop_batch.joints30_px).max(axis=(0, 2))
    assert (shift[[1, 2]] > 0.5).all()
    assert np.delete(shift, [1, 2]).max() == 0.0


def test_without_noise_the_given_joints_are_the_true_ones(crop_batch: CropBatch) -> None:
    joints, given = noisy_joints(
        crop_batch.joints30_px,
        crop_batch.visible30,
        crop_batch.neighbour_joints17_px,
        128,
        NO_NOISE,
        np.random.default_rng(0),
    )
    assert given.sum(axis=1).max() == 19  # what COCO keypoints determine
    kept = given.copy()
    kept[:, [0, 12]] = False  # pelvis and neck are the means of their pairs, not the joints themselves
    np.testing.assert_allclose(joints[kept], crop_batch.joints30_px[kept], atol=1e-5)


def test_noise_is_the_same_for_the_same_seed_and_differs_for_another(crop_batch: CropBatch) -> None:
    def draw(seed: int) -> np.ndarray:
        return prepare(
            crop_batch, np.random.default_rng(seed), "cpu", KeypointNoise(), is_augmented=True
        ).joints.numpy()

    np.testing.assert_array_equal(draw(3), draw(3))
    assert np.abs(draw(3) - draw(4)).max() > 0.1


@pytest.mark.parametrize("is_augmented", [False, True])
def test_a_batch_has_the_shapes_the_network_takes(crop_batch: CropBatch, is_augmented: bool) -> None:
    batch = prepare(crop_batch, np.random.default_rng(0), "cpu", KeypointNoise(), is_augmented=is_augmented)
    assert batch.image.shape == (6, 3, 128, 128) and batch.image.min() >= 0 and batch.image.max() <= 1
    assert batch.joints.shape == (6, 30, 2) and batch.mask.shape == (6, 30, 1)
