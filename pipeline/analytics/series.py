"""Tables over time: people, density and speed of the whole place and of each zone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars
import shapely

from pipeline.analytics.activity import NAMES, activities
from pipeline.analytics.bands import Band
from pipeline.analytics.density import (
    count_inside,
    mean_voronoi_speed,
    part_inside,
    voronoi_density,
    voronoi_speed,
)
from pipeline.analytics.directions import flow_map, main_directions
from pipeline.analytics.meetings import nearest_distances
from pipeline.analytics.shapes import Shape
from pipeline.analytics.speed import Speeds
from pipeline.analytics.study import NotMeasurableError, Study
from pipeline.analytics.trajectories import Trajectories
from pipeline.analytics.visits import count_waiting


@dataclass(frozen=True, slots=True)
class LongTable:
    """A table that is made part by part, as it may be too long to be held."""

    parts: Callable[[], Iterator[polars.DataFrame]]  # in order, one at least

    def whole(self) -> polars.DataFrame:
        """Return it all."""
        return polars.concat(self.parts())


Tables = dict[str, polars.DataFrame]


def series_tables(study: Study) -> Tables:
    """Return `series` (the whole place) and `zone_series` (each zone), a row per sample of time.

    `people` is the count, with the band of what the errors of positions make of it; `density` is the Voronoi density,
    `classic_density` people per area, `speed` the speed of the people there, weighted by their cells, and
    `voronoi_speed` the same in which space that is nobody's counts with speed 0.
    """
    parts = [_zone_rows(study, zone) for zone in study.zones]
    frames, places = study.frames, np.searchsorted(study.frames, study.sampled.frame)
    nearest = nearest_distances(study.sampled, study.index)
    whole = {
        "time_s": study.times,
        "frame": frames,
        "people": np.bincount(places, minlength=len(frames)),
        "filled": np.bincount(places[study.sampled.is_filled], minlength=len(frames)),
        "mean_speed_m_s": _mean_by(places, np.hypot(*study.pace.velocity.T), len(frames)),
        "nearest_m": _mean_by(places, nearest, len(frames)),
        "density_at_people_per_m2": _mean_by(
            np.searchsorted(frames, study.cells.frame), study.cells.density, len(frames)
        ),
    }
    return {"series": polars.DataFrame(whole), "zone_series": polars.concat(parts)}


def _zone_rows(study: Study, zone: Shape) -> polars.DataFrame:
    where, frames = zone.geometry, study.frames
    count = _count(study, where)
    counts = study.band([_count(study, where, draw) for draw in study.draws], count)
    part, steady = study.parts[zone.name], study.steady[study.kept]
    density, speed = voronoi_density(part, frames), mean_voronoi_speed(part, steady, frames)
    few, drawn = study.drawn_cells
    measured = density[np.searchsorted(frames, few)]
    dense = study.band([voronoi_density(part_inside(cells, where), few) for cells in drawn], measured)
    # Errors of the speed itself are not in this band; they are in `positions` and `speed_sigma`.
    columns = {
        "zone": np.full(len(frames), zone.name),
        "time_s": study.times,
        "people": count,
        **_with_band("people", counts, frames, frames),
        "classic_density_per_m2": count / where.area,
        "density_per_m2": density,
        **_with_band("density_per_m2", dense, few, frames),
        "speed_m_s": speed,
        "voronoi_speed_m_s": voronoi_speed(part, steady, frames),
        "specific_flow_per_m_s": np.nan_to_num(speed) * density,
        "waiting": count_waiting(study.people, where, study.steady, study.settings.stand_speed)[frames - frames[0]],
    }
    return polars.DataFrame(columns)


def _count(study: Study, where: shapely.Polygon, xy_m: np.ndarray | None = None) -> np.ndarray:
    people = study.sampled if xy_m is None else study.sampled.moved(xy_m - study.sampled.xy_m)
    found = count_inside(people, where)
    return np.bincount(np.searchsorted(study.frames, people.frame_range), weights=found, minlength=len(study.frames))[
        : len(study.frames)
    ].astype(np.int64)


def _with_band(name: str, band: Band, known: np.ndarray, frames: np.ndarray) -> dict[str, np.ndarray]:
    ends = {}
    for end, values in (("low", band.low), ("high", band.high)):
        column = np.full(len(frames), np.nan)
        if np.ndim(values):
            column[np.searchsorted(frames, known)] = values
        ends[f"{name}_{end}"] = column
    return ends


def _mean_by(places: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    known = np.isfinite(values)
    total = np.bincount(places[known], weights=values[known], minlength=count)
    number = np.bincount(places[known], minlength=count)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def position_tables(study: Study) -> dict[str, LongTable]:
    """Return `positions`: a row per person and frame, with covariance, flags, speed, density, facing and activity."""
    _ = study.cells  # or say why there are none
    return {"positions": LongTable(lambda: (_positions(study, *each) for each in study.speeds()))}


def _positions(study: Study, rows: slice, people: Trajectories, speeds: Speeds) -> polars.DataFrame:
    """Return the rows of some whole people."""
    bodies, steady = study.postures, study.steady[rows]
    bodies = None if bodies is None else bodies.take(rows)
    density, place = np.full(len(people.person), np.nan), study.kept[study.cells.row] - rows.start
    is_here = (place >= 0) & (place < len(density))
    density[place[is_here]] = study.cells.density[is_here]
    unknown = np.full(len(people.person), np.nan)
    spread = {"": people.covariance_m2, "momentary_": people.momentary_m2()}
    found = activities(people, steady, bodies, study.settings.stand_speed, study.settings.run_speed)
    return polars.DataFrame({
        "person": people.person.astype(np.int32),
        "frame": people.frame.astype(np.int32),
        "time_s": people.time_s,
        "x_m": people.xy_m[:, 0],
        "y_m": people.xy_m[:, 1],
        **{
            f"{kind}{name}_m2": unknown if errors is None else errors[:, row, column]
            for kind, errors in spread.items()
            for name, row, column in (("var_x", 0, 0), ("cov_xy", 0, 1), ("var_y", 1, 1))
        },
        "is_filled": people.is_filled,
        "speed_m_s": speeds.speed,
        "speed_sigma_m_s": study.speed_sigma(people, speeds),
        "density_per_m2": density,
        "facing_rad": unknown if bodies is None else bodies.facing_rad,
        "gaze_rad": unknown if bodies is None else bodies.gaze_rad,
        "activity": np.array(NAMES)[found],
    })  # fmt: skip


def map_tables(study: Study) -> Tables:
    """Return `map` (time, people, speed and velocity per cell of the grid) and `directions` (the main ones)."""
    study.check_still()
    velocity = study.pace.velocity
    found = flow_map(study.sampled, velocity, study.grid, study.step_s)
    x = (study.grid.x_m[:-1] + study.grid.x_m[1:]) / 2
    y = (study.grid.y_m[:-1] + study.grid.y_m[1:]) / 2
    across, up = np.meshgrid(x, y)
    seen = found.person_seconds > 0
    share = study.spaces.map_per_m2
    columns = {
        "x_m": across[seen | (share > 0)],
        "y_m": up[seen | (share > 0)],
        "person_seconds": found.person_seconds[seen | (share > 0)],
        "visitors": found.visitors[seen | (share > 0)],
        "density_per_m2": share[seen | (share > 0)],
        "speed_m_s": found.speed[seen | (share > 0)],
        "v_x_m_s": found.velocity[..., 0][seen | (share > 0)],
        "v_y_m_s": found.velocity[..., 1][seen | (share > 0)],
    }
    return {"map": polars.DataFrame(columns)}


def direction_tables(study: Study) -> Tables:
    """Return `directions`: where people walk to, the most walked first."""
    study.check_still()
    found = main_directions(lambda: (speeds.velocity for _, _, speeds in study.speeds()), study.settings.stand_speed)
    if not found:
        raise NotMeasurableError(f"nobody walks faster than {study.settings.stand_speed:g} m/s")
    columns = {
        "heading_deg": [float(np.rad2deg(each.heading_rad)) for each in found],
        "share": [each.share for each in found],
        "mean_speed_m_s": [each.speed for each in found],
    }
    return {"directions": polars.DataFrame(columns)}


def fundamental_tables(study: Study) -> Tables:
    """Return `fundamental`: density, speed and their product in each zone at each sample with somebody there.

    Source: the hydrodynamic relation J = rho v; both as Voronoi measures (Steffen & Seyfried 2010).
    """
    study.check_still()
    if study.pace.mean_speed is None:
        raise NotMeasurableError("nobody is seen long enough for a speed")
    parts = []
    for zone in study.zones:
        part = study.parts[zone.name]
        density = voronoi_density(part, study.frames)
        speed = mean_voronoi_speed(part, study.steady[study.kept], study.frames)
        known = np.isfinite(speed) & (density > 0)
        name = np.full(int(known.sum()), zone.name)
        columns = {
            "zone": name,
            "time_s": study.times[known],
            "density_per_m2": density[known],
            "speed_m_s": speed[known],
        }
        parts.append(polars.DataFrame(columns | {"specific_flow_per_m_s": density[known] * speed[known]}))
    return {"fundamental": polars.concat(parts)}
