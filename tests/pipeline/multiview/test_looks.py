"""What people look like to different cameras."""

from dataclasses import replace

import numpy as np
import pytest
from filmed_views import filmed_views

from pipeline.multiview.looks import LIMIT, LooksOfViews
from pipeline.multiview.views import Node, View

FRAMES = 40


@pytest.fixture(scope="module")
def views() -> list[View]:
    return filmed_views(3, 2, FRAMES)


def dressed(views: list[View], colours: np.ndarray, seed: int = 0) -> list[View]:
    """Return views that looked at everybody in every fourth frame; colours (3, 36)."""
    rng, found = np.random.default_rng(seed), []
    for view in views:
        rows = np.flatnonzero(view.rows.frame_index % 4 == 0)
        looks = colours[view.rows.track_id[rows] - 1] + rng.normal(0, 5, (len(rows), 36))
        looks[rng.random(looks.shape) < 0.2] = np.nan
        found.append(replace(view, looks=looks.astype(np.float32), look_rows=rows))
    return found


def node(view: int, track: int, views: list[View]) -> Node:
    return Node(view, track, np.flatnonzero(views[view].rows.track_id == track))


def test_the_same_clothes_are_one_person_and_others_are_not(views: list[View]) -> None:
    told = dressed(views, np.array([[20.0], [50.0], [80.0]]) * np.ones(36))
    looks = LooksOfViews(told)
    others = [looks.sample_of([node(1, track, told)]) for track in (1, 2, 3)]
    for who in (1, 2, 3):
        scores = looks.scores(looks.sample_of([node(0, who, told)]), others)
        assert scores[who - 1] > 0 and (np.delete(scores, who - 1) < -1).all() and (np.abs(scores) <= LIMIT).all()


def test_of_people_in_like_clothes_looks_say_little(views: list[View]) -> None:
    told = dressed(views, np.full((3, 36), 30.0))
    looks = LooksOfViews(told)
    others = [looks.sample_of([node(1, track, told)]) for track in (1, 2, 3)]
    assert np.abs(looks.scores(looks.sample_of([node(0, 1, told)]), others)).max() < 0.5


def test_several_tracks_are_one_sample_and_nobody_who_was_not_looked_at_has_one(views: list[View]) -> None:
    told = dressed(views, np.array([[20.0], [50.0], [80.0]]) * np.ones(36))
    looks = LooksOfViews(told)
    both = looks.sample_of([node(0, 1, told), node(1, 1, told)])
    parts = [looks.sample_of([node(view, 1, told)]) for view in (0, 1)]
    assert both is not None and parts[0] is not None and parts[1] is not None
    np.testing.assert_allclose(both.count, parts[0].count + parts[1].count)
    assert looks.sample_of([Node(0, 1, np.flatnonzero(told[0].rows.frame_index == 1))]) is None
    np.testing.assert_array_equal(looks.scores(None, parts), [0, 0])
    np.testing.assert_array_equal(looks.scores(both, [None, None]), [0, 0])
    bare = LooksOfViews(views)
    assert bare.sample_of([node(0, 1, views)]) is None
