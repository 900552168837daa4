import numpy as np

from pipeline.export.surface import Surface, closest_on_triangles

SQUARE = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], float)
FACES = np.array([(0, 1, 2), (0, 2, 3)])


def test_the_nearest_point_lies_inside_on_an_edge_or_at_a_corner() -> None:
    points = np.array([(0.7, 0.2, 0.5), (0.5, -1.0, 0.0), (2.0, -1.0, 0.3)])
    found = closest_on_triangles(points, np.tile(SQUARE[[0, 1, 2]], (3, 1, 1)))
    np.testing.assert_allclose(found, [(0.7, 0.2, 0), (0.5, 0, 0), (1, 0, 0)], atol=1e-12)


def test_it_is_no_farther_than_any_of_many_points_of_the_triangle() -> None:
    rng = np.random.default_rng(0)
    points, corners = rng.normal(size=(200, 3)), rng.normal(size=(200, 3, 3))
    distance = np.linalg.norm(closest_on_triangles(points, corners) - points, axis=1)
    parts = rng.dirichlet(np.ones(3), 500)
    others = np.einsum("sk,pkd->psd", parts, corners)
    assert (distance <= np.linalg.norm(others - points[:, None], axis=2).min(axis=1) + 1e-9).all()


def test_a_mesh_finds_the_triangle_and_its_normal() -> None:
    places, normals = Surface(SQUARE, FACES).closest(np.array([(0.2, 0.9, 2.0), (0.9, 0.2, -1.0)]))
    np.testing.assert_allclose(places, [(0.2, 0.9, 0), (0.9, 0.2, 0)])
    np.testing.assert_allclose(normals, [(0, 0, 1), (0, 0, 1)])
