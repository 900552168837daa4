"""A pinhole shows bent points where the lens shows the straight ones."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.bench.filmed_people import FOCAL_PX, SIZE, cameras_round
from pipeline.capture import Camera
from pipeline.overlay.lens import Lens

SQUEEZED = np.array([[1000.0, 0, 640], [0, 900.0, 480], [0, 0, 1]])


def cameras() -> dict[str, Camera]:
    bent = cameras_round(1)[0]
    return {
        "bent": bent,
        "plain": replace(bent, distortion=np.zeros(0)),
        "squeezed": replace(bent, matrix=SQUEEZED),
        "fisheye": replace(bent, distortion=np.array([0.05, -0.01, 0.002, 0.0]), is_fisheye=True),
        "panoptic": replace(bent, distortion=np.array([-0.28, 0.18, 0.0, 0.0, -0.06])),
    }


def points_in(camera: Camera, count: int = 300) -> np.ndarray:
    """Return points (R, 3) in camera axes that are seen all over the picture."""
    rng = np.random.default_rng(0)
    pixels = camera.undistort(rng.uniform((0, 0), SIZE, (count, 2)))
    slopes = (pixels - camera.matrix[:2, 2]) / np.diag(camera.matrix)[:2]
    return np.column_stack([slopes, np.ones(count)]) * rng.uniform(1, 6, (count, 1))


@pytest.mark.parametrize("name", cameras())
def test_a_pinhole_shows_bent_points_where_the_lens_shows_them(name: str) -> None:
    camera = cameras()[name]
    lens, points = Lens(camera), points_in(camera)
    bent = lens.bent(points)
    found = lens.focal_px * bent[:, :2] / bent[:, 2:] + lens.principal_px
    world = (points - camera.translation_m) @ camera.rotation
    np.testing.assert_allclose(found, camera.project(world) + 0.5, atol=1e-6)
    np.testing.assert_array_equal(bent[:, 2], points[:, 2])
    assert np.linalg.norm(bent - points, axis=1).max() > 0.02 or name == "plain"


def test_who_is_beside_the_picture_is_not_drawn_in_it() -> None:
    camera = replace(cameras_round(1)[0], distortion=np.array([-0.28, 0.0, 0.0, 0.0]))
    lens = Lens(camera)
    assert lens.reach == pytest.approx(1 / np.sqrt(3 * 0.28), rel=0.02), "where r - 0.28 r^3 turns back"
    slopes = np.linspace(0.0, 8.0, 200)
    bent = lens.bent(np.column_stack([slopes, np.zeros(200), np.ones(200)]))
    assert (np.diff(bent[:, 0]) > 0).all()
    turned = camera.distortion[0] * 2.0**3 + 2.0
    assert turned < SIZE[0] / 2 / FOCAL_PX < bent[np.searchsorted(slopes, 2.0), 0], "the polynomial alone shows it"


def test_points_behind_the_camera_stay_and_nobody_is_nobody() -> None:
    lens = Lens(cameras_round(1)[0])
    behind = np.array([[0.3, 0.2, -1.0], [1.0, -1.0, 0.0]])
    np.testing.assert_array_equal(lens.bent(behind), behind)
    assert lens.bent(np.zeros((0, 6890, 3))).shape == (0, 6890, 3)
