"""The map of the section on crowds: ways over the ground, zones, and who is where at each moment."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars

from pipeline.overlay.palette import identity_colours

SIDE = 720.0
MOMENTS_MAX = 240
WAY_POINTS_MAX = 300
DENSE_PER_M2 = 2.0  # drawn as the largest dot
CAPTION = (
    ": ways, zones and lines; darker cells: more time spent there. Dots: people at the moment chosen, larger where "
    "it is denser; lines between them: groups. Squares of the grid: 1 m (more on large grounds)."
)


@dataclass(frozen=True, slots=True)
class Ways:
    """What the map shows of the table `positions`."""

    points: dict[int, np.ndarray]  # of everybody (K, 2), metres
    now: polars.DataFrame  # rows of the chosen moments, ordered by frame and person


def ways_of(read: Callable[[polars.LazyFrame], polars.DataFrame], positions: polars.LazyFrame) -> Ways:
    """Return what the map shows; the table is read column by column, as it may be long.

    Args:
        read: reads what is asked for.
    """
    people = read(positions.select("person"))["person"].to_numpy()
    starts = np.flatnonzero(np.diff(people, prepend=people[:1] - 1))
    ends = np.append(starts[1:], len(people))
    steps = -(-(ends - starts) // WAY_POINTS_MAX)
    rows = [np.arange(*part) for part in zip(starts, ends, steps, strict=True)]
    chosen = np.concatenate([np.zeros(0, np.int64), *rows])
    places = np.stack([read(positions.select(name))[name].to_numpy()[chosen] for name in ("x_m", "y_m")], axis=1)
    points = np.split(places, np.cumsum([len(part) for part in rows])[:-1])
    dense = read(positions.filter(polars.col("density_per_m2").is_not_nan()).select("frame").unique())
    frames = dense if len(dense) else read(positions.select("frame").unique())  # densities are those of samples alone
    times = np.sort(frames["frame"].to_numpy())
    times = times[:: max(1, -(-len(times) // MOMENTS_MAX))]
    columns = ("person", "frame", "time_s", "x_m", "y_m", "density_per_m2")
    now = read(positions.select(columns).filter(polars.col("frame").is_in(times.tolist())))
    return Ways(dict(zip(people[starts].tolist(), points, strict=True)), now.sort("frame", "person"))


def top_view(
    ways: Ways,
    heat: polars.DataFrame | None,
    groups: polars.DataFrame | None,
    described: dict[str, Any],
    picture: Path,
) -> str:
    """Return the map as a figure with a time bar.

    Args:
        heat: the table `map`; None: the camera moves, and ways mean nothing.
        described: of `analytics.json`.
        picture: of the ground between the area's bounds; may not be there.
    """  # fmt: skip
    area = next(np.array(each["geometry"]["coordinates"][0]) for each in described["shapes"] if each["kind"] == "area")
    (left, low), (right, high) = area.min(axis=0), area.max(axis=0)
    scale = SIDE / max(right - left, high - low)
    width, height = (right - left) * scale, (high - low) * scale

    def at(points: np.ndarray) -> np.ndarray:
        return np.stack([(points[:, 0] - left) * scale, (high - points[:, 1]) * scale], axis=1)

    parts = []
    if picture.is_file():
        data = base64.b64encode(picture.read_bytes()).decode()
        parts.append(
            f'<image href="data:image/jpeg;base64,{data}" width="{width:.0f}" height="{height:.0f}" opacity=".75" '
            'preserveAspectRatio="none"/>'
        )
    parts.append(_grid(left, low, right, high, scale))
    parts.append(f'<polygon class="area" points="{_points(at(area))}"/>')
    if heat is not None:
        parts.append(f'<g class="heat">{_heat(heat, at, scale, described["settings"]["grid_m"])}</g>')
    for shape in described["shapes"]:
        if shape["kind"] == "area":
            continue
        is_line = shape["kind"] == "line"
        corners = at(np.array(shape["geometry"]["coordinates"] if is_line else shape["geometry"]["coordinates"][0]))
        middle = corners.mean(axis=0)
        tag = "polyline" if is_line else "polygon"
        parts.append(f'<{tag} class="{escape(shape["kind"])}" points="{_points(corners)}"/>')
        parts.append(f'<text class="name" x="{middle[0]:.0f}" y="{middle[1]:.0f}">{escape(shape["name"])}</text>')
    if heat is not None:
        for person, way in ways.points.items():
            red, green, blue = identity_colours(np.array([person]))[0].tolist()
            parts.append(f'<polyline class="way" points="{_points(at(way))}" stroke="rgb({red},{green},{blue})"/>')
    moments = _moments(ways.now, groups, at)
    box = f"0 0 {width:.0f} {height:.0f}"
    data = json.dumps(moments, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<figure class="crowd-map"><figcaption><b>From above</b>{CAPTION}</figcaption>'
        f'<svg viewBox="{box}" role="img" aria-label="Map of the ground from above">{"".join(parts)}'
        '<g class="now"></g></svg>'
        f'<label>time <input type="range" min="0" max="{max(0, len(moments) - 1)}" value="0" step="1"> '
        f'<output></output></label><script type="application/json">{data}</script></figure>'
    )


def _points(corners: np.ndarray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _grid(left: float, low: float, right: float, high: float, scale: float) -> str:
    step = max(1.0, np.ceil(max(right - left, high - low) / 60))
    lines = [f"M{(x - left) * scale:.1f} 0V{(high - low) * scale:.1f}" for x in np.arange(np.ceil(left), right, step)]
    lines += [f"M0 {(high - y) * scale:.1f}H{(right - left) * scale:.1f}" for y in np.arange(np.ceil(low), high, step)]
    return f'<path class="grid" d="{"".join(lines)}"/>'


def _heat(heat: polars.DataFrame, at: Any, scale: float, side_m: float) -> str:
    seconds = heat["person_seconds"].to_numpy()
    if not len(seconds) or seconds.max() <= 0:
        return ""
    gaps = np.diff(np.unique(heat["x_m"].to_numpy()))
    side = scale * (float(gaps.min()) if len(gaps) else side_m)
    share = np.sqrt(seconds / np.percentile(seconds[seconds > 0], 98)).clip(0, 1)
    corners = at(heat.select("x_m", "y_m").to_numpy()) - side / 2
    return "".join(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" opacity="{0.7 * level:.2f}"/>'
        for (x, y), level in zip(corners.tolist(), share.tolist())
        if level > 0.05
    )


def _moments(table: polars.DataFrame, groups: polars.DataFrame | None, at: Any) -> list[Any]:
    """Return moments: seconds, people (x, y, radius, colour, number), and the couples of groups."""
    chosen, found = np.unique(table["frame"].to_numpy()), []
    listed = [] if groups is None else groups.rows(named=True)
    density = table["density_per_m2"].to_numpy()
    dots = at(table.select("x_m", "y_m").to_numpy())
    colours = identity_colours(table["person"].to_numpy())
    bounds = np.searchsorted(table["frame"].to_numpy(), chosen)
    for first, end in zip(bounds.tolist(), [*bounds[1:].tolist(), len(table)]):
        time = round(float(table["time_s"][first]), 2)
        people = []
        for row in range(first, end):
            level = density[row] if np.isfinite(density[row]) else 0.0
            x, y = dots[row].round(1).tolist()
            radius = round(5 + 5 * min(level / DENSE_PER_M2, 1), 1)
            people.append([x, y, radius, "#" + bytes(colours[row].tolist()).hex(), int(table["person"][row])])
        place = {person[4]: person for person in people}
        ties = []
        for group in listed:
            if group["start_s"] <= time <= group["end_s"]:
                members = [place[int(each)] for each in str(group["people"]).split() if int(each) in place]
                ties += [[*one[:2], *other[:2]] for one, other in pairwise(members)]
        found.append([time, people, ties])
    return found
