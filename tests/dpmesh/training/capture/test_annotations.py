"""Files of joints as CMU Panoptic has them."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from configs.skeletons import COCO_NAMES
from dpmesh.training.capture.annotations import (
    INSIDE_M,
    is_inside,
    joints15,
    joints19,
    write_poses,
    write_reference,
)
from pipeline.evaluation.capture import read_reference

PANOPTIC19 = (
    "neck", "nose", "body_centre", "left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee", "left_ankle",
    "right_shoulder", "right_elbow", "right_wrist", "right_hip", "right_knee", "right_ankle", "left_eye", "left_ear",
    "right_eye", "right_ear",
)  # fmt: skip


def test_the_order_is_that_of_the_toolbox() -> None:
    coco = np.zeros((17, 3))
    coco[:, 0] = np.arange(17)
    nineteen, fifteen = joints19(coco)[:, 0], joints15(coco, np.array([99.0, 0, 0]))[:, 0]
    for name, value in zip(PANOPTIC19, nineteen, strict=True):
        wanted = {"neck": 5.5, "body_centre": 11.5}.get(name)
        assert value == (COCO_NAMES.index(name) if wanted is None else wanted), name
    assert fifteen.tolist() == [5.5, 99.0, 11.5, *nineteen[3:15]]


def test_files_have_centimetres_and_y_down_and_only_those_who_are_there(tmp_path: Path) -> None:
    joints = np.zeros((2, 3, 19, 3))
    joints[1, 2, 4] = [0.5, 1.5, -0.25]
    shown = np.array([[True, True, False], [True, True, True]])
    write_poses(tmp_path / "poses", "joints19", joints, shown, Fraction(25))
    files = sorted((tmp_path / "poses").iterdir())
    assert [path.name for path in files] == [f"body3DScene_{k:08d}.json" for k in range(3)]
    scenes = [json.loads(path.read_text()) for path in files]
    assert [[body["id"] for body in scene["bodies"]] for scene in scenes] == [[0, 1], [0, 1], [1]]
    assert [scene["univTime"] for scene in scenes] == [0.0, 40.0, 80.0]
    values = np.reshape(scenes[2]["bodies"][0]["joints19"], (19, 4))
    assert values[4].tolist() == [50.0, -150.0, 25.0, 1.0]


def test_the_reference_is_in_metres_with_z_up_and_nobody_outside(tmp_path: Path) -> None:
    coco = np.full((1, 2, 17, 3), 0.5)
    coco[0, 0] += np.linspace(0, 1, 17)[:, None]
    coco[0, 1, :, 0] = INSIDE_M
    assert is_inside(coco).tolist() == [[True, False]]
    write_reference(tmp_path / "reference.npz", coco, is_inside(coco))
    read = read_reference(tmp_path / "reference.npz")
    assert np.isnan(read[0, 1]).all()
    assert read[0, 0, 16] == pytest.approx([1.5, -1.5, 1.5])
