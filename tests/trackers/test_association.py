import itertools

import numpy as np
import pytest

from trackers.association import assign, box_overlaps, buffered, covered_shares, keypoint_similarities


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        ([0, 0, 10, 10], 1.0),
        ([5, 0, 15, 10], 1 / 3),
        ([10, 0, 20, 10], 0.0),  # they touch
        ([2, 2, 4, 4], 0.04),  # one inside the other
        ([50, 50, 60, 60], 0.0),
        ([5, 5, 5, 5], 0.0),  # no area
        ([np.nan] * 4, 0.0),  # nobody in front of the camera
    ],
)
def test_overlap_of_known_boxes(second: list[float], wanted: float) -> None:
    found = box_overlaps(np.array([[0.0, 0, 10, 10]]), np.array([second], float))
    assert found[0, 0] == pytest.approx(wanted)


def test_overlaps_of_nobody_are_an_empty_table() -> None:
    assert box_overlaps(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)


def test_a_hidden_box_is_covered_and_the_one_in_front_only_partly() -> None:
    shares = covered_shares(np.array([[0.0, 0, 10, 10], [2, 2, 4, 4], [100, 0, 110, 10]]))
    assert shares == pytest.approx([0.04, 1.0, 0.0])


def test_buffered_boxes_keep_their_centre() -> None:
    boxes = np.array([[0.0, 0, 10, 20]])
    assert buffered(boxes, 0.5).tolist() == [[-5, -10, 15, 30]]


def test_keypoints_are_wholly_alike_with_themselves_and_less_when_moved() -> None:
    rng = np.random.default_rng(0)
    pose = np.concatenate([rng.uniform(0, 100, (1, 17, 2)), np.ones((1, 17, 1))], axis=2)
    moved = pose + np.array([10, 0, 0])
    similarity, share = keypoint_similarities(pose, np.concatenate([pose, moved]), np.array([1e4]))
    assert similarity[0, 0] == pytest.approx(1.0)
    assert 0.1 < similarity[0, 1] < 0.9
    assert share.tolist() == [[1.0, 1.0]]


def test_keypoints_that_were_not_seen_do_not_count() -> None:
    pose = np.ones((1, 17, 3))
    other = pose.copy()
    other[0, 5:, :2] = 1e6
    other[0, 5:, 2] = 0.1
    similarity, share = keypoint_similarities(pose, other, np.array([1e4]))
    assert similarity[0, 0] == pytest.approx(1.0)
    assert share[0, 0] == pytest.approx(5 / 17)


def test_the_assignment_is_the_cheapest_of_all() -> None:
    costs = np.random.default_rng(3).uniform(0, 1, (5, 5))
    best = min(sum(costs[r, c] for r, c in enumerate(order)) for order in itertools.permutations(range(5)))
    assert sum(costs[pair] for pair in assign(costs, 1.0)) == pytest.approx(best)


def test_a_forbidden_pair_is_left_out_and_takes_nobody_s_place() -> None:
    costs = np.array([[0.9, 0.2], [np.inf, 0.3]])
    assert assign(costs, 0.8) == [(0, 1)]
    assert assign(np.array([[np.inf]]), 0.8) == []


def test_a_certain_pair_is_not_given_up_for_two_poor_ones() -> None:
    assert assign(np.array([[0.05, 0.8], [0.8, np.inf]]), 0.85) == [(0, 0)]


def test_nobody_is_assigned_where_there_is_nobody() -> None:
    assert assign(np.zeros((0, 3)), 1.0) == assign(np.zeros((3, 0)), 1.0) == []
