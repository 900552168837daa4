"""Track numbers that jump between people are put right, and those of people who move or meet stay."""

from dataclasses import replace

import numpy as np
import pytest
from filmed_views import filmed_views

from configs.skeletons import MIRRORED_17
from pipeline.bench.filmed_people import cameras_round
from pipeline.multiview import continuity
from pipeline.multiview.continuity import steady_numbers
from pipeline.multiview.views import View, view_of
from pipeline.types import no_observations

FRAMES, RATE_HZ = 60, 30.0


@pytest.fixture(scope="module")
def view() -> View:
    return filmed_views(3, 4, FRAMES)[1]


def renumbered(view: View, frames: slice, numbers: dict[int, int]) -> View:
    changed = np.array(view.rows.track_id)
    here = (view.rows.frame_index >= frames.start) & (view.rows.frame_index < frames.stop)
    changed[here] = [numbers.get(int(number), int(number)) for number in changed[here]]
    return replace(view, rows=replace(view.rows, track_id=changed))


def test_people_who_exchange_numbers_for_a_moment_or_for_good_keep_theirs(view: View) -> None:
    for last in (38, FRAMES):
        for numbers in ({1: 2, 2: 1}, {1: 2, 2: 3, 3: 1}):
            confused = renumbered(view, slice(32, last), numbers)
            np.testing.assert_array_equal(steady_numbers(confused, RATE_HZ), view.rows.track_id)


def test_numbers_of_people_who_move_or_pass_each_other_stay(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    np.testing.assert_array_equal(steady_numbers(view, RATE_HZ), view.rows.track_id)
    monkeypatch.setattr(continuity, "ROWS_AT_ONCE", 7)
    confused = renumbered(view, slice(32, 38), {1: 2, 2: 1})
    np.testing.assert_array_equal(steady_numbers(confused, RATE_HZ), view.rows.track_id)


def test_left_taken_for_right_is_no_jump(view: View) -> None:
    keypoints = np.array(view.rows.keypoints)
    keypoints[view.rows.frame_index % 2 == 1] = keypoints[view.rows.frame_index % 2 == 1][:, list(MIRRORED_17)]
    flipped = replace(view, rows=replace(view.rows, keypoints=keypoints))
    np.testing.assert_array_equal(steady_numbers(flipped, RATE_HZ), view.rows.track_id)


def test_who_loses_their_number_to_somebody_else_gets_a_new_one(view: View) -> None:
    """Track 2 jumps to where track 1 was, and what was track 1 goes on as track 2 beside it: nobody shares a number."""
    rows = view.rows
    gone = renumbered(view, slice(32, FRAMES), {1: 2, 2: 9})
    numbers = steady_numbers(gone, RATE_HZ)
    for frame in range(FRAMES):
        assert len(set(numbers[rows.frame_index == frame].tolist())) == 3
    np.testing.assert_array_equal(numbers[rows.track_id == 1], 1)


def test_nobody_is_no_error() -> None:
    assert len(steady_numbers(view_of(cameras_round(3)[0], no_observations()), RATE_HZ)) == 0
