"""The course of a training as an image."""

import json
import math
from pathlib import Path

from dpmesh.training.engine.shards import write_whole

_COLUMNS = 4
_BESIDE = ("step", "minutes")


def log_numbers(log: Path, values: dict[str, float]) -> None:
    """Append a line to a training's `log.jsonl`; what is not finite, which JSON cannot tell, is left out."""
    told = {name: value for name, value in values.items() if math.isfinite(value)}
    with log.open("a") as file:
        file.write(json.dumps(told) + "\n")


def _read_line(text: str) -> dict[str, float]:
    """Return the numbers of a line; none of one that a full disk or a kill has cut off."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


def draw_curves(log: Path, path: Path) -> None:
    """Draw every number of a training's `log.jsonl` over its steps, one panel each, into a PNG."""
    from matplotlib.figure import Figure

    lines = [line for text in log.read_text().splitlines() if (line := _read_line(text))]
    names = list(dict.fromkeys(name for line in lines for name in line if name not in _BESIDE))
    rows = math.ceil(len(names) / _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.5 * rows), layout="constrained")
    for place, name in enumerate(names, start=1):
        told = [(line["step"], line[name]) for line in lines if name in line]
        panel = figure.add_subplot(rows, _COLUMNS, place, title=name)
        panel.plot(*zip(*told), marker="." if len(told) < 30 else "")
        panel.grid(alpha=0.3)
    write_whole(path, lambda draft: figure.savefig(draft, format="png", dpi=80))
