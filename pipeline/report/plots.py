"""Plots over time as vector graphics; the page's script reads values off them and moves a line with the time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.report.facts import Facts
from pipeline.report.html import stamp, text
from pipeline.view.scene import ScenePerson

POINTS_MAX = 240  # per line
SPEED_WINDOW_S = 0.5  # over which speed is measured: shorter ones show jitter of the root
WILD_PERCENT = 97
HEIGHT = 100  # of the drawing, in its own units
WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """Values of one person at even steps; NaN where there are none."""

    person: int  # 0: everybody
    start_s: float
    step_s: float
    values: np.ndarray  # (K,)


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over one axis."""

    name: str
    title: str
    unit: str
    digits: int
    lines: tuple[Line, ...]
    least_top: float

    @property
    def top(self) -> float:
        """The value at the upper end of the axis: 1, 2 or 5 times a power of ten; a few wild ones lie beyond it."""
        values = np.concatenate([line.values[np.isfinite(line.values)] for line in self.lines])
        highest = max(float(np.percentile(values, WILD_PERCENT)) if len(values) else 0.0, self.least_top)
        power = 10.0 ** np.floor(np.log10(highest))
        return float(next(step * power for step in (1, 2, 5, 10) if highest <= step * power * (1 + 1e-9)))


def make_plots(facts: Facts) -> list[Plot]:
    """Return what is plotted of a run."""
    if not facts.scene.people:
        return []
    start, end = facts.span_s
    step = max((end - start) / POINTS_MAX, 1 / facts.rate_hz)

    def lines(values: Callable[[ScenePerson], np.ndarray]) -> tuple[Line, ...]:
        return tuple(_binned(person.id, person.time_s, values(person), start, step) for person in facts.scene.people)

    speed = lines(ground_speed)
    confidence = lines(lambda person: np.where(person.is_observed, 100 * person.confidence, np.nan))
    count = np.sum([np.isfinite(line.values) for line in _padded(speed)], axis=0).astype(float)
    return [
        Plot("speed", "Speed over the ground", "m/s", 2, speed, 1.0),
        Plot("confidence", "Confidence of the joints", "%", 0, confidence, 100.0),
        Plot(
            "count",
            "People with a body",
            "people",
            0,
            (Line(0, min(line.start_s for line in speed), step, count),),
            2.0,
        ),
    ]


def ground_speed(person: ScenePerson) -> np.ndarray:
    """Return the speed (N,) of the pelvis over the ground, m/s, as a mean over `SPEED_WINDOW_S`."""
    times, places = person.time_s, person.pelvis_m[:, :2]
    if len(times) < 2:
        return np.zeros(len(times))
    before, after = (np.clip(times + sign * SPEED_WINDOW_S / 2, times[0], times[-1]) for sign in (-1, 1))
    moved = [
        np.stack([np.interp(when, times, places[:, axis]) for axis in (0, 1)], axis=-1) for when in (before, after)
    ]
    return np.asarray(np.linalg.norm(moved[1] - moved[0], axis=-1) / np.maximum(after - before, 1e-6))


def _binned(person: int, times: np.ndarray, values: np.ndarray, start: float, step: float) -> Line:
    bins = np.round((times - start) / step).astype(np.int64)
    first, count = bins[0], bins[-1] - bins[0] + 1
    known = np.isfinite(values)
    sums, weights = (np.bincount(bins - first, each, count) for each in (np.where(known, values, 0.0), known))
    means = np.where(weights > 0, sums / np.maximum(weights, 1), np.nan)
    return Line(person, float(start + first * step), step, means)


def _padded(lines: Sequence[Line]) -> list[Line]:
    """Return lines that all begin with the first and end with the last."""
    step, start = lines[0].step_s, min(line.start_s for line in lines)
    firsts = [round((line.start_s - start) / step) for line in lines]
    count = max(first + len(line.values) for first, line in zip(firsts, lines, strict=True))
    padded = []
    for first, line in zip(firsts, lines, strict=True):
        values = np.full(count, np.nan)
        values[first : first + len(line.values)] = line.values
        padded.append(Line(line.person, start, step, values))
    return padded


def plot_data(plots: Sequence[Plot]) -> dict[str, Any]:
    """Return the values for the page's script."""
    return {
        plot.name: {
            "unit": plot.unit,
            "top": plot.top,
            "lines": [
                {
                    "id": line.person,
                    "name": f"person {line.person}" if line.person else "all",
                    "start_s": line.start_s,
                    "step_s": line.step_s,
                    "values": [round(v, plot.digits) if np.isfinite(v) else None for v in line.values.tolist()],
                }
                for line in plot.lines
            ],
        }
        for plot in plots
    }


def plot_figures(facts: Facts, plots: Sequence[Plot]) -> str:
    """Return the section."""
    if not plots:
        return ""
    figures = "".join(_figure(facts, plot) for plot in plots)
    return f'<section aria-labelledby="h-plots"><h2 id="h-plots">Over time</h2>{figures}</section>'


def _figure(facts: Facts, plot: Plot) -> str:
    start, end = facts.span_s
    paths = "".join(_path(facts, plot, line, start, end) for line in plot.lines)
    ticks = "".join(f"<span>{plot.top * share:g}</span>" for share in (1, 0.75, 0.5, 0.25, 0))
    marks = "".join(f"<span>{stamp(start + share * (end - start))}</span>" for share in (0, 0.25, 0.5, 0.75, 1))
    grid = "".join(
        f'<path d="M0 {y}H{WIDTH}" stroke="currentColor" opacity=".15" vector-effect="non-scaling-stroke"/>'
        for y in (25, 50, 75)
    )
    name, words = text(plot.name), text(_in_words(plot))
    return f"""<figure><figcaption><b>{text(plot.title)}</b> ({text(plot.unit)})</figcaption>
<div class="plot"><div class="ticks" aria-hidden="true">{ticks}</div>
<div class="area" data-seek data-plot="{name}">
<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{words}">{grid}{paths}</svg>
<span class="now"></span></div><span></span><div class="axis" aria-hidden="true">{marks}</div></div>
<div class="reading">&nbsp;</div></figure>"""


def _path(facts: Facts, plot: Plot, line: Line, start: float, end: float) -> str:
    x = (line.start_s - start + np.arange(len(line.values)) * line.step_s) * WIDTH / max(end - start, 1e-6)
    y = HEIGHT * (1 - line.values / plot.top)
    shape, is_drawing = [], False
    for at, height in zip(x.tolist(), y.tolist(), strict=True):
        if np.isfinite(height):
            shape.append(f"{'L' if is_drawing else 'M'}{at:.1f} {height:.1f}")
        is_drawing = bool(np.isfinite(height))
    colour = f"rgb({','.join(map(str, facts.colour(line.person)))})" if line.person else "currentColor"
    path = "".join(shape)
    return (
        f'<path class="halo" d="{path}"/><path class="line" data-person="{line.person}" d="{path}" stroke="{colour}"/>'
    )


def _in_words(plot: Plot) -> str:
    parts = []
    for line in plot.lines[:20]:
        if np.isfinite(line.values).any():
            name = f"person {line.person}" if line.person else "all"
            mean, top = np.nanmean(line.values), np.nanmax(line.values)
            parts.append(f"{name}: mean {mean:.{plot.digits}f}, at most {top:.{plot.digits}f}")
    return f"{plot.title}, {plot.unit}. {'; '.join(parts)}"
