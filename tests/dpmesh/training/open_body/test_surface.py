"""Thinning a mesh: closed stays closed, the midline stays, flat goes first."""

import numpy as np
import pytest

from dpmesh.training.open_body.surface import close_left_half, find_mirror, mirror_half, thin

RINGS, SPOKES = 24, 32


def ball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices, quads and which quads are cavity of a ball whose axis is z; left and right are symmetric."""
    polar = np.linspace(0.05, np.pi - 0.05, RINGS)
    # Spokes start on the midline plane x = 0 and half of them lie on each side.
    around = np.pi / 2 + 2 * np.pi * np.arange(SPOKES) / SPOKES
    ring = np.stack([np.cos(around), np.sin(around)], axis=1)
    ring[np.abs(ring) < 1e-12] = 0.0
    ring[SPOKES // 2 + 1 :] = ring[1 : SPOKES // 2][::-1] * [-1.0, 1.0]
    vertices = np.concatenate([np.c_[np.sin(p) * ring, np.full(SPOKES, np.cos(p))] for p in polar])
    here = np.arange((RINGS - 1) * SPOKES)
    right = here - here % SPOKES + (here + 1) % SPOKES
    quads = np.stack([here, here + SPOKES, right + SPOKES, right], axis=1)
    return vertices, quads, np.zeros(len(quads), bool)


def open_edges(faces: np.ndarray) -> set[tuple[int, int]]:
    edges = {tuple(e) for e in np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()}
    return {(a, b) for a, b in edges if (b, a) not in edges}


@pytest.fixture
def left_half() -> tuple[np.ndarray, np.ndarray]:
    vertices, quads, _ = ball()
    is_left = (vertices[quads][..., 0] > -1e-9).all(1)
    kept = quads[is_left]
    return vertices, np.concatenate([kept[:, [0, 1, 2]], kept[:, [0, 2, 3]]])


@pytest.mark.parametrize("count", [200, 100, 60])
def test_thinning_reaches_its_count_with_the_outline_on_its_line(left_half, count: int) -> None:
    vertices, faces = left_half
    thinned = thin(faces, vertices, count)
    assert np.unique(thinned).size == count
    outline = {a for a, _ in open_edges(thinned)}
    assert outline <= {a for a, _ in open_edges(faces)}
    flat = vertices[thinned]
    normals = np.cross(flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0])
    first = vertices[faces]
    outwards = np.sign((np.cross(first[:, 1] - first[:, 0], first[:, 2] - first[:, 0]) * first.mean(1)).sum())
    assert ((normals * flat.mean(1)).sum(1) * outwards > 0).all()


def test_thinned_half_and_its_mirror_image_meet_along_the_midline(left_half) -> None:
    vertices, faces = left_half
    surface = mirror_half(thin(faces, vertices, 120), find_mirror(vertices))
    points = vertices[surface.kept]
    np.testing.assert_allclose(points[surface.mirror], points * [-1, 1, 1], atol=1e-9)
    for edge in open_edges(surface.faces):  # only the two rims around the poles, which were open before
        assert np.abs(points[list(edge), 2]).min() > 0.9


def test_flat_ground_is_thinned_before_a_peak() -> None:
    side = 15
    x, y = np.meshgrid(np.arange(side) / side, np.arange(side) / side)
    z = 0.3 * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.005)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1)
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + side], 1), np.stack([corner + 1, corner + side + 1, corner + side], 1)]
    )
    kept = vertices[np.unique(thin(faces, vertices, 60))]
    near = np.linalg.norm(kept[:, :2] - 0.5, axis=1) < 0.2
    was_near = np.linalg.norm(vertices[:, :2] - 0.5, axis=1) < 0.2
    assert near.sum() / was_near.sum() > 2 * (~near).sum() / (~was_near).sum()
    assert kept[:, 2].max() == vertices[:, 2].max()


def test_a_hole_off_the_midline_is_closed_to_a_vertex_of_the_cavity() -> None:
    vertices, quads, is_cavity = ball()
    middle = vertices[quads].mean(1)
    eye = np.array([np.sin(1.5), 0.0, np.cos(1.5)])
    scaled = vertices * 0.05
    hole = np.linalg.norm(middle - eye, axis=1) < 0.35
    is_cavity = hole | (np.linalg.norm(middle - eye * [-1, 1, 1], axis=1) < 0.35)
    faces = close_left_half(quads, is_cavity, scaled)
    inside = (np.abs(scaled[:, 0]) > 1e-9) & (np.abs(scaled[:, 2]) < 0.04)
    assert not any(inside[a] and inside[b] for a, b in open_edges(faces))


def test_a_mesh_that_is_not_symmetric_is_refused() -> None:
    with pytest.raises(ValueError, match="not symmetric"):
        find_mirror(np.array([[1.0, 0, 0], [-1.2, 0, 0]]))
