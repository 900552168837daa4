"""People in motion whose keypoints were simulated in several cameras, without any alignment.

A folder of `dpmesh-video data motion --cameras N`. Who is who is known; triangulation, fusion and refinement are those
of a capture.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from configs.errors import InputError
from configs.gaps import longest_gap_s
from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from dpmesh.body import BodyModel
from pipeline.capture import Camera
from pipeline.device import choose_device
from pipeline.evaluation.capture import BODY_JOINTS
from pipeline.evaluation.modes import with_gaps, with_mode
from pipeline.evaluation.motions import SimulatedPerson, simulated_people
from pipeline.evaluation.multiview import WorldErrors, WorldJoints, measure
from pipeline.models import Models
from pipeline.motion.posing import joint_positions
from pipeline.multiview.association import Node, Person
from pipeline.multiview.fusion import RIG_FROM_WORLD, sightings_of, track_rows
from pipeline.multiview.people import refined_rows
from pipeline.multiview.views import View, view_of
from refine.rows.smooth import smooth_values

TRIANGULATED = "triangulation, smoothed"
WORLD_FROM_CLIP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # Y up to Z up


@dataclass(frozen=True, slots=True)
class FilmedPerson(Shaped):
    """One person in several cameras."""

    views: tuple[View, ...]
    joints_m: Annotated[np.ndarray, "T", 17, 3]  # where they truly are in the world
    rate_hz: float


def filmed_people(folder: Path, body: BodyModel, limit: int) -> Iterator[FilmedPerson]:
    """Yield the first `limit` people of a folder.

    Raises:
        InputError: there is no shard, one is damaged or of another layout, or people were seen by one camera alone.
    """
    group: list[SimulatedPerson] = []
    count = 0
    for person in simulated_people(folder, body, None):
        if person.camera == 0 and group:
            yield _filmed(group, body)
            count += 1
            if count == limit:
                return
            group = []
        group.append(person)
    yield _filmed(group, body)


def _filmed(group: Sequence[SimulatedPerson], body: BodyModel) -> FilmedPerson:
    if len(group) < 2:
        raise InputError(f"{group[0].name}: seen by one camera; make people with `data motion --cameras 2` or more")
    views = []
    for person in group:
        focal, (x, y) = person.truth.focal_px[0], person.truth.principal_px[0]
        matrix = np.array([[focal, 0.0, x], [0.0, focal, y], [0.0, 0.0, 1.0]])
        camera = Camera(f"cam{person.camera}", matrix, person.rotation @ WORLD_FROM_CLIP.T, person.shift_m)
        views.append(view_of(camera, person.rows))
    first, camera = group[0], views[0].camera
    nowhere = np.zeros((len(first.pose), 3), np.float32)
    pelvis, joints = (joint_positions(body, first.pose, first.betas, nowhere, name) for name in ("smpl24", "coco17"))
    placed = joints - pelvis[:, :1] + first.truth.joints_m[0, :, :1]
    return FilmedPerson(
        views=tuple(views),
        joints_m=camera.to_world(placed),
        rate_hz=1.0 / float(np.median(np.diff(first.time_s))),
    )


def measure_filmed_motions(
    folder: Path, limit: int, settings: RunSettings, modes: Sequence[str]
) -> Mapping[str, WorldErrors]:
    """Return the errors of triangulation, smoothed, and of each way to refine, in the same frames of people.

    These are the frames in which every joint from shoulders to ankles is known from triangulation, or from frames
    before and after.

    Args:
        limit: people to measure.
    """
    use_one_thread_each()
    device = choose_device(settings.runtime.device)
    body = Models(settings, device).body()
    settings = with_gaps(settings, modes)
    tracks, triangulated, truth = [], [], []
    for number, person in enumerate(filmed_people(folder, body, limit), start=1):
        nodes = [Node(k, 1, np.arange(len(view.rows.frame_index))) for k, view in enumerate(person.views)]
        nodes = [node for node in nodes if len(node.rows)]
        if not nodes:
            continue
        seen = sightings_of(Person(number, nodes), person.views, person.rate_hz)
        track, at = track_rows(seen, person.views, body, longest_gap_s(settings), number)
        tracks.append(track)
        triangulated.append(_filled(seen.time_s, seen.joints_m, track.time_s, settings.refine.smooth_cutoff_hz))
        truth.append(person.joints_m[at])
    if not tracks:
        raise InputError(f"{folder}: nobody was seen in the first {limit} people; give a higher --limit")
    every = np.concatenate(triangulated)
    is_known = np.isfinite(every[:, BODY_JOINTS]).all(axis=(1, 2))
    reference = np.where(is_known[:, None, None], np.concatenate(truth), np.nan)[None]

    def errors(joints: np.ndarray) -> WorldErrors:
        return measure({1: WorldJoints(np.arange(len(joints)), joints)}, reference)

    found = {TRIANGULATED: errors(every)}
    for mode in modes:
        chosen = with_mode(settings, mode)
        fits = refined_rows(tracks, body, chosen, Models(chosen, device))
        joints = [joint_positions(body, fit.pose, fit.betas, fit.trans, "coco17") for fit in fits]
        found[mode] = errors(np.concatenate(joints) @ RIG_FROM_WORLD)
    return found


def _filled(time_s: np.ndarray, joints_m: np.ndarray, wanted_s: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """Return joints (S, 17, 3) at the wanted times, smoothed; NaN before the first and after the last known place."""
    found = np.full((len(wanted_s), *joints_m.shape[1:]), np.nan)
    for joint in range(joints_m.shape[1]):
        is_known = np.isfinite(joints_m[:, joint]).all(axis=1)
        if not is_known.any():
            continue
        known_s, places = time_s[is_known], joints_m[is_known, joint]
        places = smooth_values(known_s, places, cutoff_hz)
        inside = (wanted_s >= known_s[0]) & (wanted_s <= known_s[-1])
        found[inside, joint] = np.stack([np.interp(wanted_s[inside], known_s, axis) for axis in places.T], axis=1)
    return found
