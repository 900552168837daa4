"""The table of an ablation: printed, and written as csv and json."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from dpmesh.training.ablation.runs import ALL, RunResult
from dpmesh.training.ablation.variants import VARIANTS
from dpmesh.training.engine.shards import write_whole
from dpmesh.training.recovery.evaluate import LEVELS, Errors

_COLUMNS = [(level, "pa_mpjpe_mm") for level in (*LEVELS, ALL)]
_COLUMNS += [(level, "mpjpe_mm") for level in (*LEVELS, ALL)]
_COLUMNS += [(ALL, "unseen_pa_mpjpe_mm")]


def write_table(results: Sequence[RunResult], caption: str, folder: Path) -> None:
    """Write `table.csv`, one line per run and level and per mean over the seeds, and `table.json` with the caption."""
    lines = io.StringIO()
    names = [field.name for field in fields(Errors)]
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["variant", "seed", "level", "crops", *names, "parameters", "minutes"])
    for result in results:
        for level, errors in result.errors.items():
            numbers = [f"{getattr(errors, name):.2f}" for name in names]
            row = [result.name, result.seed, level, result.crops[level], *numbers]
            writer.writerow([*row, result.parameters, f"{result.minutes:.2f}"])
    text = json.dumps({"caption": caption, "runs": [asdict(result) for result in results]}, indent=1)
    write_whole(folder / "table.csv", lambda draft: draft.write_text(lines.getvalue()))
    write_whole(folder / "table.json", lambda draft: draft.write_text(text))


def format_table(results: Sequence[RunResult], caption: str) -> str:
    """Return the table as Markdown: a line per variant, in every cell the mean of the seeds and, in brackets, each."""
    crops: dict[str, Any] = results[0].crops if results else {}
    head = ["", "M parameters", *(f"{'PA-' if 'pa' in name else ''}MPJPE {level}" for level, name in _COLUMNS[:-1])]
    lines = [[*head, "PA-MPJPE unseen joints"]]
    lines.append(["---"] * len(lines[0]))
    for variant in VARIANTS:
        mine = sorted((result for result in results if result.name == variant.name), key=lambda result: result.seed)
        if mine:
            cells = [
                _cell([getattr(result.errors[level], name) for result in mine]) if crops[level] else "no crops"
                for level, name in _COLUMNS
            ]
            lines.append([variant.title, f"{mine[0].parameters / 1e6:.1f}", *cells])
    counts = ", ".join(f"{level} {count}" for level, count in crops.items())
    told = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{caption} Millimetres, mean over the seeds (each seed); held-out crops: {counts}.\n\n{told}\n"


def _cell(values: list[float]) -> str:
    return f"{np.mean(values):.1f} ({', '.join(f'{value:.1f}' for value in values)})"
