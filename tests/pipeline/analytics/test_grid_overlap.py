import numpy as np
import pytest
import shapely

from pipeline.analytics import grid_overlap
from pipeline.analytics.grid_overlap import overlaps

X, Y = np.arange(0, 6.01, 0.5), np.arange(-1, 4.01, 0.5)
BAY = shapely.Polygon([(1, 0), (5, 0), (5, 3), (4, 3), (4, 1), (2, 1), (2, 3), (1, 3)])
HOLE = shapely.Point(3, 1.5).buffer(2.2).difference(shapely.Point(3, 1.5).buffer(0.9))
OUTSIDE = shapely.box(10, 10, 12, 12)
OVER = shapely.box(-3, -3, 20, 20)
SLANTED = shapely.Polygon([(0.3, -0.7), (5.9, 0.1), (2.2, 3.9)])


@pytest.mark.parametrize("pairs_max", [10, 1_000_000])
def test_the_area_in_each_cell_is_that_of_the_intersection(pairs_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_overlap, "PAIRS_MAX", pairs_max)
    shapes = np.array([BAY, HOLE, OUTSIDE, OVER, SLANTED, BAY.reverse()])
    found = np.zeros((len(shapes), len(Y) - 1, len(X) - 1))
    for which, row, column, area in overlaps(shapes, X, Y):
        found[which, row, column] += area
    columns, rows = np.meshgrid(np.arange(len(X) - 1), np.arange(len(Y) - 1))
    boxes = shapely.box(X[columns], Y[rows], X[columns + 1], Y[rows + 1])
    for shape, areas in zip(shapes, found):
        np.testing.assert_allclose(areas, shapely.area(shapely.intersection(boxes, shape)), atol=1e-12)
