"""Feet that rest and the plane they rest on."""

import numpy as np
import pytest

from dpmesh.body import JOINT_SETS
from refine.scene.ground import BALL_OVER_SOLE_M, STANDING_MIN, STILL_M_S, Ground, find_ground, resting

NAMES = JOINT_SETS["smpl24"]
FEET = [NAMES.index("left_foot"), NAMES.index("right_foot")]
TIMES = np.arange(20) / 25
UP = np.array([0.1, -0.98, -0.17]) / np.linalg.norm([0.1, -0.98, -0.17])


def standing(x: float, depth: float, frames: int = 20) -> np.ndarray:
    """Return joints of somebody upright whose feet are on the plane 1.5 m below the camera, along `UP`."""
    joints = np.zeros((frames, 24, 3))
    for foot, shift in zip(FEET, (-0.1, 0.1), strict=True):
        place = np.array([x + shift, 0.0, depth])
        joints[:, foot] = place + (-1.5 + BALL_OVER_SOLE_M - place @ UP) * UP
    joints[:, NAMES.index("pelvis")] = joints[:, FEET].mean(axis=1) + 0.9 * UP
    joints[:, NAMES.index("neck")] = joints[:, FEET].mean(axis=1) + 1.4 * UP
    return joints


def test_a_foot_rests_as_surely_as_it_is_slow_across_the_line_of_sight() -> None:
    joints = standing(0.0, 4.0)
    joints[:, FEET[1], 0] += STILL_M_S * TIMES
    joints[:, FEET[0]] *= (1.0 + 0.3 * TIMES)[:, None]  # straight away from the camera
    found = resting(joints, TIMES, np.arange(20) > 0)
    np.testing.assert_allclose(found[1:, 0], 1.0, atol=0.01)
    np.testing.assert_allclose(found[1:, 1], np.exp(-1.0), atol=0.02)
    assert not found[0].any()  # nobody saw it


def test_a_few_rows_tell_of_no_rest() -> None:
    assert not resting(standing(0.0, 4.0, 4), TIMES[:4], np.ones(4, bool)).any()
    assert resting(standing(0.0, 4.0, 5), TIMES[:5], np.ones(5, bool)).all()


def test_the_ground_is_the_plane_under_all_feet_and_heights_are_over_it() -> None:
    people = [standing(-1.5, 4.0), standing(0.0, 6.0), standing(2.0, 5.0)]
    found = find_ground(people, [np.ones((20, 2))] * 3)
    assert found is not None
    np.testing.assert_allclose(found.up, UP, atol=0.01)
    np.testing.assert_allclose(found.height(people[1][:, FEET]), BALL_OVER_SOLE_M, atol=0.02)
    assert Ground(UP, -1.5).height(-1.5 * UP + 0.25 * UP) == pytest.approx(0.25)


def test_too_few_resting_feet_give_no_ground() -> None:
    rest = np.full((20, 2), STANDING_MIN / 40)
    assert find_ground([standing(0.0, 4.0)], [0.99 * rest]) is None
    assert find_ground([standing(0.0, 4.0)], [1.01 * rest]) is not None
