"""The space that each person has: Voronoi cells, cut by the walkable area and by a radius."""

from dataclasses import dataclass

import numpy as np
import shapely

from configs.errors import InputError


@dataclass(frozen=True, slots=True)
class Cutoff:
    """The largest reach of a cell: a circle, drawn with so many segments per quarter."""

    radius_m: float
    quad_segments: int = 3  # as PedPy


def voronoi_cells(xy_m: np.ndarray, area: shapely.Polygon, cutoff: Cutoff | None = None) -> np.ndarray:
    """Return the cell (N,) of each position (N, 2): all points of the area that are nearer to it than to the others.

    Where a wall cuts a cell in parts, the part with the person is theirs.

    Args:
        area: the walkable area; `shapely.prepare` makes it faster.

    Raises:
        InputError: somebody stands outside the area.

    Source: Steffen & Seyfried 2010, Physica A 389, section 2.4. Only cells that the border or the circle can reach
    are cut; the result is the same.
    """
    if not len(xy_m):
        return np.zeros(0, object)
    points = shapely.points(xy_m)
    try:
        found = shapely.voronoi_polygons(shapely.multipoints(points), extend_to=area, ordered=True)
    except shapely.errors.GEOSException as error:
        raise InputError(
            "two people stand on exactly the same spot in a frame, so that their cells are not defined"
        ) from (error)
    cells = shapely.get_parts(found)
    is_cut = ~shapely.covers(area, cells)
    cells[is_cut] = shapely.intersection(cells[is_cut], area)
    if cutoff is not None:
        reach = _reach_m(cells, xy_m)
        is_far = reach > cutoff.radius_m * np.cos(np.pi / 4 / cutoff.quad_segments)  # the drawn circle's inner radius
        circles = shapely.buffer(points[is_far], cutoff.radius_m, quad_segs=cutoff.quad_segments)
        cells[is_far] = shapely.intersection(cells[is_far], circles)
    for place in np.flatnonzero(shapely.get_type_id(cells) != shapely.GeometryType.POLYGON):
        parts = shapely.get_parts(cells[place])
        parts = parts[
            (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & shapely.covers(parts, points[place])
        ]
        if not len(parts):
            x, y = xy_m[place]
            raise InputError(
                f"somebody stands at ({x:.2f}, {y:.2f}) m, outside the walkable area; make the area larger"
            )
        cells[place] = parts[0]
    return np.asarray(cells)


def _reach_m(cells: np.ndarray, xy_m: np.ndarray) -> np.ndarray:
    """Return the distance (N,) from each position to the farthest corner of its cell."""
    corners, owner = shapely.get_coordinates(cells, return_index=True)
    reach = np.zeros(len(cells))
    np.maximum.at(reach, owner, np.hypot(*(corners - xy_m[owner]).T))
    return reach
