"""What the network is given of each person."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from configs.schema import RecoverSettings
from dpmesh.body import load_body
from dpmesh.keypoints import to_dpmesh30
from dpmesh.network.config import COMPACT, NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.recovery import recover as recovery
from dpmesh.recovery.crop_inputs import CropInputs, crop_inputs, published_squares
from dpmesh.recovery.recover import BodyRecovery, PeopleInImages

SIZE = np.array([[640, 480]])


def person(confidence: float = 0.9) -> np.ndarray:
    rng = np.random.default_rng(0)
    places = rng.uniform((200, 100), (300, 400), (17, 2))
    return np.concatenate([places, np.full((17, 1), confidence)], axis=1)[None].astype(np.float32)


def test_the_published_square_holds_every_sure_joint() -> None:
    joints, confidence = to_dpmesh30(person())
    square = published_squares(joints, confidence > 0.05, np.full((1, 4), np.nan), SIZE)
    given = crop_inputs([np.zeros((480, 640, 3), np.uint8)], np.zeros(1, int), joints, confidence > 0.05, square, 256)
    assert given.is_given.sum() == (confidence > 0).sum() == 19
    assert given.image.shape == (1, 256, 256, 3)


def test_joints_are_told_in_cells_of_the_crop_and_given_where_they_are_sure_and_inside() -> None:
    inside = [(100.0, 50.0), (163.9, 113.9), (132.0, 82.0)]
    outside = [(99.9, 82.0), (132.0, 49.9), (164.0, 82.0), (132.0, 114.0)]  # left, above, right, below
    joints = np.array([inside + outside + [(132.0, 82.0)] * 23])
    is_sure = np.ones((1, 30), bool)
    is_sure[0, 2] = False
    square = np.array([[132.0, 82.0, 64.0]])
    given = crop_inputs([np.zeros((240, 320, 3), np.uint8)], np.zeros(1, int), joints, is_sure, square, 64)
    assert given.is_given[0].tolist() == [True, True, False] + [False] * 4 + [True] * 23
    assert given.joints.dtype == np.float32
    np.testing.assert_allclose(given.joints[0], (joints[0] - [100.0, 50.0]) / 2, atol=1e-4)


def test_inputs_of_another_number_of_joints_are_refused() -> None:
    image, joints = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 30, 2), np.float32)
    with pytest.raises(ValueError, match="joints"):
        CropInputs(image, joints[:1], np.zeros((2, 30), bool))
    with pytest.raises(ValueError, match="is_given"):
        CropInputs(image, joints, np.zeros((2, 29), bool))
    with pytest.raises(ValueError, match="image"):
        CropInputs(image[:, :4], joints, np.zeros((2, 30), bool))


@pytest.mark.parametrize(
    ("box_xyxy", "square"),
    [
        ([10.0, 20.0, 50.0, 100.0], [30.0, 60.0, 80.0]),
        ([10.0, 20.0, 110.0, 40.0], [60.0, 30.0, 100.0]),
        ([10.0, 20.0, 13.0, 22.0], [11.5, 21.0, 4.0]),
    ],
)
def test_a_person_without_sure_joints_is_cut_round_the_detected_box(box_xyxy: list[float], square: list[float]) -> None:
    joints, confidence = to_dpmesh30(np.concatenate([person(0.0), person(0.9)]))
    joints[1] += 5000.0  # sure, and outside the picture
    found = published_squares(joints, confidence > 0.05, np.tile(box_xyxy, (2, 1)), np.tile(SIZE, (2, 1)))
    np.testing.assert_allclose(found, [square, square])
    assert found.dtype == np.float32


@pytest.mark.parametrize("camera_head", ["scale", "published"])
def test_a_network_with_the_published_camera_is_given_published_crops(
    camera_head: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    squares = recovery.published_squares
    monkeypatch.setattr(recovery, "published_squares", lambda *args: asked.append(args) or squares(*args))
    config = NetworkConfig(COMPACT.backbone, replace(COMPACT.regressor, camera_head=camera_head))
    people = PeopleInImages(
        np.zeros(1, np.int64),
        np.array([[200, 100, 300, 400]], np.float32),
        person(),
        np.array([800.0], np.float32),
        np.array([[320.0, 240.0]], np.float32),
    )
    body = BodyRecovery(DPMesh(**config.to_mappings()), load_body(None), RecoverSettings(), device="cpu")
    found = body.recover([np.zeros((480, 640, 3), np.uint8)], people)
    assert found.params.pose.shape == (1, 24, 3)
    assert bool(asked) == (camera_head == "published")
