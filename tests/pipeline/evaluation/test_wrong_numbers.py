"""Track numbers that are exchanged: as many as asked for, in spells, and only among those who are there."""

import numpy as np
import pytest
from filmed_views import filmed_views

from pipeline.evaluation.wrong_numbers import with_wrong_numbers
from pipeline.multiview.people import who_is_who
from pipeline.multiview.views import View

FRAMES, RATE_HZ = 90, 30.0


@pytest.fixture(scope="module")
def views() -> list[View]:
    return filmed_views(3, 4, FRAMES)


def test_as_many_rows_as_asked_for_change_numbers_within_their_frame(views: list[View]) -> None:
    confused = with_wrong_numbers(views[0], 0.2, RATE_HZ, np.random.default_rng(0))
    before, after = views[0].rows, confused.rows
    wrong = before.track_id != after.track_id
    assert 0.2 <= wrong.mean() < 0.2 + 30 / FRAMES
    for frame in range(FRAMES):
        mine = before.frame_index == frame
        assert sorted(after.track_id[mine]) == sorted(before.track_id[mine])
        assert wrong[mine].all() or not wrong[mine].any(), "everybody in view is confused, or nobody"
    assert np.count_nonzero(np.diff(wrong.reshape(FRAMES, -1)[:, 0].astype(int))) < 10, "in spells, not frame by frame"


def test_nobody_is_confused_with_themselves_and_no_share_changes_nothing(views: list[View]) -> None:
    alone = View(views[0].camera, views[0].rows.take(views[0].rows.track_id == 1), views[0].rays[::3])
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(with_wrong_numbers(alone, 1.0, RATE_HZ, rng).rows.track_id, alone.rows.track_id)
    np.testing.assert_array_equal(with_wrong_numbers(views[0], 0, RATE_HZ, rng).rows.track_id, views[0].rows.track_id)
    with pytest.raises(ValueError, match=r"share 1\.5: give a number from 0 to 1"):
        with_wrong_numbers(views[0], 1.5, RATE_HZ, rng)


def test_who_is_who_is_found_where_a_fifth_of_every_views_numbers_is_wrong(views: list[View]) -> None:
    rng = np.random.default_rng(0)
    confused = [with_wrong_numbers(view, 0.2, RATE_HZ, rng) for view in views]
    people = who_is_who(confused, RATE_HZ)
    assert len(people) == 3
    for person in people:
        truth = [views[node.view].rows.track_id[node.rows] for node in person.nodes]
        assert len(np.unique(np.concatenate(truth))) == 1
