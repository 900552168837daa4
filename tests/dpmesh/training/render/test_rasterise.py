"""The rasteriser against what geometry says must be seen."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dpmesh.training.render.rasterise import Surface, find_fragments, interpolate, project, resolve


def _sphere(rings: int = 48, sectors: int = 96) -> tuple[Tensor, Tensor]:
    """Return a unit sphere with faces counter-clockwise from outside."""
    polar = torch.linspace(1e-3, np.pi - 1e-3, rings)
    azimuth = torch.arange(sectors) * (2 * np.pi / sectors)
    p, a = torch.meshgrid(polar, azimuth, indexing="ij")
    points = torch.stack([p.sin() * a.cos(), p.sin() * a.sin(), p.cos()], -1).reshape(-1, 3)
    faces = []
    for i in range(rings - 1):
        for j in range(sectors):
            k = (j + 1) % sectors
            a0, b0, c0, d0 = i * sectors + j, i * sectors + k, (i + 1) * sectors + j, (i + 1) * sectors + k
            faces += [[a0, c0, b0], [b0, c0, d0]]
    return points.float(), torch.tensor(faces)


def _draw(points: Tensor, faces: Tensor, size: int = 64, focal: float = 80.0) -> tuple[Surface, Tensor]:
    rows = len(points)
    screen = project(points, torch.full((rows,), focal), torch.full((rows, 2), size / 2))
    return resolve(find_fragments(screen, faces, size, size), torch.arange(rows), rows), screen


def test_a_sphere_has_the_depth_that_the_ray_equation_gives() -> None:
    points, faces = _sphere()
    centre = torch.tensor([0.1, -0.2, 4.0])
    surface, _ = _draw(points[None] + centre, faces)
    depth = surface.depth()[0]
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    ray = torch.stack([(x - 32) / 80, (y - 32) / 80, torch.ones(64, 64)], -1)
    along, square = ray @ centre, (ray * ray).sum(-1)
    root = along**2 - square * (centre @ centre - 1)
    exact = (along - root.clamp_min(0).sqrt()) / square
    inner = root / square > 0.02  # away from the rim, where facets and the ball differ most
    assert inner.sum() > 800
    assert torch.isfinite(depth[inner]).all()
    assert (depth - exact)[inner].abs().max() < 0.01
    assert not torch.isfinite(depth[root < 0]).any()


def test_a_triangle_covers_exactly_the_pixel_centres_inside_it() -> None:
    corners = torch.tensor([[[-0.31, -0.27, 1.0], [-0.13, 0.33, 1.0], [0.29, 0.05, 1.0]]])
    surface, screen = _draw(corners, torch.tensor([[0, 1, 2]]))
    covered = torch.isfinite(surface.depth()[0])
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    sides = []
    for k in range(3):
        a, b = screen[0, k, :2], screen[0, (k + 1) % 3, :2]
        sides.append((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]))
    inside = (torch.stack(sides) < 0).all(0)
    assert inside.sum() > 300
    assert torch.equal(covered, inside)


def test_a_face_that_turns_away_is_not_seen() -> None:
    corners = torch.tensor([[[-0.3, -0.3, 1.0], [-0.1, 0.3, 1.0], [0.3, 0.0, 1.0]]])
    assert len(_draw(corners, torch.tensor([[0, 1, 2]]))[0].row) > 0
    assert len(_draw(corners, torch.tensor([[0, 2, 1]]))[0].row) == 0


def test_neighbouring_triangles_leave_no_gap_and_weights_stay_within_the_face() -> None:
    points, faces = _sphere(20, 30)
    surface, _ = _draw(points[None] * 0.3 + torch.tensor([0.0, 0.0, 1.0]), faces)
    covered = torch.isfinite(surface.depth()[0])
    for line in covered:
        columns = line.nonzero().squeeze(1)
        assert len(columns) == 0 or len(columns) == int(columns[-1] - columns[0]) + 1
    second, third = surface.fragments.second, surface.fragments.third
    assert min(second.min(), third.min()) >= 0
    assert (second + third).max() <= 1 + 1e-6


def test_the_nearer_mesh_hides_the_farther_whatever_their_order() -> None:
    points, faces = _sphere(16, 24)
    near, far = points * 0.2 + torch.tensor([0.0, 0.0, 1.5]), points * 0.6 + torch.tensor([0.1, 0.0, 3.0])
    maps = []
    for order in ([near, far], [far, near]):
        stacked = torch.stack(order)
        screen = project(stacked, torch.full((2,), 80.0), torch.full((2, 2), 32.0))
        surface = resolve(find_fragments(screen, faces, 64, 64), torch.zeros(2, dtype=torch.int64), 1)
        maps.append(surface.rows()[0])
    assert maps[0][32, 32] == 0
    assert maps[1][32, 32] == 1
    assert (maps[0] == 1).any()
    assert torch.equal(maps[0] >= 0, maps[1] >= 0)
    assert torch.equal(maps[0][maps[0] >= 0], 1 - maps[1][maps[1] >= 0])


@pytest.mark.parametrize("rows_at_once", [1, 2, 5])
def test_a_batch_gives_what_each_mesh_gives_alone(rows_at_once: int) -> None:
    points, faces = _sphere(16, 24)
    shift = torch.tensor([[0.0, 0.0, 3.0], [0.5, 0.2, 2.0], [-0.4, 0.1, 5.0], [9.0, 0.0, 3.0], [0.0, 0.3, 1.2]])
    batch = points[None] + shift[:, None] * torch.tensor([1.0, 1.0, 1.0])
    screen = project(batch, torch.full((5,), 60.0), torch.full((5, 2), 32.0))
    fragments = find_fragments(screen, faces, 64, 64, rows_at_once=rows_at_once)
    together = resolve(fragments, torch.arange(5), 5).depth()
    for k in range(5):
        alone = resolve(find_fragments(screen[k : k + 1], faces, 64, 64), torch.zeros(1, dtype=torch.int64), 1)
        assert torch.equal(together[k], alone.depth()[0])
    assert not torch.isfinite(together[3]).any()


def test_values_are_interpolated_in_space_not_on_the_screen() -> None:
    corners = torch.tensor([[[-0.5, -0.4, 1.0], [-0.5, 0.4, 1.0], [2.5, 0.0, 5.0]]])
    faces = torch.tensor([[0, 1, 2]])
    surface, screen = _draw(corners, faces)
    found = interpolate(surface, screen, faces, corners)
    x = (surface.layer_pixel % 64 + 0.5 - 32) / 80
    y = (surface.layer_pixel // 64 + 0.5 - 32) / 80
    assert len(x) > 200
    torch.testing.assert_close(found[:, 2], 1 / surface.inverse_depth, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[:, 0], x * found[:, 2], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found[:, 1], y * found[:, 2], rtol=1e-3, atol=1e-3)


def test_a_mesh_behind_or_through_the_camera_draws_no_face_that_reaches_it() -> None:
    points, faces = _sphere(16, 24)
    surface, _ = _draw(points[None] + torch.tensor([0.0, 0.0, -3.0]), faces)
    assert len(surface.row) == 0


def test_a_layer_of_minus_one_is_left_out() -> None:
    points, faces = _sphere(16, 24)
    batch = torch.stack([points + torch.tensor([0.0, 0.0, 3.0]), points + torch.tensor([0.0, 0.0, 6.0])])
    screen = project(batch, torch.full((2,), 60.0), torch.full((2, 2), 32.0))
    fragments = find_fragments(screen, faces, 64, 64)
    rows = resolve(fragments, torch.tensor([-1, 0]), 1).rows()
    assert set(rows.unique().tolist()) == {-1, 1}


def test_shrinking_keeps_the_mean_and_counts_empty_pixels_as_zero() -> None:
    points, faces = _sphere(16, 24)
    surface, _ = _draw(points[None] + torch.tensor([0.0, 0.0, 4.0]), faces)
    small = surface.shrink(torch.ones(len(surface.row), 1), 2)
    assert small.shape == (1, 32, 32, 1)
    assert float(small.sum()) * 4 == len(surface.row)
    assert float(small.max()) == 1.0


def test_no_mesh_gives_an_empty_picture() -> None:
    _, faces = _sphere(6, 8)
    fragments = find_fragments(torch.zeros(0, 10, 3), faces, 16, 16)
    surface = resolve(fragments, torch.zeros(0, dtype=torch.int64), 2)
    assert surface.depth().shape == (2, 16, 16)
    assert len(surface.row) == 0
