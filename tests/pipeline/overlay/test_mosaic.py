"""Tiles of all cameras, and the map beside them."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from pipeline.bench.filmed_people import cameras_round
from pipeline.overlay.mosaic import BACKGROUND, HEIGHT_MAX, WIDTH_MAX, Mosaic, ViewFromAbove, plan_grid
from pipeline.overlay.palette import identity_colours
from pipeline.overlay.write import PeopleInFrame
from pipeline.types import MotionTrack


@pytest.mark.parametrize("size", [(960, 540), (540, 960), (320, 240)])
@pytest.mark.parametrize("count", [2, 3, 5, 6, 11, 32])
def test_a_grid_holds_all_tiles_in_their_shape_and_fits_a_screen(count: int, size: tuple[int, int]) -> None:
    grid = plan_grid(count, *size)
    assert grid.columns * grid.rows >= count > (grid.columns - 1) * (grid.rows - 1)
    assert grid.columns * grid.width <= WIDTH_MAX and grid.rows * grid.height <= HEIGHT_MAX
    assert grid.width % 2 == grid.height % 2 == 0 and grid.width <= size[0]
    assert grid.width / grid.height == pytest.approx(size[0] / size[1], rel=0.03)
    corners = {grid.corner(number) for number in range(count)}
    assert len(corners) == count and max(x for x, _ in corners) == (min(count, grid.columns) - 1) * grid.width


def nobody() -> PeopleInFrame:
    return someone(np.zeros((0, 8, 3)))


def someone(vertices: np.ndarray) -> PeopleInFrame:
    count = len(vertices)
    return PeopleInFrame(
        track_ids=np.arange(1, count + 1),
        vertices=vertices,
        is_observed=np.ones(count, bool),
        focal_px=np.zeros(count),
        principal_px=np.zeros((count, 2)),
        boxes_xyxy=np.zeros((count, 4)),
        keypoints=np.zeros((count, 17, 3)),
    )


def test_each_camera_has_its_tile_whatever_its_shape_and_keeps_its_last_frame() -> None:
    mosaic = Mosaic(cameras_round(3), [(160, 120), (120, 160), (160, 120)], ())
    shades = {0: 100, 1: 150, 2: 200}
    images = {k: np.full((160, 120, 3) if k == 1 else (120, 160, 3), shade, np.uint8) for k, shade in shades.items()}
    first = mosaic.paint(0, images, nobody())
    assert first.shape == (mosaic.height, mosaic.width, 3)
    grid = mosaic.grid
    for number, shade in shades.items():
        x, y = grid.corner(number)
        assert (first[y + grid.height // 2, x + grid.width // 2] == shade).all()
    x, y = grid.corner(1)
    assert (first[y + grid.height // 2, x + 2] == BACKGROUND).all(), "an upright picture between bars"
    second = mosaic.paint(1, {0: np.full((120, 160, 3), 30, np.uint8)}, nobody())
    x, y = grid.corner(2)
    assert (second[grid.height // 2, grid.width // 2] == 30).all()
    assert np.array_equal(
        second[y : y + grid.height, x : x + grid.width], first[y : y + grid.height, x : x + grid.width]
    )


def test_people_stand_on_the_map_where_they_are(make_track) -> None:
    cameras = cameras_round(4)
    track: MotionTrack = make_track(np.arange(3) / 30, shift_m=(1.0, 0.0, 2.0))
    above = ViewFromAbove(cameras, [track], 400, 300)
    empty = above.paint(0, nobody())
    places = np.array([[1.0, 0.5, 2.0], [-1.0, 0.5, -1.5]])  # rig axes: x right, y down, z forward
    picture = above.paint(1, someone(np.repeat(places[:, None], 8, axis=1)))
    for place, other, colour in zip(places, places[::-1], identity_colours(np.array([1, 2])), strict=True):
        seen = (np.abs(picture.astype(int) - colour).sum(axis=-1) < 150) & (picture != empty).any(axis=-1)
        y, x = center_of_mass(seen)
        spots = [above._pixel(np.array([at[0], at[2]])) for at in (place, other)]
        distances = [np.hypot(x - spot[0], y - spot[1]) for spot in spots]
        assert distances[0] < 25 < distances[1]
    left, right = (above._pixel(np.array([x, 0.0])) for x in (-1.0, 1.0))
    north = above._pixel(np.array([-1.0, 1.0]))
    assert right[0] > left[0] and right[1] == left[1] and north[1] < left[1] and north[0] == left[0]
    assert all(
        0 <= above._pixel(camera.centre_m[:2])[k] < side for camera in cameras for k, side in ((0, 400), (1, 300))
    )
