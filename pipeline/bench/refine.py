"""Whether the memory that refinement takes grows with the length of the motion."""

import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np

from configs.gaps import longest_gap_s
from configs.schema import RunSettings
from pipeline.bench.line import BenchTable, measure
from pipeline.types import MotionTrack, Observations

RATE_HZ = 30.0
FOCAL_PX, PRINCIPAL_PX = 1000.0, (640.0, 360.0)


def bench_refine_memory(short_min: float, long_min: float, people: int, mode: str, steps: int) -> Iterator[BenchTable]:
    """Yield one table: peak memory of a process that refines short and long tracks as a run does.

    The number of steps changes the time and not the memory, so few are taken.
    """
    rows: list[tuple[str, ...]] = [
        ("motion", "rows", "peak MiB", "before MiB", "one track MiB", "beyond before and tracks MiB")
    ]
    for minutes in (short_min, long_min):
        call = f"measure_refine({minutes}, {people}, {mode!r}, {steps})"
        program = f"from pipeline.bench.refine import measure_refine; {call}"
        measured = measure([sys.executable, "-c", program])
        found = measured.last.split()
        before, tracks, count = float(found[0]), float(found[1]), found[2]
        beyond = measured.peak_mib - before - tracks
        rows.append(
            (
                f"{minutes:g} min",
                count,
                f"{measured.peak_mib:.0f}",
                f"{before:.0f}",
                f"{tracks / people:.1f}",
                f"{beyond:.0f}",
            )
        )
    yield BenchTable(f"refine {mode}, {people} people at once", rows)


def measure_refine(minutes: float, people: int, mode: str, steps: int) -> None:
    """Refine random tracks of that length and print MiB before, MiB of the tracks, and rows."""
    import torch

    from dpmesh.body import load_body
    from pipeline.flow.memory import release_memory
    from pipeline.models import Models
    from pipeline.motion.library import write_track
    from pipeline.nodes.refine import assemble_track, refine_people

    torch.set_num_threads(1)
    settings = RunSettings.model_validate({"refine": {"mode": mode, "steps": steps, "shape_steps": steps}})
    body, prior = load_body(), Models(settings, "cpu").motion_prior()
    # A short track first: what libraries keep once they ran is no part of what a track takes.
    warm = assemble_track(draw_person(64, 0), body, longest_gap_s(settings), settings.recover)
    list(refine_people([warm], body, settings.refine, "cpu", prior))
    count = round(minutes * 60 * RATE_HZ)
    observed = [draw_person(count, number) for number in range(people)]
    tracks_mib = sum(size_mib(each) for each in observed)
    release_memory()
    before = resident_mib() - tracks_mib
    with tempfile.TemporaryDirectory() as folder:
        joined = (
            assemble_track(observed.pop(), body, longest_gap_s(settings), settings.recover) for _ in range(people)
        )
        for number, track in enumerate(refine_people(joined, body, settings.refine, "cpu", prior)):
            write_track(Path(folder) / f"{number}.npz", track)
            release_memory()
    sys.stdout.write(f"{before} {tracks_mib} {count * people}\n")


def draw_person(count: int, seed: int) -> Observations:
    """Return rows of one person who moves about 5 m away, every tenth of a second unseen now and then."""
    from refine.rows.types import KEYPOINT_COUNTS

    rng = np.random.default_rng(seed)
    time = np.arange(count) / RATE_HZ
    swing = rng.normal(0, 0.3, (24, 3)) * np.sin(time[:, None, None] + rng.uniform(0, 6, (24, 3)))
    keypoints = np.concatenate([rng.uniform(300, 600, (count, KEYPOINT_COUNTS[0], 2)), rng.random((count, 17, 1))], -1)
    kept = rng.random(count) > 0.05
    kept[[0, -1]] = True
    whole = {
        "frame_index": np.arange(count),
        "time_s": time,
        "track_id": np.full(count, seed + 1),
        "boxes_xyxy": np.tile([300.0, 300.0, 600.0, 600.0], (count, 1)),
        "scores": np.ones(count),
        "keypoints": keypoints,
        "pose": swing + rng.normal(0, 0.05, (count, 24, 3)),
        "betas": rng.normal(0, 0.3, (count, 10)),
        "trans": np.array([0.0, 0.0, 5.0]) + rng.normal(0, 0.05, (count, 3)),
        "joint_confidence": np.ones((count, 24)),
        "focal_px": np.full(count, FOCAL_PX),
        "principal_px": np.tile(PRINCIPAL_PX, (count, 1)),
    }
    wide = {"frame_index", "time_s", "track_id"}
    return Observations(**{k: (v if k in wide else v.astype(np.float32))[kept] for k, v in whole.items()})


def size_mib(rows: Observations | MotionTrack) -> float:
    """Return the size of the arrays."""
    values = [getattr(rows, item.name) for item in fields(rows)]
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray)) / 2**20


def resident_mib() -> float:
    """Return how much memory the process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
