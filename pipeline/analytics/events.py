"""Tables of what happened: crossings, visits, contacts, gazes, groups, activities, and a row per person."""

from collections import Counter
from itertools import pairwise

import numpy as np
import polars

from configs.checks import Shaped, shapes_of
from pipeline.analytics.activity import NAMES, activities, stretches
from pipeline.analytics.flow import cumulative, find_crossings, first_crossings, flow_windows
from pipeline.analytics.groups import Group, Partition, formations, lasting_groups, walking_groups
from pipeline.analytics.meetings import Episodes, contact_probability, episodes, find_contacts, is_mutual_gaze
from pipeline.analytics.series import Tables
from pipeline.analytics.study import NotMeasurableError, Study
from pipeline.analytics.visits import find_visits


def line_tables(study: Study) -> Tables:
    """Return `crossings`, `line_counts` (the N-t curves) and `line_flow`; empty without lines."""
    study.check_still()
    crossings, counts, flows = [], [], []
    for line in study.shapes.lines:
        found = find_crossings(study.people, line.geometry)
        name, frames = line.name, study.people.frame_range
        crossings.append(_named("line", name, found).rename({"speed": "speed_m_s"}))
        forward, backward = (cumulative(found, frames, way) for way in (1, -1))
        people = cumulative(first_crossings(found), frames)
        at = study.frames - frames[0]
        counts.append(polars.DataFrame({
            "line": np.full(len(at), name), "time_s": study.times, "forward": forward[at], "backward": backward[at],
            "people": people[at],
        }))  # fmt: skip
        step = max(1, round(study.settings.flow_window_s * study.people.rate_hz))
        for way, curve in (("forward", forward), ("backward", backward), ("both", forward + backward)):
            windows = flow_windows(curve, frames, step, study.people.rate_hz)
            flows.append(polars.DataFrame({
                "line": np.full(len(windows.flow), name), "direction": np.full(len(windows.flow), way),
                "start_s": study.people.time_of(windows.first_frame), "end_s": study.people.time_of(windows.last_frame),
                "crossings": windows.count, "flow_per_s": windows.flow,
                "specific_flow_per_m_s": windows.flow / line.geometry.length,
            }))  # fmt: skip
    return {name: polars.concat(parts) for name, parts in
            (("crossings", crossings), ("line_counts", counts), ("line_flow", flows)) if parts}  # fmt: skip


def visit_tables(study: Study) -> Tables:
    """Return `visits` (a row per stay) and `zones` (a row per zone); empty without zones."""
    if not study.shapes.zones:
        return {}
    study.check_still()
    parts, rows = [], []
    slow, speed = study.settings.stand_speed, study.steady
    for zone in study.shapes.zones:
        found = find_visits(study.people, zone.geometry, speed, slow)
        parts.append(_named("zone", zone.name, found).with_columns(dwell_s=found.dwell_s))
        whole = found.has_entered & found.has_left
        rows.append({
            "zone": zone.name, "kind": zone.kind, "area_m2": float(zone.geometry.area),
            "people": len(np.unique(found.person)), "entries": int(found.has_entered.sum()),
            "exits": int(found.has_left.sum()), "person_seconds": float(found.dwell_s.sum()),
            "occupied": _union_s(found.start_s, found.end_s) / study.span(),
            "mean_dwell_s": float(found.dwell_s[whole].mean()) if whole.any() else None,
            "mean_wait_s": float(found.waited_s[whole].mean()) if whole.any() else None,
        })  # fmt: skip
    return {"visits": polars.concat(parts), "zones": polars.DataFrame(rows, infer_schema_length=None)}


def _named(kind: str, name: str, found: Shaped) -> polars.DataFrame:
    """Return a noun of one zone or line as a table, its name in the first column."""
    columns = {field: getattr(found, field) for field in shapes_of(type(found))}
    return polars.DataFrame({kind: np.full(len(next(iter(columns.values()))), name)} | columns)


def _union_s(starts: np.ndarray, ends: np.ndarray) -> float:
    """Return how long at least one of several intervals lasts."""
    total, reached = 0.0, -np.inf
    for start, end in sorted(zip(starts.tolist(), ends.tolist(), strict=True)):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def contact_tables(study: Study) -> Tables:
    """Return `contacts` and `distances` (percentiles of the distance to the nearest other person)."""
    if len(study.people.people) < 2:
        raise NotMeasurableError("there is only one person")
    if not len(study.pairs.first):
        raise NotMeasurableError("no two people are ever within 3 m of each other")
    limit = study.settings.contact_m
    chance = contact_probability(study.sampled, study.pairs, limit)
    found = find_contacts(study.sampled, study.pairs, chance, limit, study.settings.contact_s)
    edges = np.arange(0, 3.01, 0.25)
    count = np.histogram(study.pairs.distance_m, edges)[0]
    spread = polars.DataFrame({
        "from_m": edges[:-1], "to_m": edges[1:], "pair_seconds": count * study.step_s,
    })  # fmt: skip
    study.figures["contact_pair_seconds"] = float(np.sum(study.pairs.distance_m < limit)) * study.step_s
    study.figures["contact_pair_seconds_expected"] = (
        float(np.nansum(chance)) * study.step_s if np.isfinite(chance).any() else None
    )
    return {"contacts": _episode_table(found), "distances": spread}


def gaze_tables(study: Study) -> Tables:
    """Return `gazes`: who looked at whom and was looked at, from the heads of the bodies."""
    if study.postures is None:
        raise NotMeasurableError("trajectories alone do not say where people face")
    if len(study.people.people) < 2:
        raise NotMeasurableError("there is only one person")
    bodies = study.postures.take(study.kept)
    holds = is_mutual_gaze(study.sampled, bodies, study.pairs, study.settings.gaze_rad)
    found = episodes(study.sampled, study.pairs, holds, np.broadcast_to(np.nan, len(holds)), study.settings.contact_s)
    return {"gazes": _episode_table(found).drop("probability")}


def _episode_table(found: Episodes) -> polars.DataFrame:
    columns = {field: getattr(found, field) for field in shapes_of(Episodes)}
    return polars.DataFrame(columns | {"seconds": found.end_s - found.start_s})


def group_tables(study: Study) -> Tables:
    """Return `groups`: who walked together, and who stood in an F-formation, from when to when."""
    if len(study.people.people) < 2:
        raise NotMeasurableError("there is only one person")
    given, times = study.settings, study.sampled.time_of(study.index.frames)
    walking: list[Partition] = []
    if not study.moves_with_camera:
        velocity = study.pace.velocity
        walking = walking_groups(
            study.sampled, study.index, study.pairs, velocity, given.group_m, given.stand_speed, given.group_s
        )
    rows = [("walking", group) for group in lasting_groups(walking, times[: len(walking)], given.group_s)]
    if study.postures is not None:
        stands = ~(study.steady[study.kept] >= given.stand_speed)
        standing = formations(study.sampled, study.index, study.postures.take(study.kept), stands, given.stride_m)
        rows += [("standing", group) for group in lasting_groups(standing, times, given.group_s)]
    else:
        study.notes.append("F-formations: not measurable, because trajectories alone do not say where people face")
    return {"groups": polars.DataFrame(
        [_group_row(kind, group) for kind, group in rows],
        schema={"kind": str, "size": int, "people": str, "start_s": float, "end_s": float, "seconds": float},
        orient="row",
    )}  # fmt: skip


def _group_row(kind: str, group: Group) -> tuple[str, int, str, float, float, float]:
    people = " ".join(map(str, group.people))
    return kind, len(group.people), people, group.start_s, group.end_s, group.end_s - group.start_s


def person_tables(study: Study) -> Tables:
    """Return `activities` (stretches of time) and `persons` (a row per person)."""
    people, given = study.people, study.settings
    found = activities(people, study.steady, study.postures, given.stand_speed, given.run_speed)
    parts = stretches(people, found, study.postures)
    table = polars.DataFrame(
        [(part.person, NAMES[part.activity], part.start_s, part.end_s, part.is_fall_candidate) for part in parts],
        schema={"person": int, "activity": str, "start_s": float, "end_s": float, "is_fall_candidate": bool},
        orient="row",
    )
    falls = Counter(part.person for part in parts if part.is_fall_candidate)
    sigma: dict[int, float | None] = {}
    for _, some, speeds in study.speeds():
        errors = study.speed_sigma(some, speeds)
        sigma |= {person: _mean(errors[span]) for person, span in some.spans()}
    rows = []
    for person, span in people.spans():
        own, speed = people.xy_m[span], study.steady[span]
        step = np.diff(people.time_s[span], append=people.time_s[span][-1] + 1 / people.rate_hz)
        step = np.minimum(step, 2 / people.rate_hz)  # nobody knows what somebody does in a gap
        seconds = {f"{name}_s": float(step[found[span] == place].sum()) for place, name in enumerate(NAMES) if place}
        rows.append({
            "person": person, "start_s": float(people.time_s[span][0]), "end_s": float(people.time_s[span][-1]),
            "observed": float(1 - people.is_filled[span].mean()),
            "height_m": None if study.postures is None else float(study.postures.height_m[span][0]),
            "way_m": _way_m(own[:: max(1, study.frame_step)], own[-1]),
            "mean_speed_m_s": _mean(speed),
            "max_speed_m_s": float(np.nanmax(speed)) if np.isfinite(speed).any() else None,
            "speed_sigma_m_s": sigma[person], **seconds,
            "falls": falls[person],
        })  # fmt: skip
    if study.moves_with_camera:
        for row in rows:
            row["way_m"] = None
    return {"activities": table, "persons": polars.DataFrame(rows, infer_schema_length=None)}


def _way_m(points: np.ndarray, last: np.ndarray) -> float:
    """Return the length of the way through points, each about half a second after the other."""
    corners = [*points, last]
    return float(sum(np.linalg.norm(b - a) for a, b in pairwise(corners)))


def _mean(values: np.ndarray) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
