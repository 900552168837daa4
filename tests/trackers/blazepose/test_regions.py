"""Where the landmark network looks."""

import numpy as np
import pytest

from trackers.blazepose.regions import CROP_PX, Regions, cut_out, regions_of, regions_round, to_image


def person(turn_rad: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return box (1, 4) and keypoints (1, 17, 3) of somebody who stands round (300, 200), turned about mid-hip."""
    points = np.array(
        [[0, -80], [-4, -84], [4, -84], [-8, -82], [8, -82], [20, -60], [-20, -60], [28, -30], [-28, -30], [30, 0],
         [-30, 0], [12, 0], [-12, 0], [12, 45], [-12, 45], [12, 90], [-12, 90]], np.float64,
    )  # fmt: skip
    cosine, sine = np.cos(turn_rad), np.sin(turn_rad)
    points = points @ np.array([[cosine, sine], [-sine, cosine]]) + [300.0, 200.0]
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])[None]
    return box, np.concatenate([points, np.ones((17, 1))], axis=1)[None]


@pytest.mark.parametrize("turn", [0.0, 0.7, np.pi - 0.1, -1.6])
def test_a_region_is_round_mid_hip_and_turned_with_the_body(turn: float) -> None:
    found = regions_of(*person(turn))
    np.testing.assert_allclose(found.centres_px, [[300.0, 200.0]], atol=1e-6)
    np.testing.assert_allclose(found.turns_rad, [turn], atol=1e-6)
    assert found.sides_px[0] > 2 * np.hypot(12, 90)  # the feet are in it


def test_a_person_without_a_sure_trunk_is_looked_for_round_the_box() -> None:
    box, keypoints = person()
    keypoints[0, 11, 2] = 0.1
    found = regions_of(box, keypoints)
    np.testing.assert_allclose(found.centres_px, 0.5 * (box[:, :2] + box[:, 2:]))
    assert found.turns_rad[0] == 0.0


def test_nobody_has_no_region() -> None:
    assert len(regions_of(np.zeros((0, 4)), np.zeros((0, 17, 3))).sides_px) == 0
    empty = Regions(np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    assert to_image(np.zeros((0, 5, 2)), empty).shape == (0, 5, 2)


def test_points_of_a_crop_lie_where_the_crop_was_cut_from() -> None:
    image = np.zeros((400, 500, 3), np.uint8)
    image[149:152, 329:332] = 255  # round (330, 150) in the middle of a pixel, (330.5, 150.5) as a position
    region = Regions(np.array([[300.0, 200.0]]), np.array([256.0]), np.array([0.6]))
    crop = cut_out(image, region.centres_px[0], 256.0, 0.6)
    rows, columns = np.nonzero(crop[..., 0] > 128)
    place = (np.array([columns.mean(), rows.mean()]) + 0.5) / CROP_PX
    np.testing.assert_allclose(to_image(place[None, None], region)[0, 0], [330.5, 150.5], atol=0.3)


def test_a_circle_gives_back_its_region() -> None:
    region = regions_of(*person(0.4))
    up = np.array([[np.sin(0.4), -np.cos(0.4)]])
    found = regions_round(region.centres_px, region.centres_px + up * region.sides_px[:, None] / 2.5)
    for name in ("centres_px", "sides_px", "turns_rad"):
        np.testing.assert_allclose(getattr(found, name), getattr(region, name), atol=1e-9)
