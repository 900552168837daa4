import numpy as np
import pytest
import shapely

from configs.analytics_schema import AnalyticsSettings
from pipeline.analytics.analysis import MEASURES, analyze, nobody
from pipeline.analytics.ground import Ground
from pipeline.analytics.shapes import Shape, Shapes
from pipeline.analytics.study import Study
from pipeline.analytics.trajectories import Postures, Trajectories, sorted_trajectories

SETTINGS = AnalyticsSettings(samples=4)
LINE = Shape("door", "line", shapely.LineString([(4, -10), (4, 10)]))
ZONE = Shape("room", "zone", shapely.box(0, 0, 6, 6))


def still(places: list[tuple[float, float]], frames: int) -> Trajectories:
    count = len(places)
    xy = np.repeat(np.array(places, np.float64), frames, axis=0)
    return sorted_trajectories(np.repeat(np.arange(count), frames), np.tile(np.arange(frames), count), xy, 10.0)


def test_everything_is_measured_of_people_who_walk(walkers: Trajectories) -> None:
    found = analyze(Study(walkers, SETTINGS, Shapes((ZONE,), (LINE,))))
    assert set(found.not_measured) == {"mutual gaze", "bands of uncertainty"}
    assert found.summary["people"] == len(walkers.people) and found.summary["crossings"] > 0
    series = found.tables["zone_series"]
    assert series["people"].max() > 0 and series["density_per_m2"].max() > 0
    assert series["voronoi_speed_m_s"].max() > 0 and (series["voronoi_speed_m_s"] <= series["speed_m_s"] + 1e-9).all()
    counts = found.tables["line_counts"]
    assert (counts["people"] <= counts["forward"] + counts["backward"]).all() and counts["people"][-1] > 0
    assert len(found.long_tables["positions"].whole()) == len(walkers.person)


def test_a_density_has_a_band_where_positions_have_errors(walkers: Trajectories) -> None:
    covariance = np.tile(np.diag([0.3, 0.1]) ** 2, (len(walkers.person), 1, 1))
    people = sorted_trajectories(walkers.person, walkers.frame, walkers.xy_m, walkers.rate_hz, covariance_m2=covariance)
    settings = AnalyticsSettings(samples=20)
    found = analyze(Study(people, settings, Shapes((ZONE,)))).tables["zone_series"].drop_nulls()
    inside = (found["density_per_m2_low"] <= found["density_per_m2"]) & (
        found["density_per_m2"] <= found["density_per_m2_high"]
    )
    assert inside.mean() > 0.8 and (found["density_per_m2_high"] - found["density_per_m2_low"]).mean() > 0.01


def test_a_place_with_nobody_says_so() -> None:
    assert (
        set(nobody().not_measured.values()) == {"nobody was found"} and nobody().not_measured.keys() == MEASURES.keys()
    )


def test_one_person_is_not_near_anybody() -> None:
    found = analyze(Study(still([(1, 1)], 40), SETTINGS))
    assert found.not_measured["distances and contacts"] == "there is only one person"
    assert "nobody walks" in found.not_measured["main directions"]
    assert found.summary["mean_speed_m_s"] == 0


def test_one_frame_has_no_speed() -> None:
    found = analyze(Study(still([(1, 1), (2, 2)], 1), SETTINGS, Shapes((), (LINE,))))
    assert "two frames" in found.not_measured["speed"] and found.summary["mean_speed_m_s"] is None
    assert "fundamental diagram" in found.not_measured and found.summary["mean_people"] == 2


def test_everybody_behind_one_another_has_finite_figures() -> None:
    found = analyze(Study(still([(0, float(y)) for y in range(6)], 20), SETTINGS))
    assert np.isfinite(found.tables["zone_series"]["density_per_m2"].to_numpy()).all()
    assert found.summary["mean_density_at_people_per_m2"] > 0


def test_people_who_only_sit_do_nothing_else_and_walk_nowhere() -> None:
    people = still([(1, 1), (2, 1)], 30)
    sits = Postures(*(np.full(60, value) for value in (0.0, 0.0, 0.2, 1.4, 0.6, 1.5, 1.7)))
    found = analyze(Study(people, SETTINGS, Shapes((ZONE,)), sits))
    assert set(found.tables["activities"]["activity"]) == {"sit"}
    assert "nobody walks" in found.not_measured["main directions"] and found.summary["mean_walking_speed_m_s"] is None
    assert found.tables["persons"]["sit_s"].to_list() == pytest.approx([3.0, 3.0])


def test_two_on_one_spot_cost_the_density_alone() -> None:
    found = analyze(Study(still([(0, 0), (0, 0), (3, 0)], 20), SETTINGS))
    assert "same spot" in found.not_measured["density over time"] and "distances" in found.tables


@pytest.mark.parametrize("name", ["flow through lines", "maps", "main directions", "fundamental diagram"])
def test_a_moving_camera_has_no_places(name: str, walkers: Trajectories) -> None:
    ground = Ground(np.eye(4), 0.0, True, "", False, 1000.0, np.zeros(2))
    found = analyze(Study(walkers, SETTINGS, Shapes((), (LINE,)), None, ground))
    assert "camera moves" in found.not_measured[name] and found.summary["mean_speed_m_s"] is None
