"""The course of a training as a picture."""

import json
import math
from pathlib import Path

_COLUMNS = 4
_BESIDE = ("step", "minutes")


def draw_curves(log: Path, picture: Path) -> None:
    """Draw every number of a training's `log.jsonl` over its steps, one panel each, into a PNG."""
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    names = list(dict.fromkeys(name for line in lines for name in line if name not in _BESIDE))
    rows = math.ceil(len(names) / _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.5 * rows), layout="constrained")
    for place, name in enumerate(names, start=1):
        told = [(line["step"], line[name]) for line in lines if name in line]
        panel = figure.add_subplot(rows, _COLUMNS, place, title=name)
        panel.plot(*zip(*told), marker="." if len(told) < 30 else "")
        panel.grid(alpha=0.3)
    part = picture.with_suffix(".part")
    figure.savefig(part, format="png", dpi=80)
    part.replace(picture)
