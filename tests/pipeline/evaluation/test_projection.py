"""Joints of a track in the picture."""

import numpy as np

from pipeline.evaluation.projection import joint_boxes, project_rows


def test_every_row_is_projected_by_its_own_camera_and_nothing_behind_it() -> None:
    points = np.array([[[1.0, 2.0, 4.0], [0.0, 0.0, 1.0]], [[1.0, 2.0, 4.0], [1.0, 1.0, -1.0]]])
    found = project_rows(points, np.array([100.0, 200.0]), np.array([[10.0, 20.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found[0], [[35.0, 70.0], [10.0, 20.0]])
    np.testing.assert_allclose(found[1, 0], [50.0, 100.0])
    assert np.isnan(found[1, 1]).all()


def test_boxes_hold_the_joints_in_front_of_the_camera() -> None:
    pixels = np.array(
        [[[1.0, 9.0], [5.0, 2.0], [3.0, 4.0]], [[7.0, 8.0], [np.nan] * 2, [6.0, 9.0]], [[np.nan] * 2] * 3]
    )
    found = joint_boxes(pixels)
    np.testing.assert_array_equal(found[:2], [[1, 2, 5, 9], [6, 8, 7, 9]])
    assert np.isnan(found[2]).all()
