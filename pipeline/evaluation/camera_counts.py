"""A capture against its 3D reference: all cameras together, and subsets of them, associated and fitted anew."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np

from configs.errors import SettingsError
from configs.schema import RunSettings
from pipeline.capture import Camera, find_capture
from pipeline.device import choose_device
from pipeline.evaluation.capture import find_reference, frames_read
from pipeline.evaluation.multiview import (
    WorldErrors,
    WorldJoints,
    errors_at,
    joints_of_sightings,
    joints_of_track,
    match,
    mean_errors,
    measure,
)
from pipeline.evaluation.single_views import alone, in_consensus
from pipeline.evaluation.wrong_numbers import with_wrong_numbers
from pipeline.models import Models
from pipeline.motion.posing import Body
from pipeline.multiview.association import Person
from pipeline.multiview.fusion import Sightings
from pipeline.multiview.people import fitted, people_of
from pipeline.multiview.run import VIEWS, run_capture
from pipeline.multiview.settings import capture_settings
from pipeline.multiview.views import View
from pipeline.results import Run
from pipeline.run import ClipResult

SEED = 1  # of the track numbers that are exchanged
SUBSETS_MAX = 6  # of as many cameras that are all measured; where there are more, subsets spread round the rig


@dataclass(frozen=True, slots=True)
class ViewStudy:
    """Errors of a capture."""

    tables: list[tuple[str, dict[str, WorldErrors]]]  # a title, and errors by method
    problem: str  # what was left out; empty: nothing
    notes: tuple[str, ...] = ()  # what else the user ought to know


def parse_counts(text: str) -> list[int]:
    """Return the numbers in a text such as 1,2,4; `SettingsError` if it is none."""
    if re.fullmatch(r"[1-9]\d?(,[1-9]\d?)*", text) is None:
        raise SettingsError(f"--counts {text!r}: give numbers of cameras, such as 1,2,4")
    return [int(word) for word in text.split(",")]


def evaluate_views(
    folder: Path,
    output: Path,
    settings: RunSettings,
    *,
    names: Sequence[str] | None = None,
    calibration: Path | None = None,
    counts: Sequence[int] = (),
    wrong_ids: float = 0.0,
    on_view: Callable[[ClipResult], None] = lambda result: None,
) -> ViewStudy:
    """Run a capture and return its errors, at the frames of the reference that a view read.

    Args:
        names: cameras to use; None: all with a video.
        counts: of how many cameras subsets are measured, too.
        wrong_ids: the share of every view's rows that get somebody else's track number and are measured, too.

    Raises:
        InputError: the folder is no capture, has no reference, or fewer than two views can be used.
        SettingsError: there are fewer views than `counts` ask for, or `wrong_ids` is no share.
    """
    if "sync" not in settings.capture.model_fields_set:  # a reference counts frames as the videos do
        settings = settings.model_copy(update={"capture": settings.capture.model_copy(update={"sync": "off"})})
    capture, (reference, left_out) = find_capture(folder, calibration), find_reference(folder)
    chosen = capture.cameras if names is None else capture.choose(names)
    if any(count > len(chosen) for count in counts):
        raise SettingsError(f"--counts {max(counts)}: only {len(chosen)} cameras are there; give at most that number")
    if not 0.0 <= wrong_ids <= 1.0:
        raise SettingsError(f"--wrong-ids {wrong_ids:g}: give a share from 0 to 1, such as 0.2")
    done = run_capture(capture, output, settings, names=names, on_view=on_view)
    views, run = done.views, Run(done.folder)
    read = [frames_read(capture, done.folder / VIEWS, view.camera.name) for view in views]
    reference[:, ~np.isin(np.arange(reference.shape[1]), np.concatenate(read))] = np.nan
    ours = {track.track_id: joints_of_track(track, run.body) for track in run.tracks()}
    tables = [(_cameras(len(views)), errors_by_method(done.find_people(), ours, views, run.body, reference))]
    settings = capture_settings(settings)
    models = Models(settings, choose_device(settings.runtime.device))
    for count in (count for count in counts if count <= len(views)):
        subsets, errors = errors_of_count(views, count, float(done.rate), settings, models, reference)
        tables.append((f"{_cameras(count)}, mean of {subsets} subsets", errors))
    if wrong_ids:
        rng, rate_hz = np.random.default_rng(SEED), float(done.rate)
        confused = [with_wrong_numbers(view, wrong_ids, rate_hz, rng) for view in views]
        _, errors = errors_of_count(confused, len(views), rate_hz, settings, models, reference)
        tables.append((f"{_cameras(len(views))}, {wrong_ids:.0%} of track numbers wrong", errors))
    problems = [problem for problem in (done.problem, left_out) if problem]
    return ViewStudy(tables, "; ".join(problems), (*capture.notes, *done.timing.lines, *done.fit.problems))


def _cameras(count: int) -> str:
    return "1 camera" if count == 1 else f"{count} cameras"


def errors_by_method(
    people: Sequence[tuple[Person, Sightings]],
    ours: Mapping[int, WorldJoints],
    views: Sequence[View],
    body: Body,
    reference_m: np.ndarray,
) -> dict[str, WorldErrors]:
    """Return the errors of views alone, in consensus and triangulated, and of ours.

    Ours tells who of the reference somebody is for views alone and in consensus, whose bodies may stand anywhere.
    """
    matches = match(ours, reference_m)

    def mean_of(estimates: list[dict[int, WorldJoints]]) -> WorldErrors:
        return mean_errors([errors_at(matches, one, reference_m) for one in estimates])

    return {
        "each view alone, mean": mean_of(alone(people, views, body)),
        "consensus of poses, uncalibrated": mean_of(in_consensus(people, views, body)),
        "triangulation": measure({person.id: joints_of_sightings(seen) for person, seen in people}, reference_m),
        "people": measure(ours, reference_m),
    }


def errors_of_count(
    views: Sequence[View],
    count: int,
    rate_hz: float,
    settings: RunSettings,
    models: Models,
    reference_m: np.ndarray,
) -> tuple[int, dict[str, WorldErrors]]:
    """Return how many subsets of `count` views were measured, and the mean of their errors by method."""
    subsets = camera_subsets([view.camera for view in views], count)
    body = models.body()
    found = []
    for subset in subsets:
        chosen = [views[number] for number in subset]
        people = people_of(chosen, rate_hz)
        lasting = [each for each in people if len(each[1].frame_index) >= settings.link.frames_min]
        tracks = fitted(lasting, chosen, settings, models)
        ours = {track.track_id: joints_of_track(track, body) for track in tracks}
        found.append(errors_by_method(people, ours, chosen, body, reference_m))
    return len(subsets), {name: mean_errors([one[name] for one in found]) for name in found[0]}


def camera_subsets(cameras: Sequence[Camera], count: int) -> list[tuple[int, ...]]:
    """Return subsets of `count` cameras: all, or those spread evenly round the rig, each turned by one camera."""
    if comb(len(cameras), count) <= SUBSETS_MAX:
        return list(combinations(range(len(cameras)), count))
    centres = np.array([camera.centre_m for camera in cameras])
    apart = centres - centres.mean(axis=0)
    order = np.argsort(np.arctan2(apart[:, 1], apart[:, 0]), kind="stable")
    steps = np.arange(count) * len(cameras) // count
    turned = [tuple(sorted(order[(steps + turn) % len(cameras)].tolist())) for turn in range(len(cameras))]
    return sorted(set(turned))[:SUBSETS_MAX]
