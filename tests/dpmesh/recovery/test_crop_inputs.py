"""What the network is given of each person."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dpmesh.body import load_body
from dpmesh.keypoints import to_dpmesh30
from dpmesh.network.config import COMPACT, NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.recovery import recover as recovery
from dpmesh.recovery.crop_inputs import crop_inputs, published_squares
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


def test_a_person_without_sure_joints_is_cut_round_the_detected_box() -> None:
    joints, confidence = to_dpmesh30(person(0.0))
    square = published_squares(joints, confidence > 0.05, np.array([[10.0, 20.0, 50.0, 100.0]]), SIZE)
    np.testing.assert_allclose(square, [[30.0, 60.0, 80.0]])


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
    body = BodyRecovery(DPMesh(**config.to_mappings()), load_body(None), device="cpu")
    found = body.recover([np.zeros((480, 640, 3), np.uint8)], people)
    assert found.params.pose.shape == (1, 24, 3)
    assert bool(asked) == (camera_head == "published")
