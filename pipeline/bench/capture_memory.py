"""Whether the memory that the people of a capture take grows with its length, on simulated views."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from configs.schema import RunSettings
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.bench.line import BenchTable, held_mib, measure
from pipeline.capture import Camera
from pipeline.flow.memory import release_memory
from pipeline.models import Models
from pipeline.motion.library import write_track
from pipeline.multiview.left_out import choose_people
from pipeline.multiview.people import fitted, who_is_who, with_joints
from pipeline.multiview.views import View, view_of, view_on_disk
from pipeline.types import Observations

RATE_HZ, ROUND_FRAMES = 30.0, 150  # they walk across the room and back, again and again
ROOM_M = 4.0


def bench_capture_memory(lengths_min: Sequence[float], cameras: int, people: int) -> Iterator[BenchTable]:
    """Yield one table: peak memory of a process that makes motions of short and of long captures, from views on disk.

    Own is what is not a page of a file: rows of the views are such pages, and the system takes them back when it needs
    them.

    Bodies are smoothed, not solved, which would take hours: what the solver holds does not depend on the length
    (`bench refine-memory`).
    """
    head = ("capture", "people found", "peak MiB", "of it own", "own before", "own beyond before")
    rows: list[tuple[str, ...]] = [head]
    for minutes in lengths_min:
        program = "from pipeline.bench.capture_memory import measure_capture"
        measured = measure([sys.executable, "-c", f"{program}; measure_capture({minutes}, {cameras}, {people})"])
        before, found = measured.last.split()
        own = measured.own_mib
        figures = measured.peak_mib, own, float(before), own - float(before)
        rows.append((f"{minutes:g} min", found, *(f"{figure:.0f}" for figure in figures)))
    yield BenchTable(f"{cameras} cameras, {people} people, {RATE_HZ:g} frames/s", rows)


def measure_capture(minutes: float, cameras: int, people: int) -> None:
    """Make the motions of simulated people and print MiB before, and how many people were found."""
    settings = RunSettings.model_validate({"refine": {"mode": "smooth"}})
    models = Models(settings, "cpu")
    walkers = Walkers(models.body(), people, ROUND_FRAMES)
    rounds = max(2, round(minutes * 60 * RATE_HZ / ROUND_FRAMES))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        views = [_view(walkers, camera, rounds, folder) for camera in cameras_round(cameras, ROOM_M)]
        release_memory()
        before = held_mib(os.getpid())["RssAnon"]
        found, _ = choose_people(who_is_who(views, RATE_HZ), views, settings)
        for track in fitted(with_joints(found, views, RATE_HZ), views, settings, models, folder):
            write_track(folder / f"{track.track_id}.npz", track)
        sys.stdout.write(f"{before} {len(found)}\n")


def _view(walkers: Walkers, camera: Camera, rounds: int, folder: Path) -> View:
    people = len(walkers.pose)
    there = walkers.seen_by(camera, [[who + 1] * ROUND_FRAMES for who in range(people)], noise_px=2.0)
    back = replace(there.take(np.argsort(-there.frame_index, kind="stable")), frame_index=there.frame_index)
    rays = [view_of(camera, rows).rays for rows in (there, back)]

    def parts() -> Iterator[dict[str, np.ndarray]]:
        for number in range(rounds):
            rows = (there, back)[number % 2]
            part = {item.name: getattr(rows, item.name) for item in fields(Observations)} | {"rays": rays[number % 2]}
            frames = rows.frame_index + number * ROUND_FRAMES
            yield part | {"frame_index": frames, "time_s": frames / RATE_HZ}

    return view_on_disk(camera, parts(), rounds * len(there.frame_index), folder)
