"""The section on crowds of a report, and the page of its own that an analysis writes."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars

from pipeline.analytics.drawing import Series, plot
from pipeline.analytics.top_view import top_view, ways_of
from pipeline.analytics.write import PICTURE_NAME, collect, read_summary, read_table, scan_table, table_path

ROWS_MAX = 200
FIGURES = (  # key of the summary, words, unit
    ("people", "people", ""),
    ("seconds", "length", "s"),
    ("mean_people", "people at a time, mean", ""),
    ("max_people", "people at a time, most", ""),
    ("area_m2", "area", "m²"),
    ("mean_density_at_people_per_m2", "density at people, mean", "1/m²"),
    ("max_zone_density_per_m2", "density of a zone, highest", "1/m²"),
    ("mean_speed_m_s", "speed, mean", "m/s"),
    ("mean_walking_speed_m_s", "speed of those who walk", "m/s"),
    ("crossings", "crossings of lines", ""),
    ("contacts", "contacts", ""),
    ("contact_pair_seconds", "pair-seconds in contact", "s"),
    ("contact_pair_seconds_expected", "the same, expected with the errors of positions", "s"),
    ("groups", "groups", ""),
    ("filled", "positions filled in", "%"),
)
TABLES = (  # name, title, words
    ("persons", "People", "One row per person."),
    ("zones", "Zones", "Entries and exits; dwell and waiting times of whole stays."),
    ("line_flow", "Flow through lines", "Per window in which somebody crossed."),
    ("groups", "Groups", "Walking together, or standing in a formation."),
    ("contacts", "Contacts", "Pairs nearer than the limit; probability from the errors of positions."),
    ("gazes", "Looked at each other", "From the heads of the bodies; a hint, no proof."),
    ("directions", "Main directions", "0° is the world's x, 90° its y."),
)
STYLE = """<style>
.crowd figure{margin:1rem 0}
.crowd svg{width:100%;max-width:46rem;max-height:44rem;height:auto;display:block;background:rgba(127,127,127,.06)}
.crowd svg text{font-size:9px;fill:currentColor}
.crowd .crowd-keys span{margin-right:1em;font-size:.85em}
.crowd .crowd-keys i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}
.crowd dl{display:grid;grid-template-columns:max-content max-content;gap:.15rem 1.5rem}
.crowd dd{margin:0;text-align:right}
.crowd .wide{overflow-x:auto}
.crowd table{border-collapse:collapse;font-size:.85em}
.crowd th,.crowd td{padding:.1rem .5rem;text-align:right}
.crowd .grid{stroke:currentColor;opacity:.18;fill:none}
.crowd .way{fill:none;stroke-width:1.5;opacity:.75}
.crowd .heat rect{fill:#b4004e}
.crowd .area{fill:none;stroke:currentColor;stroke-dasharray:4 3}
.crowd .zone,.crowd .queue{fill:rgba(0,114,178,.12);stroke:#0072b2}
.crowd .queue{stroke-dasharray:6 3}
.crowd polyline.line{fill:none;stroke:#d55e00;stroke-width:3}
.crowd svg text.name{font-size:14px;font-weight:600;text-anchor:middle}
.crowd svg .now text{font-size:12px;font-weight:600}
.crowd input{width:min(30rem,60%);vertical-align:middle}
</style>"""
SCRIPT = """<script>
for (const map of document.querySelectorAll(".crowd-map")) {
  const moments = JSON.parse(map.querySelector("script").textContent), now = map.querySelector(".now");
  const bar = map.querySelector("input"), out = map.querySelector("output");
  const make = (tag, values, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const name in values) made.setAttribute(name, values[name]);
    if (text !== undefined) made.textContent = text;
    now.append(made);
  };
  const show = () => {
    now.replaceChildren();
    const moment = moments[bar.value];
    if (!moment) return;
    for (const [x1, y1, x2, y2] of moment[2]) make("line", {x1, y1, x2, y2, stroke: "currentColor", "stroke-width": 3});
    for (const [cx, cy, r, fill, id] of moment[1]) {
      make("circle", {cx, cy, r, fill, stroke: "currentColor"});
      make("text", {x: cx + r + 1, y: cy + 4}, id);
    }
    out.textContent = `${moment[0].toFixed(1)} s, ${moment[1].length} ${moment[1].length === 1 ? "person" : "people"}`;
  };
  bar.addEventListener("input", show);
  show();
}
</script>"""


def crowd_section(folder: Path) -> str:
    """Return the section of a run's report as HTML, with its own styles and script; empty: it was not analysed.

    Raises:
        InputError: a file of the analysis is damaged.
    """
    described = read_summary(folder)
    if described is None:
        return ""
    parts = [
        '<section class="crowd" aria-labelledby="h-crowd"><h2 id="h-crowd">On the ground</h2>',
        STYLE,
        _figures(described["summary"]),
        _reasons(described),
    ]
    positions = scan_table(folder, "positions")
    if positions is not None:
        heat, groups = read_table(folder, "map"), read_table(folder, "groups")
        ways = ways_of(lambda part: collect(part, table_path(folder, "positions")), positions)
        parts += [top_view(ways, heat, groups, described, folder / PICTURE_NAME), *_plots(folder)]
        parts += [_table(read_table(folder, name), title, words) for name, title, words in TABLES]
        parts.append(SCRIPT)
    return "\n".join(filter(None, [*parts, "</section>"]))


def crowd_page(folder: Path) -> str:
    """Return the section as a page of its own."""
    described = read_summary(folder)
    name = escape(str(described["source"])) if described is not None else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}: on the ground</title>'
        '<meta name="viewport" content="width=device-width">'
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;"
        "color-scheme:light dark}</style></head>"
        f"<body><h1>{name}</h1>{crowd_section(folder)}</body></html>\n"
    )


def _figures(summary: dict[str, Any]) -> str:
    rows = []
    for key, words, unit in FIGURES:
        value = summary.get(key)
        if value is not None:
            value = 100 * value if unit == "%" else value
            shown = f"{value:.3g}" if isinstance(value, float) and value < 1000 else f"{value:.0f}"
            rows.append(f"<dt>{escape(words)}</dt><dd>{shown} {escape(unit)}</dd>")
    return f"<dl>{''.join(rows)}</dl>"


def _reasons(described: dict[str, Any]) -> str:
    lines = [f"{name}: not measurable, because {why}" for name, why in described["not_measured"].items()]
    items = "".join(f"<li>{escape(line)}</li>" for line in [*described["notes"], *lines])
    return f"<ul>{items}</ul>" if items else ""


def _plots(folder: Path) -> list[str]:
    found = []
    series = read_table(folder, "series")
    if series is not None:
        time = _numbers(series, "time_s")
        found.append(plot("People", "s", "people", [Series("people", time, _numbers(series, "people"))]))
        found.append(plot("Mean speed", "s", "m/s", [Series("everybody", time, _numbers(series, "mean_speed_m_s"))]))
    zones = read_table(folder, "zone_series")
    if zones is not None:
        lines = []
        for (name,), rows in zones.group_by("zone", maintain_order=True):
            ends = [_numbers(rows, f"density_per_m2_{end}") for end in ("low", "high")]
            time, density = _numbers(rows, "time_s"), _numbers(rows, "density_per_m2")
            lines.append(Series(str(name), time, density, ends[0], ends[1]))
        found.append(plot("Voronoi density of zones, with its band", "s", "1/m²", lines))
    counts = read_table(folder, "line_counts")
    if counts is not None:
        lines = [
            Series(f"{name}, {way}", _numbers(rows, "time_s"), _numbers(rows, way), is_step=True)
            for (name,), rows in counts.group_by("line", maintain_order=True)
            for way in ("forward", "backward")
        ]
        found.append(plot("Crossings up to each moment (N-t)", "s", "crossings", lines))
    relation = read_table(folder, "fundamental")
    if relation is not None and len(relation):
        clouds = [
            Series(str(name), _numbers(rows, "density_per_m2"), _numbers(rows, "speed_m_s"))
            for (name,), rows in relation.group_by("zone", maintain_order=True)
        ]
        found.append(plot("Fundamental diagram", "density, 1/m²", "speed, m/s", clouds, are_points=True))
    return found


def _numbers(table: polars.DataFrame, column: str) -> np.ndarray:
    return np.asarray(table[column].cast(polars.Float64, strict=False).fill_null(float("nan")).to_numpy())


def _table(table: polars.DataFrame | None, title: str, words: str) -> str:
    if table is None or not len(table):
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    cells = ("".join(f"<td>{escape(_cell(value))}</td>" for value in row) for row in table.head(ROWS_MAX).rows())
    rows = "".join(f"<tr>{row}</tr>" for row in cells)
    more = f" The first {ROWS_MAX} of {len(table)}." if len(table) > ROWS_MAX else ""
    return (
        f"<h3>{escape(title)}</h3><p>{escape(words + more)}</p>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
