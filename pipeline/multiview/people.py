"""The people of a capture: whom its views saw, and the motion of each in rig axes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from configs.gaps import longest_gap_s
from configs.schema import LinkSettings, RunSettings
from dpmesh.body import BodyModel
from pipeline.flow.memory import release_memory
from pipeline.models import Models
from pipeline.multiview.association import Person, associate
from pipeline.multiview.continuity import steady_numbers
from pipeline.multiview.fusion import Sightings, sightings_of, track_rows
from pipeline.multiview.reassignment import reassign
from pipeline.multiview.returns import join_returns
from pipeline.multiview.views import View
from pipeline.nodes.refine import in_groups, refine_rows, refine_scene
from pipeline.types import MotionTrack
from refine.rows.types import TrackFit, TrackRows


def who_is_who(views: Sequence[View], rate_hz: float, link: LinkSettings | None = None) -> list[Person]:
    """Return the people of a capture.

    Args:
        link: how those who leave and come back are joined; None: as by default.
    """
    views = [replace(view, rows=replace(view.rows, track_id=steady_numbers(view, rate_hz))) for view in views]
    people = reassign(views, associate(views, rate_hz), rate_hz)
    return join_returns(people, views, rate_hz, link or LinkSettings())


def with_joints(people: Iterable[Person], views: Sequence[View], rate_hz: float) -> Iterator[tuple[Person, Sightings]]:
    """Yield people with their joints."""
    return ((person, sightings_of(person, views, rate_hz)) for person in people)


def people_of(views: Sequence[View], rate_hz: float) -> list[tuple[Person, Sightings]]:
    """Return the people of a capture, each with their joints."""
    return list(with_joints(who_is_who(views, rate_hz), views, rate_hz))


def fitted(
    people: Iterable[tuple[Person, Sightings]],
    views: Sequence[View],
    settings: RunSettings,
    models: Models,
    folder: Path | None = None,
) -> Iterator[MotionTrack]:
    """Yield the motion of people in rig axes, at the frames of the videos.

    Few are held in memory at a time, unless scene constraints couple them.

    Args:
        folder: for what every camera saw of them, as of `track_rows`.
    """
    tracks = _fitted_alone(people, views, settings, models, folder)
    if settings.refine.has_scene_constraints:
        return iter(refine_scene(list(tracks), models.body(), settings.refine, is_measured=True))
    return tracks


def _fitted_alone(
    people: Iterable[tuple[Person, Sightings]],
    views: Sequence[View],
    settings: RunSettings,
    models: Models,
    folder: Path | None,
) -> Iterator[MotionTrack]:
    body, gap_max_s = models.body(), longest_gap_s(settings)
    for group in in_groups(people, lambda each: len(each[1].frame_index)):
        made = [track_rows(seen, views, body, gap_max_s, person.id, folder) for person, seen in group]
        fits = refined_rows([track for track, _ in made], body, settings, models)
        for (track, frames), fit in zip(made, fits, strict=True):
            yield _motion_track(track.number, track, frames, fit)
        release_memory()


def refined_rows(tracks: Sequence[TrackRows], body: BodyModel, settings: RunSettings, models: Models) -> list[TrackFit]:
    """Return the motions of tracks of several cameras, refined as `refine.mode` says."""
    if settings.refine.mode == "off":
        return [
            TrackFit(each.pose, each.betas, each.trans, ~each.is_observed, np.zeros(len(each.time_s), bool))
            for each in tracks
        ]
    sigma = {"keypoint_sigma_m": settings.refine.keypoint_sigma_of_several_m}
    return refine_rows(tracks, body, settings.refine.model_copy(update=sigma), models.device, models.motion_prior())


def _motion_track(number: int, track: TrackRows, frames: np.ndarray, fit: TrackFit) -> MotionTrack:
    """Return a track in rig axes; keypoints, boxes and focal lengths are those of several cameras and left out."""
    return MotionTrack(
        track_id=number,
        frame_index=frames,
        time_s=track.time_s,
        pose=fit.pose,
        betas=fit.betas,
        trans=fit.trans,
        joint_confidence=np.asarray(track.joint_confidence, np.float32),
        is_observed=track.is_observed,
        is_refined=fit.is_refined,
        seen_by=np.stack([view.keypoints[..., 2].any(axis=1) for view in track.views], axis=1),
    )
