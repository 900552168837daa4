"""How far the bodies of a bfloat16 run lie from those of a float32 run, in millimetres of joints."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from dpmesh.body import load_body
from dpmesh.body.model import BodyModel
from pipeline.bench.line import BenchTable
from pipeline.results import Run
from pipeline.types import MotionTrack


def bench_precision(clip: Path, detector: str) -> Iterator[BenchTable]:
    """Yield one table: distances of the SMPL joints between the runs, pelvis on pelvis, and of the pelvises."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {dtype: _run(clip, Path(folder) / dtype, detector, dtype) for dtype in ("float32", "bfloat16")}
        body = load_body(None)
        apart, shifts = [], []
        for exact, rounded in zip(*(list(Run(run).tracks()) for run in runs.values()), strict=True):
            wanted, found = _joints(body, exact), _joints(body, rounded)
            posed = (found - found[:, :1]) - (wanted - wanted[:, :1])
            apart.append(1000 * np.linalg.norm(posed, axis=-1).ravel())
            shifts.append(1000 * np.linalg.norm(found[:, 0] - wanted[:, 0], axis=-1))
    rows: list[tuple[str, ...]] = [("what", "mean mm", "99 % below mm", "largest mm")]
    for name, parts in (("joints, pelvis on pelvis", apart), ("pelvis in the camera", shifts)):
        all_mm = np.concatenate(parts)
        numbers = (all_mm.mean(), np.quantile(all_mm, 0.99), all_mm.max())
        rows.append((name, *(f"{number:.2f}" for number in numbers)))
    yield BenchTable(f"{clip.name}: bfloat16 against float32, {sum(map(len, shifts))} bodies", rows)


def _run(clip: Path, output: Path, detector: str, dtype: str) -> Path:
    command = [sys.executable, "-m", "pipeline.cli", "run", str(clip), "--output", str(output), "--detector", detector]
    command += ["--set", f"recover.dtype={dtype}", "--set", "overlay.is_written=false"]
    subprocess.run(command, check=True, capture_output=True)
    return output / clip.stem


def _joints(body: BodyModel, track: MotionTrack) -> np.ndarray:
    pose, betas, trans = (torch.from_numpy(part) for part in (track.pose, track.betas, track.trans))
    return body.joints(pose, betas.expand(len(pose), -1), trans, joint_set="smpl24").numpy()
