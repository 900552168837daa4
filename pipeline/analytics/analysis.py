"""One analysis from people to tables: what was measured, and why something was not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars

from configs.errors import InputError
from pipeline.analytics.events import (
    contact_tables,
    gaze_tables,
    group_tables,
    line_tables,
    person_tables,
    visit_tables,
)
from pipeline.analytics.series import (
    LongTable,
    Tables,
    direction_tables,
    fundamental_tables,
    map_tables,
    position_tables,
    series_tables,
)
from pipeline.analytics.study import NotMeasurableError, Study

MEASURES: dict[str, Callable[[Study], Tables | dict[str, LongTable]]] = {
    "positions": position_tables,
    "density over time": series_tables,
    "maps": map_tables,
    "main directions": direction_tables,
    "fundamental diagram": fundamental_tables,
    "flow through lines": line_tables,
    "zones": visit_tables,
    "distances and contacts": contact_tables,
    "mutual gaze": gaze_tables,
    "groups": group_tables,
    "activities and people": person_tables,
}


@dataclass
class Analysis:
    """What came out of one analysis."""

    tables: Tables = field(default_factory=dict)
    long_tables: dict[str, LongTable] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)  # measure -> why not
    summary: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    study: Study | None = None  # None: nobody was there


def analyze(study: Study) -> Analysis:
    """Measure everything that can be measured; the rest says why it cannot."""
    found = Analysis(study=study)
    for name, measure in MEASURES.items():
        try:
            for key, table in measure(study).items():
                if isinstance(table, LongTable):
                    found.long_tables[key] = table
                else:
                    found.tables[key] = table
        except (NotMeasurableError, InputError) as error:
            found.not_measured[name] = str(error)
    if study.pace.mean_speed is None and not study.moves_with_camera:
        found.not_measured["speed"] = "nobody is seen in two frames or more"
    if study.moves_with_camera:
        found.not_measured["speed"] = "the camera moves and the ground is not fixed in its view"
    if study.people.covariance_m2 is None:
        found.not_measured["bands of uncertainty"] = "the trajectories have no covariance"
    study.__dict__.pop("pairs", None)  # the largest of what is not needed any more
    found.summary = summary_of(study, found)
    found.notes = _notes(study) + study.notes
    return found


def nobody(reason: str = "nobody was found") -> Analysis:
    """Return the analysis of an empty place."""
    return Analysis(not_measured=dict.fromkeys(MEASURES, reason), summary={"people": 0})


def summary_of(study: Study, found: Analysis) -> dict[str, Any]:
    """Return the figures that stand above all tables; None where one was not measured."""
    people = study.people
    series = found.tables.get("series")
    zones = found.tables.get("zone_series")
    return {
        "people": len(people.people),
        "seconds": round(people.duration_s, 3),
        "rate_hz": people.rate_hz,
        "person_frames": len(people.person),
        "filled": float(people.is_filled.mean()),
        "area_m2": float(study.area.area),
        "area_is_given": study.shapes.area is not None,
        "mean_people": _value(series, "people", "mean"),
        "max_people": _value(series, "people", "max"),
        "mean_density_at_people_per_m2": _value(series, "density_at_people_per_m2", "mean"),
        "max_zone_density_per_m2": _value(zones, "density_per_m2", "max"),
        "mean_speed_m_s": study.pace.mean_speed,
        "mean_walking_speed_m_s": study.pace.mean_walking_speed,
        "contacts": _rows(found, "contacts"),
        "groups": _rows(found, "groups"),
        "crossings": _rows(found, "crossings"),
        **study.figures,
    }


def _rows(found: Analysis, name: str) -> int | None:
    return len(found.tables[name]) if name in found.tables else None


def _value(table: polars.DataFrame | None, column: str, how: str) -> float | None:
    if table is None or not len(table):
        return None
    values = table[column].to_numpy()
    values = values[np.isfinite(values)]
    return float(getattr(np, how)(values)) if len(values) else None


def _notes(study: Study) -> list[str]:
    notes = []
    if study.shapes.area is None:
        notes.append(
            f"no walkable area is given: it is taken as everybody's hull with a margin of {study.settings.margin_m:g} m"
        )
    elif not study.is_inside.all():
        notes.append(
            f"{100 * float(np.mean(~study.is_inside)):.1f} % of the positions lie outside of the walkable area"
        )
    if study.ground is not None and not study.ground.is_measured:
        notes.append(f"the ground is not measured ({study.ground.reason}): metres may be off as a whole")
    return notes
