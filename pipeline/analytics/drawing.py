"""Plots of the section on crowds as vector graphics: lines with bands, points, bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 8, 30
POINTS_MAX = 600
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#871e4b", "#696900")


@dataclass(frozen=True, slots=True)
class Series:
    """One line or cloud of a plot."""

    name: str
    x: np.ndarray  # (N,)
    y: np.ndarray  # (N,) NaN: nothing there
    low: np.ndarray | None = None  # (N,) a band
    high: np.ndarray | None = None
    is_step: bool = False


def nice_top(value: float) -> float:
    """Return the end of an axis: 1, 2, 2.5 or 5 times a power of ten, not below the value."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 2.5, 5, 10) if value <= step * power * (1 + 1e-9)))


def plot(title: str, x_label: str, y_label: str, series: Sequence[Series], *, are_points: bool = False) -> str:
    """Return a figure with axes from 0, a legend where there are several series, and the values in words."""
    shown = [_thinned(each) for each in series if np.isfinite(each.y).any()]
    if not shown:
        return ""
    highest = max(float(np.nanmax(each.y)) for each in shown)
    bands = [float(np.nanmax(each.high)) for each in shown if each.high is not None and np.isfinite(each.high).any()]
    top = nice_top(max([highest, *bands]))
    start, end = min(float(each.x.min()) for each in shown), max(float(each.x.max()) for each in shown)
    if are_points:
        start, end = 0.0, nice_top(end)
    end = end if end > start else start + 1

    def across(x: np.ndarray) -> np.ndarray:
        return LEFT + (x - start) / (end - start) * (WIDTH - LEFT - RIGHT)

    def down(y: np.ndarray) -> np.ndarray:
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [_axes(start, end, top, x_label, y_label)]
    for number, each in enumerate(shown):
        colour = PALETTE[number % len(PALETTE)]
        x, y = across(each.x), down(each.y)
        if each.low is not None and each.high is not None:
            known = np.isfinite(each.low) & np.isfinite(each.high)
            edge = [*zip(x[known], down(each.high[known])), *reversed([*zip(x[known], down(each.low[known]))])]
            if edge:
                points = " ".join(f"{a:.1f},{b:.1f}" for a, b in edge)
                parts.append(f'<polygon points="{points}" fill="{colour}" opacity=".2"/>')
        if are_points:
            parts += [
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{colour}" opacity=".5"/>'
                for a, b in zip(x, y)
                if np.isfinite(b)
            ]
        else:
            parts.append(f'<path d="{_path(x, y, each.is_step)}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
    keys = "".join(
        f'<span><i style="background:{PALETTE[number % len(PALETTE)]}"></i>{escape(each.name)}</span>'
        for number, each in enumerate(shown)
    )
    words = "; ".join(
        f"{each.name}: mean {np.nanmean(each.y):.3g}, at most {np.nanmax(each.y):.3g}" for each in shown[:12]
    )
    return (
        f'<figure class="crowd-plot"><figcaption><b>{escape(title)}</b></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{title}. {words}")}">'
        f"{''.join(parts)}</svg>"
        f'<div class="crowd-keys">{keys}</div></figure>'
    )


def _thinned(series: Series) -> Series:
    step = -(-len(series.x) // POINTS_MAX)
    if step <= 1:
        return series
    low, high = (None if ends is None else ends[::step] for ends in (series.low, series.high))
    return Series(series.name, series.x[::step], series.y[::step], low, high, series.is_step)


def _axes(start: float, end: float, top: float, x_label: str, y_label: str) -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
        x = LEFT + share * (WIDTH - LEFT - RIGHT)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="currentColor" opacity=".15"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{y + 3:.1f}" text-anchor="end">{share * top:.3g}</text>')
        anchor, value = "end" if share == 1 else "middle", start + share * (end - start)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 12}" text-anchor="{anchor}">{value:.4g}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_label)}</text>')
    middle = (HEIGHT - BOTTOM + TOP) / 2
    parts.append(
        f'<text x="10" y="{middle}" text-anchor="middle" transform="rotate(-90 10 {middle})">{escape(y_label)}</text>'
    )
    return "".join(parts)


def _path(x: np.ndarray, y: np.ndarray, is_step: bool) -> str:
    words, is_drawing = [], False
    for a, b in zip(x.tolist(), y.tolist()):
        if np.isfinite(b):
            words.append(
                f"H{a:.1f}V{b:.1f}" if is_step and is_drawing else f"{'L' if is_drawing else 'M'}{a:.1f} {b:.1f}"
            )
        is_drawing = bool(np.isfinite(b))
    return "".join(words)
