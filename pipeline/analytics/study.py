"""The people of one analysis with what several measures need of them, worked out once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import shapely

from configs.analytics_schema import AnalyticsSettings
from pipeline.analytics.bands import Band, band_of, draw_positions
from pipeline.analytics.density import Cells, Grid, Part, cells_of, density_profile, part_inside
from pipeline.analytics.ground import Ground
from pipeline.analytics.meetings import Pairs, find_pairs
from pipeline.analytics.shapes import Shape, Shapes
from pipeline.analytics.speed import Speeds, individual_speed, speed_sigma, steady_speed
from pipeline.analytics.trajectories import BLOCK_ROWS, FrameIndex, Postures, Trajectories
from pipeline.analytics.voronoi import Cutoff

REACH_M = 3.0  # of pairs
GRID_CELLS_MAX = 40_000
MAP_FRAMES_MAX, CELLS_AT_ONCE = 60, 50_000
BAND_CELLS_MAX = 150_000  # Voronoi cells that bands are made from: about a minute


class NotMeasurableError(Exception):
    """Something cannot be measured here; the text says why, after "because"."""


@dataclass(frozen=True, slots=True)
class Spaces:
    """The Voronoi cells of everybody."""

    cells: Cells  # without polygons
    covered_m2: dict[str, np.ndarray]  # zone -> of each cell (C,) what lies in it
    map_per_m2: np.ndarray  # (rows, columns) of the grid: the density, mean over the map's frames


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast people are."""

    steady: np.ndarray  # (R,) speed over half of a window at least, also at the ends of tracks
    velocity: np.ndarray  # (S, 2) of the samples, over what there is of a window
    mean_speed: float | None  # of all rows; None: not known
    mean_walking_speed: float | None  # of those who are not slower than `stand_speed`


@dataclass
class Study:
    """One analysis."""

    people: Trajectories
    settings: AnalyticsSettings
    shapes: Shapes = field(default_factory=Shapes)
    postures: Postures | None = None  # None: no bodies
    ground: Ground | None = None  # None: no camera
    notes: list[str] = field(default_factory=list)
    figures: dict[str, float | None] = field(default_factory=dict)  # that measures add to the summary

    @property
    def moves_with_camera(self) -> bool:
        """Whether the camera is known to move, so that places at different times cannot be compared."""
        return self.ground is not None and self.ground.is_fixed is False

    def check_still(self) -> None:
        """Refuse what needs places that stay: raises `NotMeasurableError` where the camera moves."""
        if self.moves_with_camera:
            raise NotMeasurableError("the camera moves and the ground is not fixed in its view")

    @cached_property
    def frame_step(self) -> int:
        """How many frames before and after a speed is taken over."""
        return max(1, round(self.settings.speed_window_s * self.people.rate_hz / 2))

    def speeds(self) -> Iterator[tuple[slice, Trajectories, Speeds]]:
        """Yield rows of some people, these people, and how fast they are; NaN everywhere where the camera moves."""
        for rows in self.people.blocks():
            people = self.people.take(rows)
            found = individual_speed(people, self.frame_step)
            yield (
                rows,
                people,
                found.each(lambda values: values * np.nan, ["velocity"]) if self.moves_with_camera else found,
            )

    @cached_property
    def pace(self) -> "Pace":
        """How fast everybody is, as far as it is kept."""
        steady, velocity = np.zeros(len(self.people.person)), np.zeros((len(self.kept), 2))
        means = [np.zeros(2), np.zeros(2)]  # of everybody, of those who walk: sum and number
        for rows, people, found in self.speeds():
            speed = found.speed
            steady[rows] = steady_speed(people, found, self.settings.speed_window_s)
            first, last = np.searchsorted(self.kept, [rows.start, rows.stop])
            velocity[first:last] = found.velocity[self.kept[first:last] - rows.start]
            for mean, who in zip(means, (np.isfinite(speed), speed >= self.settings.stand_speed), strict=True):
                mean += speed[who].sum(), who.sum()
        return Pace(steady, velocity, *(float(total / count) if count else None for total, count in means))

    @property
    def steady(self) -> np.ndarray:
        """Speeds (R,) that are taken over half of a window at least, also at the ends of tracks; m/s."""
        return self.pace.steady

    def speed_sigma(self, people: Trajectories, speeds: Speeds) -> np.ndarray:
        """Return standard deviations (R,) of the speeds of some people."""
        return speed_sigma(people, speeds, self.settings.correlation_s)

    @cached_property
    def kept(self) -> np.ndarray:
        """Which rows (S,) are taken at `sample_hz`."""
        step = max(1, round(self.people.rate_hz / self.settings.sample_hz))
        return np.flatnonzero((self.people.frame - self.people.frame.min()) % step == 0)

    @cached_property
    def step_s(self) -> float:
        """Seconds between two samples."""
        return max(1, round(self.people.rate_hz / self.settings.sample_hz)) / self.people.rate_hz

    @cached_property
    def sampled(self) -> Trajectories:
        """Everybody at `sample_hz`."""
        return self.people.take(self.kept)

    @cached_property
    def frames(self) -> np.ndarray:
        """The frames of the samples (F,), also those with nobody between others."""
        step = max(1, round(self.people.rate_hz / self.settings.sample_hz))
        return np.arange(self.people.frame.min(), self.people.frame.max() + 1, step)

    @cached_property
    def times(self) -> np.ndarray:
        """Seconds (F,) of `frames`."""
        return self.people.time_of(self.frames)

    @cached_property
    def index(self) -> FrameIndex:
        """The samples by frame."""
        return self.sampled.by_frame()

    @cached_property
    def pairs(self) -> Pairs:
        """Who is within 3 m of whom in the samples."""
        return find_pairs(self.sampled, self.index, max(REACH_M, self.settings.contact_m, self.settings.group_m))

    @cached_property
    def area(self) -> shapely.Polygon:
        """The walkable area: the one given, or everybody's convex hull with a margin."""
        if self.shapes.area is not None:
            return self.shapes.area
        places = self.people.xy_m
        parts = [places[first : first + BLOCK_ROWS] for first in range(0, len(places), BLOCK_ROWS)]
        hulls = [shapely.get_coordinates(shapely.convex_hull(shapely.multipoints(part))) for part in parts]
        hull = shapely.convex_hull(shapely.multipoints(np.concatenate(hulls)))
        return shapely.buffer(hull, self.settings.margin_m)

    @cached_property
    def is_inside(self) -> np.ndarray:
        """Which samples (S,) lie in the walkable area; the others have no cell."""
        shapely.prepare(self.area)
        return np.asarray(shapely.intersects_xy(self.area, *self.sampled.xy_m.T))

    @cached_property
    def cutoff(self) -> Cutoff | None:
        """How far a Voronoi cell reaches."""
        limit = self.settings.cutoff_m
        return None if limit is None else Cutoff(limit, 8)

    @cached_property
    def map_frames(self) -> np.ndarray:
        """The frames (M,), at most 60, that the map of densities is a mean of."""
        return self.frames[:: max(1, -(-len(self.frames) // MAP_FRAMES_MAX))]

    @cached_property
    def spaces(self) -> "Spaces":
        """The Voronoi cells of the samples, made some frames at a time; polygons are let go."""
        step = max(1, CELLS_AT_ONCE // max(1, len(self.sampled.person) // max(1, len(self.frames))))
        parts, total = [], np.zeros(self.grid.shape)
        for first in range(0, len(self.frames), step):
            some = self.frames[first : first + step]
            is_here = (self.sampled.frame >= some[0]) & (self.sampled.frame <= some[-1])
            rows = np.flatnonzero(self.is_inside & is_here)
            found = cells_of(self.sampled.take(rows), self.area, self.cutoff)
            found = Cells(rows[found.row], found.frame, found.polygon, found.area_m2)
            covered = {zone.name: part_inside(found, zone.geometry).covered_m2 for zone in self.zones}
            total += density_profile(found.take(np.isin(found.frame, self.map_frames)), self.grid).sum(axis=0)
            parts.append((found.row, found.frame, found.area_m2, covered))
        row, frame, area_m2 = (np.concatenate([part[place] for part in parts]) for place in (0, 1, 2))
        whole = {zone.name: np.concatenate([part[3][zone.name] for part in parts]) for zone in self.zones}
        return Spaces(Cells(row, frame, None, area_m2), whole, total / len(self.map_frames))

    @property
    def cells(self) -> Cells:
        """The Voronoi cells of the samples, without polygons; `row` is that of `sampled`."""
        return self.spaces.cells

    @cached_property
    def grid(self) -> Grid:
        """The cells of maps, coarser where there would be too many."""
        side = self.settings.grid_m
        left, low, right, high = self.area.bounds
        side = max(side, float(np.sqrt((right - left) * (high - low) / GRID_CELLS_MAX)))
        return Grid.over(self.area.bounds, side)

    @cached_property
    def zones(self) -> tuple[Shape, ...]:
        """The zones given; without any, the walkable area."""
        return self.shapes.zones or (Shape("whole area", "zone", self.area),)

    @cached_property
    def parts(self) -> dict[str, Part]:
        """What of everybody's cell lies in each zone, by its name."""
        covered = self.spaces.covered_m2
        return {zone.name: Part(self.cells, covered[zone.name], zone.geometry.area) for zone in self.zones}

    @cached_property
    def draws(self) -> list[np.ndarray]:
        """Draws of all positions of the samples, (S, 2) each; none where the covariance is not known."""
        given = self.settings
        return list(draw_positions(self.sampled, given.samples, given.correlation_s, given.seed))

    def band(self, values: list[np.ndarray], measured: np.ndarray) -> Band:
        """Return the interval of a figure measured on draws, and on the positions as they are."""
        return band_of(np.array(values), measured, self.settings.interval)

    @cached_property
    def drawn_cells(self) -> tuple[np.ndarray, list[Cells]]:
        """The frames (G,) for which bands of Voronoi measures are made, and their cells in each draw."""
        cost = len(self.kept) * len(self.draws)
        frames = self.frames[:: max(1, -(-cost // BAND_CELLS_MAX))]
        rows = np.flatnonzero(np.isin(self.sampled.frame, frames))
        few = self.sampled.take(rows)
        found = []
        for draw in self.draws:
            inside = shapely.covers(self.area, shapely.points(draw[rows]))
            here = np.flatnonzero(inside)
            moved = few.take(here).moved(draw[rows[here]] - few.xy_m[here])
            cells = cells_of(moved, self.area, self.cutoff)
            found.append(Cells(rows[here[cells.row]], cells.frame, cells.polygon, cells.area_m2))
        return frames, found

    def span(self) -> float:
        """Return the seconds of the analysis."""
        return self.people.duration_s
