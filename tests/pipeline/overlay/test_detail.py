import numpy as np
import pytest

from pipeline.overlay.detail import EDGE_PX, SHORTEST_M, Detail

Mesh = tuple[np.ndarray, np.ndarray]


def edges(faces: np.ndarray) -> np.ndarray:
    return np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)


def test_a_surface_has_no_edge_shorter_than_its_level_has(body_at_rest: Mesh) -> None:
    rest, faces = body_at_rest
    detail, counts = Detail(faces, rest), []
    for level, shortest in enumerate(SHORTEST_M):
        surface = detail[level]
        ends = rest[surface.rows[edges(surface.faces)]]
        assert np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1).min() >= shortest
        counts.append(len(surface.faces))
    assert counts[0] == len(faces) and counts == sorted(counts, reverse=True) and counts[-1] < counts[0] / 5


def test_the_nearer_somebody_is_the_finer(body_at_rest: Mesh) -> None:
    detail = Detail(*body_at_rest[::-1])
    focal = np.full(4, 1000.0)
    depths = np.array([-1.0, 0.0, 1.001 * SHORTEST_M[1] / EDGE_PX * 1000.0, 1000.0])
    assert detail.choose(depths, focal).tolist() == [0, 0, 1, len(SHORTEST_M) - 1]


@pytest.mark.parametrize("rest", [None, np.zeros((3, 3))])
def test_a_body_of_which_no_face_would_be_left_has_all_its_faces(rest: np.ndarray | None) -> None:
    detail = Detail(np.array([[0, 1, 2]]), rest)
    assert detail.choose(np.array([1e3]), np.array([1.0])).tolist() == [0]


def test_normals_point_outward() -> None:
    corners = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, -1, -1)], np.float32)
    surface = Detail(np.array([(0, 1, 2), (0, 3, 1), (1, 3, 2), (2, 3, 0)]))[0]
    faces, _ = surface.face_normals(np.ascontiguousarray(corners.T[:, None]))
    normals = surface.vertex_normals(faces)[:, 0].T
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1.0, atol=1e-5)
    assert np.all((normals * corners).sum(-1) > 0)
