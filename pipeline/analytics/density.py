"""How close people stand: classic and Voronoi density, as a series and as a profile over a grid."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import shapely

from configs.checks import Shaped
from pipeline.analytics.grid_overlap import overlaps
from pipeline.analytics.trajectories import Trajectories
from pipeline.analytics.voronoi import Cutoff, voronoi_cells


@dataclass(frozen=True, slots=True)
class Cells(Shaped):
    """The Voronoi cells of people in frames, one row per person and frame, ordered by (frame, person)."""

    row: Annotated[np.ndarray, "C"]  # int64, of the trajectories
    frame: Annotated[np.ndarray, "C"]  # int64
    polygon: Annotated[np.ndarray | None, "C"]  # shapely polygons; None: let go, of many people
    area_m2: Annotated[np.ndarray, "C"]  # float64

    @property
    def density(self) -> np.ndarray:
        """The density (C,) at each person's place, 1 / area of the cell, people/m^2."""
        return 1.0 / self.area_m2


def cells_of(people: Trajectories, area: shapely.Polygon, cutoff: Cutoff | None = None) -> Cells:
    """Return the cells of everybody in every frame; errors as of `voronoi_cells`."""
    shapely.prepare(area)
    index = people.by_frame()
    polygons = [voronoi_cells(people.xy_m[rows], area, cutoff) for _, rows in index]
    polygon = np.concatenate(polygons) if polygons else np.zeros(0, object)
    return Cells(index.order, people.frame[index.order], polygon, shapely.area(polygon))


def classic_density(people: Trajectories, where: shapely.Polygon) -> np.ndarray:
    """Return N / A (F,) for every frame of `people.frame_range`, people/m^2.

    Source: Steffen & Seyfried 2010, eq. 1. Somebody exactly on the border is not inside.
    """
    return count_inside(people, where) / where.area


def count_inside(people: Trajectories, where: shapely.Polygon) -> np.ndarray:
    """Return how many people are inside (F,) for every frame of `people.frame_range`."""
    frames = people.frame_range
    shapely.prepare(where)
    inside = shapely.contains_xy(where, people.xy_m[:, 0], people.xy_m[:, 1])
    first = frames[0] if len(frames) else 0
    return np.bincount(people.frame[inside] - first, minlength=len(frames))


@dataclass(frozen=True, slots=True)
class Part(Shaped):
    """What of everybody's cell lies in a measurement area M."""

    cells: Cells
    covered_m2: Annotated[np.ndarray, "C"]  # float64, A(V_i and M)
    area_m2: float  # A(M)


def part_inside(cells: Cells, where: shapely.Polygon) -> Part:
    """Return which part of each cell lies inside an area."""
    if cells.polygon is None:
        raise ValueError("cells: their polygons have been let go")
    shapely.prepare(where)
    covered = np.zeros(len(cells.polygon))
    touched = shapely.intersects(where, cells.polygon)
    whole = touched & shapely.covers(where, cells.polygon)
    cut = touched & ~whole
    covered[whole] = cells.area_m2[whole]
    covered[cut] = shapely.area(shapely.intersection(cells.polygon[cut], where))
    return Part(cells, covered, where.area)


def voronoi_density(part: Part, frames: np.ndarray) -> np.ndarray:
    """Return sum of A(V_i and M) / A(V_i), over A(M), for each frame (F,), people/m^2; 0 where nobody is.

    Args:
        frames: ascending, int64.

    Source: Steffen & Seyfried 2010, eq. 8 and 9.
    """
    return _sum_by_frame(part.cells.frame, part.covered_m2 / part.cells.area_m2, frames) / part.area_m2


def voronoi_speed(part: Part, speed: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the sum of A(V_i and M) v_i over A(M) for each frame (F,), m/s.

    Where cells do not cover M, the rest counts as speed 0, as in PedPy; `mean_voronoi_speed` leaves it out.

    Args:
        speed: of each row of the trajectories; somebody without a speed (NaN) is left out.

    Source: Steffen & Seyfried 2010, eq. 10.
    """
    own = np.nan_to_num(speed[part.cells.row])
    return _sum_by_frame(part.cells.frame, part.covered_m2 * own, frames) / part.area_m2


def mean_voronoi_speed(part: Part, speed: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the speed (F,) of the people in M, each weighted by the part of M that is theirs; NaN: nobody, m/s."""
    known = part.covered_m2 * np.isfinite(speed[part.cells.row])
    total = _sum_by_frame(part.cells.frame, known, frames)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, voronoi_speed(part, speed, frames) * part.area_m2 / total, np.nan)


def _sum_by_frame(frame: np.ndarray, values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    place = np.searchsorted(frames, frame)
    place = np.minimum(place, max(0, len(frames) - 1))
    hit = frames[place] == frame if len(frames) else np.zeros(len(frame), bool)
    return np.bincount(place[hit], weights=values[hit], minlength=len(frames)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Grid:
    """Square cells over a rectangle, from its lower left corner; rows go up, columns right."""

    x_m: np.ndarray  # (C + 1,) edges
    y_m: np.ndarray  # (R + 1,) edges
    side_m: float

    @classmethod
    def over(cls, bounds: tuple[float, float, float, float], side_m: float) -> "Grid":
        """Return the grid that covers bounds (x min, y min, x max, y max)."""
        left, low, right, high = bounds
        columns, rows = (max(1, int(np.ceil(round(size / side_m, 9)))) for size in (right - left, high - low))
        return cls(left + side_m * np.arange(columns + 1), low + side_m * np.arange(rows + 1), side_m)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return len(self.y_m) - 1, len(self.x_m) - 1

    def sums(self, xy_m: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the sum of weights (rows, columns) of the points (N, 2) in each cell; without weights their number."""
        found = np.histogram2d(xy_m[:, 1], xy_m[:, 0], bins=(self.y_m, self.x_m), weights=weights)[0]
        return np.asarray(found)


def density_profile(cells: Cells, grid: Grid) -> np.ndarray:
    """Return the Voronoi density (F, rows, columns) in each cell of a grid, for each frame with a person, people/m^2.

    The same formula as `voronoi_density` with the grid's cell as M.
    """
    frames = np.unique(cells.frame)
    total = np.zeros((len(frames), *grid.shape))
    if len(frames) and cells.polygon is not None:
        number = np.searchsorted(frames, cells.frame)
        for which, row, column, area in overlaps(cells.polygon, grid.x_m, grid.y_m):
            share = area / cells.area_m2[which] / grid.side_m**2
            np.add.at(total, (number[which], row, column), share)
    return total
