"""Somebody who leaves the scene and comes back is the same person, if they look like it and can have walked there."""

from dataclasses import replace

import numpy as np
import pytest

from configs.schema import LinkSettings
from dpmesh.body import BodyModel, load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.multiview.people import who_is_who
from pipeline.multiview.returns import returns_as_json
from pipeline.multiview.timing import CameraTiming, Timing
from pipeline.multiview.views import View, view_of

FRAMES, RATE_HZ = 150, 30.0
COLOURS = np.random.default_rng(5).normal(0, 12, (3, 36)).astype(np.float32) + 50


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def dressed(view: View, of_track: dict[int, np.ndarray]) -> View:
    """Return a view in which everybody was looked at ten times a second."""
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(view.rows.frame_index % 3 == 0)
    looks = np.stack([of_track[track] for track in view.rows.track_id[rows].tolist()])
    looks = looks + rng.normal(0, 6, looks.shape).astype(np.float32)
    looks[rng.random(looks.shape) < 0.2] = np.nan
    return replace(view, looks=looks, look_rows=rows)


def views_of(body: BodyModel, colours_after: np.ndarray) -> list[View]:
    """Return three people in three cameras, one of whom is gone for two seconds and has another track afterwards."""
    walkers, cameras = Walkers(body, 3, FRAMES), cameras_round(3)
    ids = [[1] * 40 + [0] * 60 + [4] * 50, [2] * FRAMES, [3] * FRAMES]
    found = [view_of(camera, walkers.seen_by(camera, ids)) for camera in cameras]
    of_track = {1: COLOURS[0], 2: COLOURS[1], 3: COLOURS[2], 4: colours_after}
    return [dressed(view, of_track) for view in found]


def test_who_comes_back_in_the_same_clothes_is_one_person(body: BodyModel) -> None:
    people = who_is_who(views_of(body, COLOURS[0]), RATE_HZ)
    assert [person.id for person in people] == [1, 2, 3]
    (back,) = [person for person in people if person.returns]
    assert {node.track_id for node in back.nodes} == {1, 4}
    (made,) = returns_as_json(people)["decisions"]
    assert made["people"] == [back.id] and made["frames"] == [39, 100] and made["score"] >= 2.0


def test_who_comes_in_other_clothes_is_somebody_else(body: BodyModel) -> None:
    other = COLOURS.mean(axis=0) + np.random.default_rng(8).normal(0, 12, 36).astype(np.float32)
    people = who_is_who(views_of(body, other), RATE_HZ)
    assert len(people) == 4 and not any(person.returns for person in people)


def test_nobody_is_joined_without_looks_beyond_a_walk_or_if_told_not_to(body: BodyModel) -> None:
    views = views_of(body, COLOURS[0])
    assert (
        len(who_is_who([replace(view, looks=view.looks[:0], look_rows=view.look_rows[:0]) for view in views], 30.0))
        == 4
    )
    assert len(who_is_who(views, RATE_HZ, LinkSettings(mode="off"))) == 4
    assert len(who_is_who(views, RATE_HZ, LinkSettings(join_max_s=1.0))) == 4
    assert len(who_is_who(views, 100 * RATE_HZ)) == 4, "nobody runs a metre in 20 ms"


def test_looks_stay_with_whom_they_are_of_on_another_clock(body: BodyModel) -> None:
    view = views_of(body, COLOURS[0])[0]
    (placed,) = Timing(RATE_HZ, (CameraTiming(view.camera.name, 2.5 / RATE_HZ, None, "as told"),)).place([view])
    assert len(placed.looks) > 0.9 * len(view.looks)
    tracks, moved = view.rows.track_id[view.look_rows], placed.rows.track_id[placed.look_rows]
    for track in (1, 2, 3, 4):
        mean = np.nanmean(view.looks[tracks == track], axis=0)
        assert np.abs(np.nanmean(placed.looks[moved == track], axis=0) - mean).max() < 3.0
