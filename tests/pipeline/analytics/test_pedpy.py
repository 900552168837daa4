"""The measures beside PedPy's, on the same trajectories."""

import warnings

import numpy as np
import pytest
import shapely

from pipeline.analytics import density, flow, speed
from pipeline.analytics.trajectories import Trajectories
from pipeline.analytics.voronoi import Cutoff

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pandas = pytest.importorskip("pandas")
    pedpy = pytest.importorskip("pedpy")

ROOM = shapely.box(-6, -6, 14, 12)
INNER = shapely.box(2, 1, 6, 5)
LINE = shapely.LineString([(4, -6), (4, 12)])
ALIKE = {"rtol": 1e-9, "atol": 1e-9}


def for_pedpy(people: Trajectories) -> "pedpy.TrajectoryData":
    x, y = people.xy_m.T
    table = pandas.DataFrame({"id": people.person, "frame": people.frame, "x": x, "y": y})
    return pedpy.TrajectoryData(table, people.rate_hz)


@pytest.mark.parametrize("room", [ROOM, ROOM.difference(shapely.box(0, 2, 1, 12))])
@pytest.mark.parametrize("radius", [None, 1.0])
def test_voronoi_density_and_speed_are_those_of_pedpy(
    walkers: Trajectories, room: shapely.Polygon, radius: float | None
) -> None:
    inside = shapely.contains_xy(room, *walkers.xy_m.T)
    people = walkers.take(np.isin(walkers.person, walkers.person[~inside], invert=True))
    assert len(people.people) > 4
    theirs = pedpy.compute_individual_voronoi_polygons(
        traj_data=for_pedpy(people),
        walkable_area=pedpy.WalkableArea(room),
        cut_off=None if radius is None else pedpy.Cutoff(radius=radius, quad_segments=3),
    )
    area = pedpy.MeasurementArea(INNER)
    expected, pieces = pedpy.compute_voronoi_density(individual_voronoi_data=theirs, measurement_area=area)
    cells = density.cells_of(people, room, None if radius is None else Cutoff(radius))
    part = density.part_inside(cells, INNER)
    np.testing.assert_allclose(density.voronoi_density(part, expected.frame.to_numpy()), expected.density, **ALIKE)
    fast = pedpy.compute_individual_speed(
        traj_data=for_pedpy(people), frame_step=5, speed_calculation=pedpy.SpeedCalculation.BORDER_SINGLE_SIDED
    )
    wanted = pedpy.compute_voronoi_speed(
        traj_data=for_pedpy(people),
        individual_speed=fast,
        individual_voronoi_intersection=pieces,
        measurement_area=area,
    )
    ours = speed.individual_speed(people, 5, "single_sided").speed
    found = density.voronoi_speed(part, ours, wanted.frame.to_numpy())
    np.testing.assert_allclose(found, wanted.speed, **ALIKE)


def test_classic_density_is_that_of_pedpy(walkers: Trajectories) -> None:
    expected = pedpy.compute_classic_density(
        traj_data=for_pedpy(walkers), measurement_area=pedpy.MeasurementArea(INNER)
    )
    assert expected.density.max() > 0
    np.testing.assert_allclose(density.classic_density(walkers, INNER), expected.density, **ALIKE)


@pytest.mark.parametrize(
    "border, theirs",
    [
        ("adaptive", pedpy.SpeedCalculation.BORDER_ADAPTIVE),
        ("exclude", pedpy.SpeedCalculation.BORDER_EXCLUDE),
        ("single_sided", pedpy.SpeedCalculation.BORDER_SINGLE_SIDED),
    ],
)
def test_individual_speed_is_that_of_pedpy(
    walkers: Trajectories, border: speed.Border, theirs: "pedpy.SpeedCalculation"
) -> None:
    expected = pedpy.compute_individual_speed(traj_data=for_pedpy(walkers), frame_step=4, speed_calculation=theirs)
    found = speed.individual_speed(walkers, 4, border).speed
    known = np.isfinite(found)
    expected = expected.sort_values(["id", "frame"])
    np.testing.assert_array_equal(walkers.frame[known], expected.frame)
    np.testing.assert_allclose(found[known], expected.speed, **ALIKE)


def test_the_n_t_curve_and_the_flow_of_first_crossings_are_those_of_pedpy(walkers: Trajectories) -> None:
    curve, crossed = pedpy.compute_n_t(
        traj_data=for_pedpy(walkers), measurement_line=pedpy.MeasurementLine(LINE.coords)
    )
    first = flow.first_crossings(flow.find_crossings(walkers, LINE))
    assert dict(zip(first.person, first.frame)) == dict(zip(crossed.id, crossed.frame)) and len(first.person) > 3
    ours = flow.cumulative(first, walkers.frame_range)
    np.testing.assert_array_equal(ours, curve.cumulative_pedestrians)
    fast = pedpy.compute_individual_speed(traj_data=for_pedpy(walkers), frame_step=1)
    expected = pedpy.compute_flow(
        nt=curve, crossing_frames=crossed, individual_speed=fast, delta_frame=10, frame_rate=walkers.rate_hz
    )
    windows = flow.flow_windows(ours, walkers.frame_range, 10, walkers.rate_hz)
    np.testing.assert_allclose(windows.flow, expected.flow, **ALIKE)


def test_the_density_profile_is_that_of_pedpy(walkers: Trajectories) -> None:
    people = walkers.take((walkers.frame >= 20) & (walkers.frame < 23))
    theirs = pedpy.compute_individual_voronoi_polygons(
        traj_data=for_pedpy(people), walkable_area=pedpy.WalkableArea(ROOM)
    )
    expected = pedpy.compute_density_profile(
        data=theirs, walkable_area=pedpy.WalkableArea(ROOM), grid_size=1.0, density_method=pedpy.DensityMethod.VORONOI
    )
    grid = density.Grid.over(ROOM.bounds, 1.0)
    found = density.density_profile(density.cells_of(people, ROOM), grid)
    np.testing.assert_allclose(found[:, ::-1], np.array(expected), **ALIKE)  # theirs begins with the upper row
