"""Rays that meet, rays that lie, and points that nobody can place."""

import numpy as np
import pytest

from pipeline.bench.filmed_people import cameras_round
from pipeline.capture import Camera
from pipeline.multiview.triangulation import place_bodies, triangulate


def rays_to(cameras: list[Camera], points: np.ndarray) -> np.ndarray:
    seen = np.stack([camera.to_camera(points) for camera in cameras], axis=1)
    return seen[..., :2] / seen[..., 2:]


def some_points(count: int = 50) -> np.ndarray:
    return np.random.default_rng(0).uniform([-1, -1, 0], [1, 1, 2], (count, 3))


@pytest.mark.parametrize("count", [2, 4, 31])
def test_exact_rays_meet_in_their_point(count: int) -> None:
    cameras, points = cameras_round(count), some_points()
    found = triangulate(cameras, rays_to(cameras, points), np.ones((50, count)))
    np.testing.assert_allclose(found.places_m, points, atol=1e-6)
    assert found.is_used.all() and found.distances_m.max() < 1e-6


@pytest.mark.parametrize("count", [4, 8])
def test_a_ray_that_points_elsewhere_is_left_out(count: int) -> None:
    cameras, points = cameras_round(count), some_points()
    rays = rays_to(cameras, points) + np.random.default_rng(1).normal(0, 0.002, (50, count, 2))
    wrong = np.arange(50) % count
    rays[np.arange(50), wrong] += 0.3
    found = triangulate(cameras, rays, np.ones((50, count)))
    assert np.linalg.norm(found.places_m - points, axis=1).max() < 0.06
    assert not found.is_used[np.arange(50), wrong].any()
    alone = triangulate(cameras, rays, np.where(np.arange(count) == wrong[:, None], 0.0, 1.0))
    assert np.linalg.norm(found.places_m - alone.places_m, axis=1).max() < 0.02


def test_sure_rays_count_more() -> None:
    cameras, points = cameras_round(3), some_points()
    rays = rays_to(cameras, points)
    rays[:, 0] += 0.01
    weights = np.ones((50, 3))
    equal = triangulate(cameras, rays, weights)
    weights[:, 0] = 0.1
    unequal = triangulate(cameras, rays, weights)
    error = [np.linalg.norm(found.places_m - points, axis=1).mean() for found in (equal, unequal)]
    assert error[1] < 0.5 * error[0]


def test_one_ray_parallel_rays_and_points_behind_give_no_point() -> None:
    cameras, points = cameras_round(3), some_points(3)
    rays = rays_to(cameras, points)
    rays[0, 1:] = np.nan
    same = [cameras[0], cameras[0], cameras[1]]
    assert np.isnan(triangulate(cameras, rays, np.ones((3, 3))).places_m[0]).all()
    found = triangulate(same, np.repeat(rays[1:2, :1], 3, axis=1), np.array([[1.0, 1.0, 0.0]]))
    assert np.isnan(found.places_m).all() and not found.is_used.any()
    behind = np.array([cameras[0].centre_m - 2 * cameras[0].forward])
    told = triangulate(cameras[:2], rays_to(cameras[:2], behind), np.ones((1, 2)))
    assert np.isnan(told.places_m).all()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_bodies_of_known_size_are_placed_by_one_camera_or_more(count: int) -> None:
    cameras, points = cameras_round(count), some_points(60).reshape(5, 12, 3)
    rays = rays_to(cameras, points.reshape(-1, 3)).reshape(5, 12, count, 2)
    shifts = np.random.default_rng(2).normal(size=(5, 3))
    weights = np.ones((5, 12, count))
    weights[4] = 0.0
    found = place_bodies(cameras, points - shifts[:, None], rays, weights)
    np.testing.assert_allclose(found[:4], shifts[:4], atol=1e-6)
    assert np.isnan(found[4]).all(), "nobody tells where that one is"
    rays[:, 0] += 0.5
    np.testing.assert_allclose(
        place_bodies(cameras, points - shifts[:, None], rays, weights)[:4], shifts[:4], atol=0.05
    )
