import numpy as np
import shapely

from pipeline.analytics.flow import cumulative, find_crossings, first_crossings
from pipeline.analytics.trajectories import sorted_trajectories

LINE = shapely.LineString([(0, 0), (0, 2)])  # up; its right side is x > 0


def test_both_ways_every_crossing_and_one_inside_a_gap_are_counted() -> None:
    x = [-1.0, -0.5, 0.5, 1.0, -1.0, -3.0, 3.0]
    frame = [0, 1, 2, 3, 4, 5, 9]  # the last crossing lies in a gap of four frames
    people = sorted_trajectories(np.ones(7), np.array(frame), np.stack([x, np.ones(7)], axis=1), 10.0)
    found = find_crossings(people, LINE)
    np.testing.assert_array_equal(found.direction, [1, -1, 1])
    np.testing.assert_array_equal(found.is_in_gap, [False, False, True])
    np.testing.assert_allclose(found.time_s, [0.15, 0.35, 0.7])
    assert len(first_crossings(found).frame) == 1
    np.testing.assert_array_equal(cumulative(found, np.arange(10)), [0, 0, 1, 1, 2, 2, 2, 2, 2, 3])
    np.testing.assert_array_equal(cumulative(found, np.arange(10), -1), [0, 0, 0, 0, 1, 1, 1, 1, 1, 1])


def test_who_passes_beside_the_line_does_not_cross_it() -> None:
    people = sorted_trajectories(np.ones(2), np.arange(2), np.array([[-1, 3.0], [1, 3.0]]), 10.0)
    assert not len(find_crossings(people, LINE).frame)


def test_a_step_back_within_the_error_of_positions_is_no_sure_crossing() -> None:
    frames = np.arange(20)
    sure = np.stack([np.linspace(-5, 5, 20), np.ones(20)], axis=1)
    near = np.stack([np.full(20, -0.05), np.ones(20)], axis=1)
    near[10:] = [0.05, 1.0]
    covariance = np.tile(np.eye(2) * 0.2**2, (40, 1, 1))
    people = sorted_trajectories(
        np.repeat([1, 2], 20), np.tile(frames, 2), np.concatenate([sure, near]), 10.0, covariance_m2=covariance
    )
    found = find_crossings(people, LINE)
    chance = dict(zip(found.person.tolist(), found.probability.tolist()))
    assert chance[1] > 0.999 and 0.2 < chance[2] < 0.5


def test_a_bent_line_is_crossed_piece_by_piece() -> None:
    line = shapely.LineString([(0, 0), (0, 2), (2, 2)])
    ways = np.array([[[-1, 1.0], [1, 1.0]], [[1, 3.0], [1, 1.0]], [[-1, 3.0], [-1, 0.0]]]).reshape(-1, 2)
    people = sorted_trajectories(np.repeat([1, 2, 3], 2), np.tile([0, 1], 3), ways, 10.0)
    found = find_crossings(people, line)
    assert dict(zip(found.person.tolist(), found.direction.tolist())) == {1: 1, 2: 1}
