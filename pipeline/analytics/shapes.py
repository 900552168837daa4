"""Zones, lines and the walkable area: read from JSON or GeoJSON, in metres on the ground or in pixels of a frame."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely

from configs.errors import InputError
from configs.json_files import read_json
from pipeline.analytics.ground import Ground
from pipeline.flow.atomic import write_bytes

Kind = Literal["zone", "queue", "area", "line"]
POINTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A zone or a line with its name, in metres on the ground."""

    name: str
    kind: Kind
    geometry: Any  # shapely Polygon, or LineString where kind is "line"


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is measured where."""

    zones: tuple[Shape, ...] = field(default=())  # kinds "zone" and "queue"
    lines: tuple[Shape, ...] = field(default=())
    area: shapely.Polygon | None = None  # the walkable area; None: not given


def read_shapes(paths: Sequence[Path], ground: Ground | None) -> Shapes:
    """Return the shapes of files, each `{"zones": [...], "lines": [...], "area": ...}` or a GeoJSON FeatureCollection.

    A zone is `{"name": ..., "polygon_m": [[x, y], ...]}` or `polygon_px`, and of kind "zone" or "queue"; a line has
    `points_m` or `points_px`. Features have `name`, `kind` and `unit` ("m" or "px") among their properties.

    Args:
        ground: to cast pixels; None: there is no camera, and only metres can be read.

    Raises:
        InputError: a file is not of this form, a polygon crosses itself, or pixels cannot be cast.
    """
    found: list[Shape] = []
    for path in paths:
        try:
            found += [_shape(item, ground) for item in _items(read_json(path, bytes_max=2**24))]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path}: {error}; see docs/analytics.md for the form of zones and lines") from error
        except InputError as error:
            raise error if str(error).startswith(str(path)) else InputError(f"{path}: {error}") from error
    return _together(found)


def shapes_of_tree(tree: Any) -> Shapes:
    """Return the shapes of a JSON value in metres, in one of the forms of `read_shapes`; errors as there."""
    try:
        return _together([_shape(item, None) for item in _items(tree)])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(str(error)) from error


def _together(found: Sequence[Shape]) -> Shapes:
    names = [(shape.kind == "line", shape.name) for shape in found if shape.kind != "area"]
    twice = next((name for is_line, name in names if names.count((is_line, name)) > 1), None)
    if twice is not None:
        raise InputError(f"two zones or two lines are called {twice!r}; rename one")
    areas = [shape.geometry for shape in found if shape.kind == "area"]
    if len(areas) > 1:
        raise InputError("more than one walkable area is given; join them into one polygon")
    return Shapes(
        tuple(shape for shape in found if shape.kind in ("zone", "queue")),
        tuple(shape for shape in found if shape.kind == "line"),
        areas[0] if areas else None,
    )


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    kind: str
    rings: list[Any]  # of a polygon: the outer ring and holes; of a line: its points
    is_px: bool


def _items(tree: Any) -> Iterator[_Item]:
    if not isinstance(tree, dict):
        raise ValueError(f"holds {type(tree).__name__}, expected zones and lines")
    if tree.get("type") == "FeatureCollection":
        for number, feature in enumerate(tree["features"], start=1):
            said, geometry = feature.get("properties") or {}, feature["geometry"]
            points, is_line = geometry["coordinates"], geometry["type"] == "LineString"
            if geometry["type"] not in ("LineString", "Polygon"):
                raise ValueError(f"feature {number} is a {geometry['type']}, expected Polygon or LineString")
            unit, kind = said.get("unit", "m"), "line" if is_line else said.get("kind", "zone")
            if unit not in ("m", "px"):
                raise ValueError(f"feature {number} has unit {unit!r}, expected 'm' or 'px'")
            yield _Item(str(said.get("name", number)), kind, [points] if is_line else points, unit == "px")
        return
    unknown = set(tree) - {"zones", "lines", "area"}
    if unknown:
        raise ValueError(f"unknown key {min(unknown)!r}; expected zones, lines, area")
    for number, entry in enumerate(tree.get("zones", []), start=1):
        yield _item(entry, "polygon", f"zone {number}", entry.get("kind", "zone"))
    for number, entry in enumerate(tree.get("lines", []), start=1):
        yield _item(entry, "points", f"line {number}", "line")
    if "area" in tree:
        yield _item(tree["area"], "polygon", "area", "area")


def _item(entry: dict[str, Any], key: str, name: str, kind: str) -> _Item:
    units = [unit for unit in ("m", "px") if f"{key}_{unit}" in entry]
    if len(units) != 1:
        raise ValueError(f"{name}: give {key}_m (metres) or {key}_px (pixels)")
    return _Item(str(entry.get("name", name)), kind, [entry[f"{key}_{units[0]}"]], units[0] == "px")


def _shape(item: _Item, ground: Ground | None) -> Shape:
    kinds: tuple[Kind, ...] = ("zone", "queue", "area", "line")
    kind = next((kind for kind in kinds if kind == item.kind), None)
    if kind is None:
        raise ValueError(f"{item.name}: kind is {item.kind!r}, expected zone, queue or area")
    rings = [_points(item.name, ring, 2 if kind == "line" else 3) for ring in item.rings]
    if item.is_px:
        if ground is None:
            raise InputError(f"{item.name}: is given in pixels, but these trajectories have no camera; give metres")
        rings = [ground.cast(ring) for ring in rings]
    geometry = shapely.LineString(rings[0]) if kind == "line" else shapely.Polygon(rings[0], rings[1:])
    if not geometry.is_valid or geometry.is_empty or (kind != "line" and geometry.area <= 0) or geometry.length <= 0:
        why = shapely.is_valid_reason(geometry)
        raise ValueError(f"{item.name}: is no {'line' if kind == 'line' else 'polygon'} with an extent ({why})")
    return Shape(item.name, kind, geometry)


def _points(name: str, points: Any, least: int) -> np.ndarray:
    try:
        array = np.array(points, np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: points are not pairs of numbers") from error
    if array.ndim != 2 or array.shape[1] != 2 or not least <= len(array) <= POINTS_MAX:
        raise ValueError(f"{name}: got points of shape {array.shape}, expected at least {least} pairs of numbers")
    if not np.isfinite(array).all() or np.abs(array).max() > 1e7:
        raise ValueError(f"{name}: a point is not a finite number")
    return array


def write_shapes(path: Path, shapes: Shapes) -> None:
    """Write shapes as GeoJSON, in metres."""
    area = [Shape("area", "area", shapes.area)] if shapes.area is not None else []
    features = [
        {
            "type": "Feature",
            "properties": {"name": shape.name, "kind": shape.kind, "unit": "m"},
            "geometry": json.loads(shapely.to_geojson(shape.geometry)),
        }
        for shape in (*shapes.zones, *shapes.lines, *area)
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features}, indent=1)
    write_bytes(path, (text + "\n").encode())
