"""Cameras: projection, depth from size, and the way between crop and full image."""

import torch

from dpmesh.geometry.camera import (
    depth_from_scale,
    project,
    ray_rotation,
    translation_from_crop,
)

ROWS = 6


def numbers(*shape: int, low: float, high: float, seed: int = 0) -> torch.Tensor:
    return low + (high - low) * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


FOCAL = numbers(ROWS, low=800, high=2500)
PRINCIPAL = numbers(ROWS, 2, low=400, high=900, seed=1)
CENTRE = numbers(ROWS, 2, low=0, high=1500, seed=2)
SIDE = numbers(ROWS, low=60, high=700, seed=3)


def test_a_metre_at_the_depth_of_a_scale_spans_that_many_half_crops() -> None:
    scale = numbers(ROWS, low=0.4, high=1.5, seed=5)
    depth = depth_from_scale(scale, SIDE, FOCAL)
    metre = torch.zeros(ROWS, 2, 3, dtype=torch.float64)
    metre[:, 1, 1] = 1.0
    metre[..., 2] = depth[:, None]
    pixels = project(metre, FOCAL, PRINCIPAL)
    torch.testing.assert_close(pixels[:, 1, 1] - pixels[:, 0, 1], scale * SIDE / 2)


def test_a_body_without_offset_is_seen_at_the_crop_centre() -> None:
    scale = numbers(ROWS, low=0.4, high=1.5, seed=6)
    trans = translation_from_crop(scale, torch.zeros(ROWS, 2, dtype=torch.float64), CENTRE, SIDE, FOCAL, PRINCIPAL)
    torch.testing.assert_close(project(trans[:, None], FOCAL, PRINCIPAL)[:, 0], CENTRE)


def test_the_same_person_in_a_looser_crop_stands_at_the_same_place() -> None:
    scale, offset = numbers(ROWS, low=0.8, high=1.5, seed=7), numbers(ROWS, 2, low=-0.5, high=0.5, seed=8)
    tight = translation_from_crop(scale, offset, CENTRE, SIDE, FOCAL, PRINCIPAL)
    loose = translation_from_crop(scale / 1.7, offset, CENTRE, SIDE * 1.7, FOCAL, PRINCIPAL)
    torch.testing.assert_close(loose, tight)


def test_ray_rotation_takes_the_axis_to_the_crop_centre_without_roll() -> None:
    camera_from_crop = ray_rotation(CENTRE, FOCAL, PRINCIPAL)
    ahead = camera_from_crop @ torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(project(ahead[:, None], FOCAL, PRINCIPAL)[:, 0], CENTRE)
    identity = torch.eye(3, dtype=torch.float64).expand(ROWS, 3, 3)
    torch.testing.assert_close(camera_from_crop @ camera_from_crop.transpose(1, 2), identity)
    assert (torch.linalg.det(camera_from_crop) > 0).all()
    # The smallest turn has its axis in the image plane: what is antisymmetric in x and y vanishes.
    torch.testing.assert_close(camera_from_crop[:, 0, 1], camera_from_crop[:, 1, 0])


def test_ray_rotation_of_a_centred_crop_is_the_identity() -> None:
    torch.testing.assert_close(
        ray_rotation(PRINCIPAL, FOCAL, PRINCIPAL), torch.eye(3, dtype=torch.float64).expand(ROWS, 3, 3)
    )


def test_no_rows_give_no_rotations() -> None:
    empty = torch.zeros(0, dtype=torch.float64)
    assert ray_rotation(empty.reshape(0, 2), empty, empty.reshape(0, 2)).shape == (0, 3, 3)
