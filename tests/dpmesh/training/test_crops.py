"""Crops tell the truth about the body they show."""

from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dpmesh.body import load_body
from dpmesh.training.crops import Crops, make_crops
from dpmesh.training.troupe import SEEN_OF_30, Studio


class _Poses:
    """A few bends around standing."""

    def sample(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        return rng.normal(0, 0.15, (count, 24, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder: Path = tmp_path_factory.mktemp("backgrounds")
    rng = np.random.default_rng(0)
    paths = []
    for k in range(2):
        paths.append(folder / f"{k}.png")
        cv2.imwrite(str(paths[-1]), rng.integers(0, 255, (90, 160, 3), dtype=np.uint8))
    return Studio(load_body(device="cpu"), _Poses(), paths, "train")


@pytest.fixture(scope="module")
def crops(studio: Studio) -> Crops:
    return make_crops(studio, 3, np.arange(8), 64)


def test_the_same_seed_and_index_give_the_same_crop_in_any_company(studio: Studio, crops: Crops) -> None:
    again = make_crops(studio, 3, np.array([5, 2]), 64)
    for field in fields(Crops):
        whole, part = getattr(crops, field.name)[[5, 2]], getattr(again, field.name)
        if field.name == "image":
            assert np.abs(whole.astype(int) - part).mean() < 0.5
        else:
            np.testing.assert_allclose(whole, part, rtol=1e-3, atol=2e-3)
    assert not np.array_equal(crops.image[0], make_crops(studio, 4, np.array([0]), 64).image[0])


def test_joints_follow_from_pose_shape_and_translation(studio: Studio, crops: Crops) -> None:
    given = (torch.from_numpy(x) for x in (crops.pose, crops.betas, crops.trans))
    joints = studio.body.joints(*given, joint_set="dpmesh30").numpy()
    np.testing.assert_allclose(joints, crops.joints30_cam, atol=2e-4)


def test_crop_pixels_follow_from_camera_and_box(crops: Crops) -> None:
    full = crops.joints30_cam[..., :2] / crops.joints30_cam[..., 2:] * crops.focal_px[:, None, None]
    full += crops.principal_px[:, None]
    corner = crops.box_centre_px - crops.box_px[:, None] / 2
    expected = (full - corner[:, None]) * (64 / crops.box_px)[:, None, None]
    np.testing.assert_allclose(crops.joints30_px, expected, rtol=1e-3, atol=0.05)


def test_the_middle_of_the_crop_lies_on_the_crop_frame_axis(crops: Crops) -> None:
    ray = np.concatenate([(crops.box_centre_px - crops.principal_px) / crops.focal_px[:, None], np.ones((8, 1))], 1)
    seen_from_crop = np.einsum("nji,nj->ni", crops.camera_from_crop, ray)
    np.testing.assert_allclose(seen_from_crop[:, :2], 0, atol=1e-4)


def test_people_stand_upright_in_front_of_the_camera(crops: Crops) -> None:
    head, pelvis = crops.joints30_cam[:, 15], crops.joints30_cam[:, 0]
    assert (head[:, 1] < pelvis[:, 1] - 0.3).all()
    assert (crops.joints30_cam[..., 2] > 0).all()


def test_a_joint_outside_of_the_crop_or_the_image_is_marked_outside(crops: Crops) -> None:
    px = crops.joints30_px
    outside = ((px < 0) | (px >= 64)).any(-1)
    assert outside.any()
    assert (crops.visible30[outside] == 0).all()
    assert (crops.visible30 == 2).mean() > 0.3


def test_the_box_holds_most_of_the_joints_that_a_detector_sees(crops: Crops) -> None:
    px = crops.joints30_px[:, SEEN_OF_30]
    inside = ((px >= 0) & (px < 64)).all(-1).mean(1)
    assert (inside > 0.25).all()
    assert inside.mean() > 0.7


def test_outside_of_the_image_the_crop_is_black(crops: Crops) -> None:
    corner = crops.box_centre_px - crops.box_px[:, None] / 2
    for k in range(8):
        column = corner[k, 0] + (np.arange(64) + 0.5) * crops.box_px[k] / 64
        off = (column < 0) | (column >= crops.image_size[k, 0])
        assert (crops.image[k][:, off] == 0).all()
        assert crops.image[k][:, ~off].any()
