"""Where windows lie and how they are joined."""

from itertools import pairwise

import numpy as np
import pytest

from refine.rows.windows import Joiner, Window, group_windows, plan_windows, plan_windows_round_gaps


@pytest.mark.parametrize("rows", [0, 1, 31, 32, 33, 100, 500])
def test_windows_cover_every_row_and_share_rows_with_their_neighbours(rows: int) -> None:
    windows = plan_windows(0, np.arange(rows) / 30.0, 32, 8, 1.0)
    assert sorted({row for w in windows for row in range(w.start, w.stop)}) == list(range(rows))
    assert all(len(w) == min(rows, 32) for w in windows)
    assert all(a.stop - b.start >= 8 for a, b in pairwise(windows))


def test_no_window_spans_a_long_gap() -> None:
    time = np.r_[np.arange(40) / 30.0, 10.0 + np.arange(10) / 30.0]
    assert plan_windows(3, time, 64, 8, 1.0) == [Window(3, 0, 40), Window(3, 40, 50)]


def test_groups_keep_the_order_and_the_bound() -> None:
    windows = plan_windows(0, np.arange(200) / 30.0, 32, 8, 1.0)
    groups = group_windows(windows, 70)
    assert [w for group in groups for w in group] == windows
    assert all(sum(map(len, group)) <= 70 for group in groups)


def test_two_groups_are_worthwhile_from_a_number_of_rows_on_and_about_as_large() -> None:
    windows = plan_windows(0, np.arange(400) / 30.0, 32, 8, 1.0)
    sizes = [sum(map(len, group)) for group in group_windows(windows, 1000)]
    assert len(sizes) == 2 and max(sizes) - min(sizes) <= 32
    assert len(group_windows(windows[:6], 1000)) == 1 and group_windows([], 1000) == []


def test_an_overlap_as_long_as_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap 32"):
        plan_windows(0, np.arange(5.0), 32, 32, 1.0)


def test_windows_that_agree_are_joined_without_a_trace() -> None:
    rng = np.random.default_rng(0)
    pose, trans = rng.normal(0, 0.4, (100, 24, 3)), rng.normal(0, 1, (100, 3))
    joiner = Joiner(np.zeros((100, 24, 3)), np.zeros((100, 3)))
    for window in plan_windows(0, np.arange(100) / 30.0, 32, 8, 1.0):
        joiner.add(window, pose[window.start : window.stop], trans[window.start : window.stop])
    np.testing.assert_allclose(joiner.pose, pose, atol=1e-5)
    np.testing.assert_allclose(joiner.trans, trans, atol=1e-5)


def test_windows_that_differ_go_over_into_each_other_without_a_jump() -> None:
    joiner = Joiner(np.zeros((56, 24, 3)), np.zeros((56, 3)))
    for number, window in enumerate(plan_windows(0, np.arange(56) / 30.0, 32, 8, 1.0)):
        joiner.add(window, np.full((32, 24, 3), 0.1 * number), np.full((32, 3), 1.0 * number))
    assert np.abs(np.diff(joiner.trans, axis=0)).max() < 0.2
    assert np.abs(np.diff(joiner.pose, axis=0)).max() < 0.02
    assert joiner.trans[0, 0] == 0.0 and joiner.trans[-1, 0] == 1.0


def test_gaps_lie_inside_one_window_with_rows_that_were_seen_on_either_side() -> None:
    is_observed = np.ones(400, bool)
    for gap in ((40, 50), (90, 150), (250, 320), (395, 400)):
        is_observed[slice(*gap)] = False
    windows = plan_windows_round_gaps(3, np.arange(400) / 30, is_observed, frames=96, overlap=16, break_s=1.0)
    assert windows[0].start == 0 and windows[-1].stop == 400 and {window.track for window in windows} == {3}
    for one, after in pairwise(windows):
        assert one.start < after.start <= one.stop < after.stop
    for first, last in ((90, 150), (250, 320)):
        held = [window for window in windows if window.start < last and window.stop > first]
        assert len(held) == 1 and held[0].start <= first - 8 and held[0].stop >= last + 8


def test_windows_round_gaps_are_the_usual_ones_where_there_is_no_gap() -> None:
    time_s = np.r_[np.arange(50), 100 + np.arange(30)] / 30
    found = plan_windows_round_gaps(0, time_s, np.ones(80, bool), frames=40, overlap=8, break_s=1.0)
    assert [(window.start, window.stop) for window in found] == [(0, 40), (32, 50), (50, 80)]
    assert plan_windows_round_gaps(0, np.zeros(0), np.zeros(0, bool), 40, 8, 1.0) == []
    nobody = plan_windows_round_gaps(0, np.arange(90) / 30, np.zeros(90, bool), frames=40, overlap=8, break_s=1.0)
    assert [(window.start, window.stop) for window in nobody] == [(0, 90)]
