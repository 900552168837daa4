"""Mirror images and posters are no people; somebody whom the other cameras cannot see is one."""

from dataclasses import replace

import numpy as np
import pytest
from filmed_views import filmed_views

from configs.schema import RunSettings
from pipeline.multiview.images import images_among
from pipeline.multiview.left_out import choose_people, left_out_as_json
from pipeline.multiview.people import who_is_who
from pipeline.multiview.views import View, view_of
from pipeline.types import Observations, concatenate_observations

FRAMES, RATE_HZ = 60, 30.0
PICTURE = 9  # track of what is no person


@pytest.fixture(scope="module")
def views() -> list[View]:
    return filmed_views(2, 4, FRAMES)


def with_more(view: View, rows: Observations) -> View:
    """Return a view with rows of the track `PICTURE`."""
    rows = replace(rows, track_id=np.full(len(rows.track_id), PICTURE))
    both = concatenate_observations([view.rows, rows])
    order = np.lexsort((both.track_id, both.frame_index))
    return view_of(view.camera, both.take(order))


def seeing(view: View, rows: np.ndarray) -> View:
    return replace(view, rows=view.rows.take(rows), rays=view.rays[rows])


def poster(view: View) -> View:
    """Return a view that sees somebody who never moves, beside where people walk."""
    rows = view.rows.take(view.rows.track_id == 1)
    world = np.array([1.5, 0.5, 1.2])
    trans = np.tile(view.camera.to_camera(world), (len(rows.track_id), 1)).astype(np.float32)
    pixels = np.tile(view.camera.project(world), (len(rows.track_id), 1))
    half = np.array([40, 120])
    boxes = np.concatenate([pixels - half, pixels + half], axis=1).astype(np.float32)
    keypoints = rows.keypoints.copy()
    keypoints[..., :2] = pixels[:, None] + np.linspace(-100, 100, 17)[:, None] * (0.1, 1.0)
    return with_more(view, replace(rows, keypoints=keypoints, trans=trans, boxes_xyxy=boxes))


def test_a_poster_is_left_out_and_who_says_so_is_named(views: list[View]) -> None:
    told = [poster(views[0]), *views[1:]]
    people = who_is_who(told, RATE_HZ)
    (number,) = [person.id for person in people if {node.track_id for node in person.nodes} == {PICTURE}]
    found = images_among(people, told, 2)
    assert set(found) == {number} and len(found[number]) >= 2 and "cam0" not in found[number]
    kept, left_out = choose_people(people, told, RunSettings())
    assert [person.id for person in kept] == [person.id for person in people if person.id != number]
    (entry,) = left_out_as_json(left_out)
    assert (entry["person"], entry["rows"], entry["setting"]) == (number, FRAMES, "capture.unseen_by_min")
    assert entry["reason"].startswith("only cam0 sees them; cam") and "see nobody" in entry["reason"]


def test_nobody_is_left_out_if_that_is_not_wanted_or_too_few_look(views: list[View]) -> None:
    told = [poster(views[0]), *views[1:]]
    people = who_is_who(told, RATE_HZ)
    settings = RunSettings.model_validate({"capture": {"unseen_by_min": None}})
    assert choose_people(people, told, settings) == (list(people), [])
    assert images_among(people, told, 4) == {}


def test_real_people_stay_though_a_camera_misses_them(views: list[View]) -> None:
    blind = replace(
        views[2], rows=views[2].rows.take(views[2].rows.track_id == 2), rays=views[2].rays[views[2].rows.track_id == 2]
    )
    told = [views[0], views[1], blind, views[3]]
    people = who_is_who(told, RATE_HZ)
    assert len(people) == 2 and images_among(people, told, 2) == {}


def test_cameras_that_share_nobody_with_others_say_nothing(views: list[View]) -> None:
    alone = [poster(views[0])] + [
        replace(view, rows=view.rows.take(slice(0, 0)), rays=view.rays[:0]) for view in views[1:]
    ]
    people = who_is_who(alone, RATE_HZ)
    assert len(people) == 3 and images_among(people, alone, 1) == {}
