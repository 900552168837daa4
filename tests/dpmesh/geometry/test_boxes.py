"""Bounds of joints and the squares cut round them."""

import numpy as np

from dpmesh.geometry.boxes import joint_bounds, squares_of_boxes


def test_bounds_leave_out_what_is_not_valid() -> None:
    joints = np.array([[[0.0, 0.0], [10.0, 20.0], [30.0, 40.0]]])
    found = joint_bounds(joints, np.array([[False, True, True]]), growth=2.0)
    np.testing.assert_allclose(found, [[0.0, 10.0, 40.0, 50.0]])


def test_bounds_of_nothing_are_nan() -> None:
    assert np.isnan(joint_bounds(np.zeros((1, 3, 2)), np.zeros((1, 3), bool))).all()


def test_a_box_beyond_the_picture_leaves_nothing() -> None:
    boxes = np.array([[150.0, 10.0, 180.0, 40.0], [np.nan] * 4, [10.0, 10.0, 41.0, 61.0]])
    found = squares_of_boxes(boxes, np.full((3, 2), 100.0), growth=1.1)
    assert found[0, 2] == 0 and found[1, 2] == 0
    np.testing.assert_allclose(found[2], (25.0, 35.0, 55.0))


def test_no_boxes_give_no_squares() -> None:
    assert squares_of_boxes(np.zeros((0, 4)), np.zeros((0, 2))).shape == (0, 3)
