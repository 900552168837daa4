"""Crops of people who lie or stand on their heads, turned upright."""

import math

import numpy as np
import pytest
import torch

from dpmesh.keypoints import DPMESH30_NECK, DPMESH30_PELVIS
from dpmesh.network.config import LATENT_PX
from dpmesh.recovery.quarter_turns import quarter_turns, turn_matrices, upright_images, upright_joints

SIDE_PX = 100.0


def turns_of(degrees: float, spine_px: float = 30.0, sure: tuple[bool, bool] = (True, True)) -> int:
    """Return the turns of somebody whose spine points so far from up, clockwise."""
    joints, is_sure = np.full((1, 30, 2), 7.0), np.ones((1, 30), bool)
    angle = math.radians(degrees)
    joints[0, DPMESH30_NECK] = joints[0, DPMESH30_PELVIS] + spine_px * np.array([math.sin(angle), -math.cos(angle)])
    is_sure[0, [DPMESH30_NECK, DPMESH30_PELVIS]] = sure
    turns = quarter_turns(joints, is_sure, np.array([SIDE_PX]))
    assert turns.dtype == np.int64
    return int(turns[0])


@pytest.mark.parametrize(
    ("degrees", "turns"),
    [
        *((0, 0), (74, 0), (-74, 0), (46, 0)),
        *((75.01, 1), (134, 1), (136, 2), (180, 2), (-136, 2), (-134, 3), (-90, 3), (-75.01, 3)),
    ],
)
def test_people_are_turned_by_the_nearest_quarter_from_75_degrees_on(degrees: float, turns: int) -> None:
    assert turns_of(degrees) == turns


def test_a_spine_that_is_short_or_not_sure_turns_nobody() -> None:
    assert [turns_of(90, spine) for spine in (9.9, 10.1)] == [0, 1]
    assert [turns_of(90, sure=sure) for sure in ((True, False), (False, True), (False, False))] == [0, 0, 0]


@pytest.mark.parametrize("turn", range(4))
def test_a_joint_stays_on_its_spot_when_the_crop_is_turned_upright(turn: int) -> None:
    images, joints = (
        torch.zeros(2, 3, LATENT_PX, LATENT_PX),
        torch.tensor([[[5.5, 20.5]], [[28.5, 3.5]]]).expand(2, 30, 2),
    )
    images[0, :, 20, 5] = images[1, :, 3, 28] = 1.0
    turns = np.array([turn, 0])
    upright, moved = upright_images(images, turns), upright_joints(joints, turns)
    for image, (x, y) in zip(upright, moved[:, 0].tolist(), strict=True):
        assert image[0, int(y), int(x)] == 1.0 and image.sum() == 3.0
    torch.testing.assert_close(moved[1], joints[1])
    assert torch.equal(upright[1], images[1])
    assert torch.equal(moved[0], joints[0]) == (turn == 0)


def test_crops_that_stand_upright_are_not_copied() -> None:
    images = torch.zeros(2, 3, 4, 4)
    assert upright_images(images, np.zeros(2, np.int64)) is images


@pytest.mark.parametrize("turn", range(4))
def test_turns_are_rotations_about_the_viewing_axis_that_take_up_clockwise(turn: int) -> None:
    (found,) = turn_matrices(np.array([turn]))
    torch.testing.assert_close(torch.linalg.matrix_power(found, 4), torch.eye(3))
    assert torch.linalg.det(found) == pytest.approx(1.0)
    assert (found @ torch.tensor([0.0, -1.0, 0.0])).tolist() == [[0, -1, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0]][turn]
    assert (found @ torch.tensor([0.0, 0.0, 1.0])).tolist() == [0, 0, 1]
