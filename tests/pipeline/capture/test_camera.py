"""Projection with distortion, and its inverse."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from pipeline.capture import Camera

CAMERA = Camera(
    name="a",
    matrix=np.array([[1400.0, 0, 960], [0, 1390, 540], [0, 0, 1]]),
    rotation=Rotation.from_euler("xyz", [0.2, -0.4, 0.1]).as_matrix(),
    translation_m=np.array([0.1, -0.2, 3.0]),
    distortion=np.array([-0.28, 0.18, 0.001, -0.0005, 0.03]),
    size_px=(1920, 1080),
)


def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.6, 0.6, (5, 17, 3))


def test_a_point_on_the_axis_lies_at_the_principal_point() -> None:
    on_axis = CAMERA.centre_m + 2.0 * CAMERA.forward
    np.testing.assert_allclose(CAMERA.project(on_axis), [960, 540], atol=1e-6)
    np.testing.assert_allclose(CAMERA.to_camera(CAMERA.centre_m), 0, atol=1e-12)
    points = np.random.default_rng(0).normal(size=(2, 3, 3))
    np.testing.assert_allclose(CAMERA.to_world(CAMERA.to_camera(points)), points, atol=1e-12)


def test_radial_distortion_is_opencvs_polynomial() -> None:
    camera = replace(CAMERA, rotation=np.eye(3), translation_m=np.zeros(3), distortion=np.array([-0.28, 0.18, 0, 0]))
    x, y, r2 = 0.3, -0.2, 0.13
    bend = 1 - 0.28 * r2 + 0.18 * r2**2
    wanted = [960 + 1400 * x * bend, 540 + 1390 * y * bend]
    np.testing.assert_allclose(camera.project(np.array([0.6, -0.4, 2.0])), wanted, atol=1e-6)


@pytest.mark.parametrize("is_fisheye", [False, True])
def test_undistorted_pixels_are_those_of_the_pinhole(is_fisheye: bool) -> None:
    bent = np.array([0.05, -0.01, 0.002, 0.0]) if is_fisheye else CAMERA.distortion
    camera = replace(CAMERA, distortion=bent, is_fisheye=is_fisheye)
    homogeneous = np.concatenate([points(), np.ones((5, 17, 1))], axis=-1) @ camera.projection.T
    pinhole = homogeneous[..., :2] / homogeneous[..., 2:]
    seen = camera.project(points())
    assert np.abs(seen - pinhole).max() > 2
    np.testing.assert_allclose(camera.undistort(seen), pinhole, atol=0.01)


def test_what_has_no_image_is_nan_and_stays_so() -> None:
    behind = CAMERA.centre_m - CAMERA.forward
    seen = CAMERA.project(np.stack([behind, CAMERA.centre_m + CAMERA.forward, np.full(3, np.nan)]))
    assert np.isnan(seen).all(axis=1).tolist() == [True, False, True]
    assert np.isnan(CAMERA.undistort(seen)).all(axis=1).tolist() == [True, False, True]


def test_without_distortion_pixels_stay() -> None:
    pixels = np.array([[3.0, 4.0]])
    assert np.array_equal(replace(CAMERA, distortion=np.zeros(0)).undistort(pixels), pixels)


@pytest.mark.parametrize("distortion", [np.zeros(3), np.array([np.nan, 0, 0, 0])])
def test_distortion_that_no_model_has_is_refused(distortion: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"camera a: distortion is .*OpenCV's order"):
        replace(CAMERA, distortion=distortion)
