"""How much of each cell of a grid lies in a polygon, for many polygons at once."""

from collections.abc import Iterator

import numpy as np
import shapely

PAIRS_MAX = 1_000_000  # of edges and corners of cells that are worked out together: about 100 MB


def overlaps(
    polygons: np.ndarray, x_m: np.ndarray, y_m: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, for some polygons at a time, place of the polygon, row and column of the cell, and the area in both, m^2.

    The area of a polygon left of x and below y is a sum over its edges (Green), so each corner of the grid costs one
    sum, and a cell is what four corners differ by. Exact also for polygons with bays and holes.

    Args:
        polygons: (N,) shapely polygons.
        x_m: (C + 1,) edges of the columns, ascending.
        y_m: (R + 1,) edges of the rows.
    """
    polygons = shapely.orient_polygons(polygons)  # counter-clockwise, holes clockwise
    bounds = shapely.bounds(polygons)
    first_column = np.maximum(np.searchsorted(x_m, bounds[:, 0], side="right") - 1, 0)
    last_column = np.minimum(np.searchsorted(x_m, bounds[:, 2], side="left"), len(x_m) - 1)
    first_row = np.maximum(np.searchsorted(y_m, bounds[:, 1], side="right") - 1, 0)
    last_row = np.minimum(np.searchsorted(y_m, bounds[:, 3], side="left"), len(y_m) - 1)
    wide, tall = last_column - first_column + 1, last_row - first_row + 1  # corners of the grid around each polygon
    corners = np.where((wide > 1) & (tall > 1), wide * tall, 0)
    cost = np.cumsum(corners * shapely.get_num_coordinates(polygons))
    for part in np.split(np.arange(len(polygons)), np.searchsorted(cost, np.arange(PAIRS_MAX, cost[-1], PAIRS_MAX))):
        part = part[corners[part] > 0]
        if not len(part):
            continue
        starts = np.concatenate([[0], np.cumsum(corners[part])])
        owner = np.repeat(np.arange(len(part)), corners[part])
        place = np.arange(starts[-1]) - starts[owner]
        column = first_column[part][owner] + place % wide[part][owner]
        row = first_row[part][owner] + place // wide[part][owner]
        below = _area_below(polygons[part], x_m[column], y_m[row], starts)
        is_cell = (place % wide[part][owner] < wide[part][owner] - 1) & (
            place < corners[part][owner] - wide[part][owner]
        )
        here = np.flatnonzero(is_cell)
        up = here + wide[part][owner[here]]
        area = below[up + 1] - below[up] - below[here + 1] + below[here]
        yield part[owner[here]], row[here], column[here], area


def _area_below(polygons: np.ndarray, x: np.ndarray, y: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the area of polygons left of x and below y for the corners (K,) of each.

    Args:
        starts: (N + 1,) where the corners of each polygon begin.
    """
    rings, ring_owner = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    edge = np.flatnonzero(np.diff(ring) == 0)
    a, b, owner = points[edge], points[edge + 1], ring_owner[ring[edge]]
    counts = np.diff(starts)[owner]
    which = np.repeat(np.arange(len(edge)), counts)
    corner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + starts[owner][which]
    is_right = (b[:, 0] >= a[:, 0])[:, None]
    low, high = np.where(is_right, a, b), np.where(is_right, b, a)
    span = high[:, 0] - low[:, 0]
    slope = np.divide(high[:, 1] - low[:, 1], span, out=np.zeros(len(span)), where=span > 0)
    length = np.minimum(high[which, 0], x[corner]) - low[which, 0]
    np.maximum(length, 0, out=length)
    # min(Y, y) over the edge is y minus what the edge lies below y by.
    near = y[corner] - low[which, 1]
    far = near - slope[which] * length
    both, least, most = near + far, np.minimum(near, far), np.maximum(near, far)
    under = np.where(least >= 0, both / 2, 0.0)
    crossed = (least < 0) & (most > 0)
    under[crossed] = most[crossed] ** 2 / (2 * (most[crossed] - least[crossed]))
    sign = np.where(is_right[:, 0], -1.0, 1.0)
    parts = sign[which] * (y[corner] - under) * length
    return np.bincount(corner, weights=parts, minlength=int(starts[-1]))
