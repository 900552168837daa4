import json
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.analytics.ground import Ground
from pipeline.analytics.shapes import read_shapes, write_shapes

# A camera 2 m over the ground, level, that looks along y.
CAMERA = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 2.0], [0, 0, 0, 1]])
GROUND = Ground(CAMERA, 0.0, True, "", True, 1000.0, np.array([960.0, 540.0]))
SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2]]


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_pixels_are_cast_to_the_ground_and_come_back() -> None:
    places = np.array([[0.0, 5.0], [2.0, 10.0]])
    pixels = GROUND.project(places)
    np.testing.assert_allclose(pixels, [[960, 940], [1160, 740]])
    np.testing.assert_allclose(GROUND.cast(pixels), places)


def test_zones_in_metres_and_in_pixels_and_geojson_are_the_same(tmp_path: Path) -> None:
    corners = np.array([[-1.0, 4], [1, 4], [1, 8], [-1, 8]])
    ways = [
        {"zones": [{"name": "shop", "polygon_m": corners.tolist()}]},
        {"zones": [{"name": "shop", "polygon_px": GROUND.project(corners).tolist()}]},
        {"type": "FeatureCollection", "features": [{
            "type": "Feature", "properties": {"name": "shop"},
            "geometry": {"type": "Polygon", "coordinates": [[*corners.tolist(), corners[0].tolist()]]},
        }]},
    ]  # fmt: skip
    for number, way in enumerate(ways):
        found = read_shapes([write(tmp_path / f"{number}.json", way)], GROUND)
        (zone,) = found.zones
        assert zone.name == "shop" and zone.kind == "zone"
        np.testing.assert_allclose(zone.geometry.area, 8.0)
    write_shapes(tmp_path / "again.json", found)
    assert read_shapes([tmp_path / "again.json"], None).zones[0].geometry.equals(found.zones[0].geometry)


@pytest.mark.parametrize(
    "value, message",
    [
        ([], "expected zones and lines"),
        ({"zone": []}, "unknown key 'zone'"),
        ({"zones": [{"name": "a"}]}, "give polygon_m"),
        ({"zones": [{"name": "a", "polygon_m": [[0, 0], [2, 2], [2, 0], [0, 2]]}]}, "Self-intersection"),
        ({"zones": [{"name": "a", "polygon_m": SQUARE}] * 2}, "are called 'a'"),
        ({"zones": [{"name": "a", "polygon_m": SQUARE, "kind": "x"}]}, "kind is 'x'"),
        ({"lines": [{"name": "a", "points_m": [[0, 0], [0, 0]]}]}, "extent"),
        ({"lines": [{"name": "a", "points_px": [[0, 0], [0, 100]]}]}, "horizon"),
        ({"lines": [{"name": "a", "points_m": [[0, "x"], [0, 1]]}]}, "pairs of numbers"),
    ],
)
def test_what_is_wrong_with_a_shape_is_said(value: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_shapes([write(tmp_path / "zones.json", value)], GROUND)


def test_pixels_need_a_camera(tmp_path: Path) -> None:
    path = write(tmp_path / "zones.json", {"lines": [{"name": "a", "points_px": [[0, 0], [0, 100]]}]})
    with pytest.raises(InputError, match="no camera"):
        read_shapes([path], None)
