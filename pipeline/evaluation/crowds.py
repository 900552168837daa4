"""Analytics of simulated crowds against their known answers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from configs.analytics_schema import AnalyticsSettings
from pipeline.analytics.density import count_inside
from pipeline.analytics.events import line_tables
from pipeline.analytics.flow import find_crossings
from pipeline.analytics.groups import Partition, match_groups, walking_groups
from pipeline.analytics.series import series_tables
from pipeline.analytics.shapes import Shape, Shapes
from pipeline.analytics.speed import individual_speed
from pipeline.analytics.study import Study
from pipeline.analytics.trajectories import Trajectories
from pipeline.evaluation.held import held_distances, held_places, held_speeds
from pipeline.evaluation.simulated_camera import watch
from pipeline.evaluation.simulated_crowd import ROOM_M, Crowd

ZONE = shapely.box(6, 2, 14, 8)
LINE = shapely.LineString([(10, 0), (10, 10)])
ROOM = shapely.box(0, 0, *ROOM_M)
TRUE = "true tracks"
HELD = ("people", "density", "place", "speed", "distance")


@dataclass(frozen=True, slots=True)
class Figures:
    """Errors of one crowd; fractions of the truth, signed where they say which way. NaN: not applicable."""

    people: float  # mean count in the zone
    density: float  # mean Voronoi density of the zone against mean people per area
    density_absolute: float  # of its mean, averaged over time, against the true Voronoi density
    speed: float  # mean speed
    speed_absolute: float  # of single speeds, on average
    flow: float  # crossings of the line, both ways
    distance_m: float  # of pairs within 3 m, on average
    group_f1: float
    held: dict[str, float]  # figure -> how often its 90 % interval holds the truth


def ways_to_see(
    crowd: Crowd, heights: list[float], seed: int, settings: AnalyticsSettings
) -> Iterator[tuple[str, Trajectories, np.ndarray]]:
    """Yield the true tracks and those of cameras at some heights, by name, with the true number of each row."""
    true = crowd.tracks()
    yield TRUE, true, true.person
    for word, is_all_found in (("all found", True), ("detected", False)):
        for height in heights:
            seen = watch(crowd, height, seed, settings.smooth_s, is_all_found=is_all_found)
            yield f"{word} from {height:g} m", seen.people, seen.truth


def measure(crowd: Crowd, tracks: Trajectories, truth: np.ndarray, settings: AnalyticsSettings) -> Figures:
    """Return the errors of one analysis.

    Args:
        truth: (R,) the true number of the person of each row, from 1.
    """
    shapes = Shapes((Shape("zone", "zone", ZONE),), (Shape("line", "line", LINE),), ROOM)
    study, exact = Study(tracks, settings, shapes), Study(crowd.tracks(), settings, shapes)
    frames = np.intersect1d(study.frames, exact.frames)
    at, at_exact = np.searchsorted(study.frames, frames), np.searchsorted(exact.frames, frames)
    series = series_tables(study)["zone_series"]
    ours = {name: series[name].to_numpy()[at] for name in series.columns if name != "zone"}
    known = series_tables(exact)["zone_series"]["density_per_m2"].to_numpy()[at_exact]
    count = count_inside(exact.people, ZONE)[frames]
    everywhen = count_inside(exact.people, ZONE).mean() / ZONE.area  # what no Voronoi cell has touched
    true_xy = crowd.xy_m[tracks.frame, truth - 1]
    exact_speed = individual_speed(exact.people, exact.frame_step).speed
    row = np.searchsorted(exact.people.person * 10**6 + exact.people.frame, truth * 10**6 + tracks.frame)
    speeds = individual_speed(tracks, study.frame_step)
    speed, wanted = speeds.speed, exact_speed[row]
    full = np.isfinite(speed) & np.isfinite(wanted) & (speeds.window_s > 0.9 * settings.speed_window_s)
    crossed = len(find_crossings(exact.people, LINE).frame)
    pairs = study.pairs
    true_apart = np.linalg.norm(true_xy[study.kept[pairs.first]] - true_xy[study.kept[pairs.second]], axis=1)
    off = pairs.distance_m - true_apart
    held = {
        "people": _held(count, ours["people_low"], ours["people_high"]),
        "density": _held(known, ours["density_per_m2_low"], ours["density_per_m2_high"]),
        "place": _share(held_places(tracks, true_xy)),
        "speed": _share(held_speeds(tracks, true_xy, settings)),
        "distance": _share(held_distances(study.sampled, true_xy[study.kept])),
    }
    return Figures(
        ours["people"].mean() / count.mean() - 1,
        ours["density_per_m2"].mean() / everywhen - 1,
        float(np.abs(ours["density_per_m2"] - known).mean() / known.mean()),
        float(speed[full].mean() / np.nanmean(exact_speed) - 1),
        float(np.abs(speed - wanted)[full].mean() / np.nanmean(exact_speed)),
        len(line_tables(study)["crossings"]) / crossed - 1 if crossed else float("nan"),
        float(np.abs(off).mean()),
        _group_f1(study, truth, crowd.groups()),
        held,
    )


def _share(holds: np.ndarray) -> float:
    return float(holds.mean()) if len(holds) else float("nan")


def _held(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    known = np.isfinite(low)
    return float(np.mean((truth >= low - 1e-9)[known] & (truth <= high + 1e-9)[known])) if known.any() else float("nan")


def _group_f1(study: Study, truth: np.ndarray, groups: Partition) -> float:
    """Return F1 of walking groups over the sampled frames, T = 2/3; of true groups those who are seen then."""
    given = study.settings
    found = walking_groups(
        study.sampled, study.index, study.pairs, study.pace.velocity, given.group_m,
        given.stand_speed, given.group_s,
    )  # fmt: skip
    who = truth[study.kept]
    right = wrong = missed = 0
    for (_, rows), partition in zip(study.index, found, strict=True):
        name = dict(zip(study.sampled.person[rows].tolist(), who[rows].tolist(), strict=True))
        present = set(name.values())
        true = [group & present for group in groups if len(group & present) > 1]
        each = match_groups([frozenset(name[person] for person in group) for group in partition], true)
        right, wrong, missed = right + each[0], wrong + each[1], missed + each[2]
    return 2 * right / max(1, 2 * right + wrong + missed)
