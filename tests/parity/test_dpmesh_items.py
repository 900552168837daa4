"""Whole test-time items: picture and keypoints in, the network's inputs out, as the released checkpoints had them."""

from typing import Any

import numpy as np
import pytest

from configs.skeletons import COCO_NAMES, DPMESH30
from dpmesh.geometry.crop import crop_matrices, invert_affine
from dpmesh.geometry.types import default_focal
from dpmesh.recovery.crop_inputs import CropInputs, crop_inputs, published_squares
from trackers.keypoint_layouts import LAYOUTS

CROP_PX = 256
SCORE_MIN = 0.05
PIXEL_VALUE = 2 / 255  # OpenCV's rounding differs between versions


@pytest.fixture
def joints(item_case: Any) -> np.ndarray:
    is_openpose = item_case.name.endswith("openpose")
    names = (*LAYOUTS["openpose18"].points, "pelvis") if is_openpose else (*COCO_NAMES, "pelvis", "neck")
    thirty = np.zeros((1, len(DPMESH30), 3), item_case["keypoints"].dtype)
    thirty[:, [DPMESH30.index(name) for name in names]] = item_case["keypoints"]
    return thirty


@pytest.fixture
def image(item_case: Any) -> np.ndarray:
    return item_case.arrays["test_item/image"]


@pytest.fixture
def square(joints: np.ndarray, image: np.ndarray) -> np.ndarray:
    nowhere = np.full((1, 4), np.nan)  # the keypoints bound these people
    return published_squares(joints[..., :2], joints[..., 2] > SCORE_MIN, nowhere, np.array([image.shape[1::-1]]))


@pytest.fixture
def inputs(joints: np.ndarray, image: np.ndarray, square: np.ndarray) -> CropInputs:
    return crop_inputs([image], np.zeros(1, int), joints[..., :2], joints[..., 2] > SCORE_MIN, square, CROP_PX)


def test_the_square_is_the_published_one(item_case: Any, square: np.ndarray) -> None:
    x, y, width, height = item_case["bbox"]
    assert width == height
    np.testing.assert_allclose(square[0], (x + width / 2, y + width / 2, width), atol=1e-3)


def test_the_affines_are_the_published_ones(item_case: Any, square: np.ndarray) -> None:
    found = crop_matrices(square[:, :2], square[:, [2, 2]], CROP_PX)
    np.testing.assert_allclose(found[0], item_case["img2bb"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(invert_affine(found)[0], item_case["bb2img"], rtol=1e-5, atol=1e-6)


def test_the_crop_is_the_published_one(item_case: Any, inputs: CropInputs) -> None:
    found = inputs.image[0].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(found, item_case["crop"].astype(np.float64), atol=PIXEL_VALUE)
    assert found.mean() == pytest.approx(float(item_case["crop_mean"]), abs=1e-3)


def test_joints_and_mask_are_the_published_ones(item_case: Any, inputs: CropInputs, joints: np.ndarray) -> None:
    np.testing.assert_allclose(inputs.joints[0], item_case["joints"][:, :2], atol=1e-4)
    np.testing.assert_array_equal(joints[0, :, 2], item_case["joints"][:, 2])
    np.testing.assert_array_equal(inputs.is_given[0], item_case["mask"][:, 0] > 0)


def test_the_focal_length_is_the_published_one(item_case: Any, image: np.ndarray) -> None:
    assert default_focal(*image.shape[:2]) == pytest.approx(float(item_case["focal"]))
