import numpy as np
import pytest

from pipeline.analytics.groups import formations, lasting_groups, match_groups, walking_groups
from pipeline.analytics.meetings import find_pairs
from pipeline.analytics.speed import individual_speed
from pipeline.analytics.trajectories import Postures, sorted_trajectories


def test_who_walks_side_by_side_is_a_group_and_who_comes_towards_them_is_not() -> None:
    steps = np.arange(60) / 10
    ways = [(steps * 1.2, 0 * steps), (steps * 1.2, 0 * steps + 0.8), (6 - steps * 1.2, 0 * steps + 0.4)]
    xy = np.concatenate([np.stack(way, axis=1) for way in ways])
    people = sorted_trajectories(np.repeat([1, 2, 3], 60), np.tile(np.arange(60), 3), xy, 10.0)
    index = people.by_frame()
    velocity = individual_speed(people, 5).velocity
    found = walking_groups(people, index, find_pairs(people, index, 5.0), velocity, 1.6, 0.3, 2.0)
    assert found[30] == [frozenset({1, 2})]
    groups = lasting_groups(found, index.frames / 10, 2.0)
    assert [group.people for group in groups] == [(1, 2)] and groups[0].end_s - groups[0].start_s > 5


def ring(angles: list[float], facing: list[float], radius: float = 0.7):
    xy = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    count = len(angles)
    people = sorted_trajectories(np.arange(1, count + 1), np.zeros(count), xy, 10.0)
    turn, none = np.array(facing), np.zeros(count)
    return people, Postures(turn, turn, none, none, none, none, none)


def test_people_who_face_one_middle_are_a_formation() -> None:
    angles = [0.0, 2 * np.pi / 3, 4 * np.pi / 3]
    people, bodies = ring(angles, [angle + np.pi for angle in angles])
    assert formations(people, people.by_frame(), bodies, np.ones(3, bool), 0.7) == [[frozenset({1, 2, 3})]]


def test_people_who_turn_their_backs_and_people_who_walk_are_none() -> None:
    angles = [0.0, 2 * np.pi / 3, 4 * np.pi / 3]
    people, bodies = ring(angles, angles)
    assert formations(people, people.by_frame(), bodies, np.ones(3, bool), 0.7) == [[]]
    people, bodies = ring(angles, [angle + np.pi for angle in angles])
    assert formations(people, people.by_frame(), bodies, np.zeros(3, bool), 0.7) == [[]]


@pytest.mark.parametrize(
    "found, counts",
    [
        ([{1, 2, 3}], (1, 0, 0)),
        ([{1, 2}], (1, 0, 0)),
        ([{1, 2, 4, 5}], (0, 1, 1)),
        ([], (0, 0, 1)),
        ([{1, 4}], (0, 1, 1)),
    ],
)
def test_groups_match_with_two_thirds_of_their_members(found: list[set[int]], counts: tuple[int, int, int]) -> None:
    assert match_groups([frozenset(each) for each in found], [frozenset({1, 2, 3})]) == counts
