"""Crops: which pixel goes where, borders, batches."""

from pathlib import Path

import numpy as np
import pytest

from dpmesh.geometry.crop import crop_images, crop_matrices, invert_affine, to_crop


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_an_unscaled_crop_at_whole_pixels_copies_the_picture() -> None:
    image = picture(90, 120)
    crop = crop_images([image], np.array([0]), np.array([[60.0, 40.0]]), np.array([32.0]), 32)
    np.testing.assert_array_equal(crop[0], image[24:56, 44:76])


def test_outside_the_picture_the_crop_is_black() -> None:
    image = np.full((40, 40, 3), 200, np.uint8)
    crop = crop_images([image], np.array([0]), np.array([[0.0, 20.0]]), np.array([32.0]), 32)[0]
    assert (crop[:, :15] == 0).all() and (crop[:, 16:] == 200).all()


@pytest.mark.parametrize("side", [20.0, 37.3, 150.0])
def test_a_bright_spot_is_where_its_point_is_in_the_crop(side: float) -> None:
    y, x = np.mgrid[0:100, 0:140]
    spot = np.array([71.3, 44.6])
    image = np.repeat(
        (255 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 18.0)).astype(np.uint8)[..., None], 3, axis=2
    )
    centre = np.array([[70.0, 47.0]])
    crop = crop_images([image], np.array([0]), centre, np.array([side]), 64)[0, ..., 0].astype(float)
    rows, columns = np.mgrid[0:64, 0:64]
    found = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    np.testing.assert_allclose(found, to_crop(spot[None, None], centre, np.array([side]), 64)[0, 0], atol=0.25)


def test_a_batch_of_rows_from_several_pictures_is_the_rows_one_by_one() -> None:
    images = [picture(60, 80, 1), picture(100, 50, 2)]
    rows = np.array([1, 0, 1])
    centres, sides = np.array([[20.0, 30.0], [50.5, 20.2], [1.0, 99.0]]), np.array([40.0, 33.3, 70.0])
    together = crop_images(images, rows, centres, sides, 48)
    for row in range(3):
        alone = crop_images([images[rows[row]]], np.array([0]), centres[row : row + 1], sides[row : row + 1], 48)
        np.testing.assert_array_equal(together[row], alone[0])


def test_no_rows_give_no_crops() -> None:
    assert crop_images([], np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0), 64).shape == (0, 64, 64, 3)


@pytest.mark.parametrize("side", [0.0, -3.0, float("nan")])
def test_a_square_without_a_side_is_refused(side: float) -> None:
    with pytest.raises(ValueError, match="sides_px"):
        crop_images([picture(10, 10)], np.array([0]), np.array([[5.0, 5.0]]), np.array([side]), 8)


@pytest.mark.parametrize("item", ["3dpw_openpose", "3dpw_crowd_hhrnet"])
def test_the_published_loader_cuts_the_same_crop(test_data: Path, item: str) -> None:
    golden = np.load(test_data / "golden" / "dpmesh" / "metrics_golden.npz")
    left, top, side, _ = golden[f"test_item/{item}/bbox"]
    centre = np.array([[left + side / 2, top + side / 2]])
    crop = crop_images([golden["test_item/image"]], np.array([0]), centre, np.array([side]), 256)[0]
    published = golden[f"test_item/{item}/crop"].astype(np.float64).transpose(1, 2, 0) * 255
    assert np.abs(crop - published).max() <= 2.0
    corner = to_crop(np.array([[[0.0, 0.0]]]), centre, np.array([side]), 256)[0, 0]
    np.testing.assert_allclose(corner, golden[f"test_item/{item}/img2bb"][:, 2], atol=1e-3)


def test_turned_crops_keep_their_middle_and_are_undone_by_the_inverse() -> None:
    rng = np.random.default_rng(0)
    centres, sizes, turns = rng.uniform(50, 200, (4, 2)), rng.uniform(20, 90, (4, 2)), rng.uniform(-3, 3, 4)
    matrices = crop_matrices(centres, sizes, 64, turns)
    middles = np.einsum("rij,rj->ri", matrices[..., :2], centres) + matrices[..., 2]
    np.testing.assert_allclose(middles, 32.0)
    points = rng.uniform(0, 300, (4, 2))
    crop = np.einsum("rij,rj->ri", matrices[..., :2], points) + matrices[..., 2]
    back = invert_affine(matrices)
    np.testing.assert_allclose(np.einsum("rij,rj->ri", back[..., :2], crop) + back[..., 2], points)


def test_a_crop_that_is_not_turned_maps_points_as_to_crop_does() -> None:
    centres, sides = np.array([[40.0, 30.0]]), np.array([16.0])
    (matrix,) = crop_matrices(centres, np.array([[16.0, 16.0]]), 64)
    points = np.array([[[40.0, 30.0], [32.0, 22.0], [50.0, 31.0]]])
    np.testing.assert_allclose(points[0] @ matrix[:, :2].T + matrix[:, 2], to_crop(points, centres, sides, 64)[0])
