import numpy as np
import pytest

from dpmesh.geometry.fit import OUTLIER_FRACTION, _agreement, fit_translation


def make_people(count: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(count)
    joints = rng.normal(size=(count, 17, 3)) * [0.3, 0.5, 0.2]
    translation = rng.normal(size=(count, 3)) * [1.0, 0.5, 1.0] + [0, 0, 6]
    focal, principal = rng.uniform(600, 2000, count), rng.uniform(200, 900, (count, 2))
    points = joints + translation[:, None]
    pixels = points[..., :2] / points[..., 2:] * focal[:, None, None] + principal[:, None]
    return joints, translation, focal, principal, pixels


@pytest.mark.parametrize("count", [0, 1, 5])
def test_exact_keypoints_give_the_exact_translation(count: int) -> None:
    joints, translation, focal, principal, pixels = make_people(count)
    found = fit_translation(joints, pixels, np.ones((count, 17)), focal, principal, translation * 1.3)
    np.testing.assert_allclose(found, translation, atol=2e-3)


def test_one_wrong_keypoint_hardly_moves_the_body() -> None:
    joints, translation, focal, principal, pixels = make_people(4)
    pixels[:, 3] += 300.0
    found = fit_translation(joints, pixels, np.ones((4, 17)), focal, principal, translation * 1.2)
    np.testing.assert_allclose(found, translation, atol=0.02)


def test_a_row_with_two_keypoints_keeps_its_start_and_one_with_three_does_not() -> None:
    joints, translation, focal, principal, pixels = make_people(3)
    weights = np.ones((3, 17))
    weights[1, 2:] = weights[2, 3:] = 0.0
    found = fit_translation(joints, pixels, weights, focal, principal, translation + 1.0)
    np.testing.assert_allclose(found[1], translation[1] + 1.0, atol=1e-6)
    np.testing.assert_allclose(found[[0, 2]], translation[[0, 2]], atol=2e-2)


def test_keypoints_lose_weight_by_how_far_off_they_are_beside_the_extent_of_those_that_count() -> None:
    points = np.array([[[0.0, 0, 1], [2.0, 0, 2], [0.5, 0.1, 1], [9.0, 9.0, 1]]])
    slope = np.array([[[0.0, 0], [1.0, 0], [0.5, 0.0], [5.0, 5.0]]])
    found = _agreement(points, slope, np.array([[1.0, 1.0, 0.5, 0.0]]))[0]
    np.testing.assert_allclose(found[:3], [1.0, 1.0, 1.0 / (1.0 + (0.1 / OUTLIER_FRACTION) ** 2) ** 2])
