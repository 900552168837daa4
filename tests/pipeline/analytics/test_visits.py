import numpy as np
import shapely

from pipeline.analytics.speed import individual_speed
from pipeline.analytics.trajectories import Trajectories, sorted_trajectories
from pipeline.analytics.visits import count_waiting, find_visits

ZONE = shapely.box(0, 0, 4, 4)


def along_x(x: np.ndarray, person: int = 1) -> Trajectories:
    return sorted_trajectories(np.full(len(x), person), np.arange(len(x)), np.stack([x, np.full(len(x), 2)], 1), 10.0)


def test_a_visit_has_entry_exit_dwell_and_waiting_time() -> None:
    x = np.concatenate([np.arange(-1, 2, 0.1), np.full(50, 2.0), np.arange(2, 5, 0.1)])
    people = along_x(x)
    found = find_visits(people, ZONE, individual_speed(people, 2).speed, 0.3)
    assert found.has_entered.tolist() == [True] and found.has_left.tolist() == [True]
    np.testing.assert_allclose([found.start_s[0], found.end_s[0]], [1.0, 10.0], atol=0.11)
    np.testing.assert_allclose(found.waited_s, 5.0, atol=0.3)
    queue = count_waiting(people, ZONE, individual_speed(people, 2).speed, 0.3)
    assert queue[50] == 1 and queue[20] == 0


def test_who_is_inside_from_the_beginning_did_not_enter() -> None:
    people = along_x(np.full(30, 2.0))
    found = find_visits(people, ZONE, np.zeros(30), 0.3)
    assert not found.has_entered[0] and not found.has_left[0] and found.waited_s[0] > 2.8


def test_who_walks_along_the_border_enters_once() -> None:
    x = np.where(np.arange(60) % 2 == 0, 0.01, -0.01) + np.where(np.arange(60) > 40, 1.0, 0.0)
    x[:10] = -1
    found = find_visits(along_x(x), ZONE, np.zeros(60), 0.3)
    assert len(found.person) == 1


def test_nobody_makes_no_visit() -> None:
    assert not len(find_visits(along_x(np.full(10, -3.0)), ZONE, np.zeros(10), 0.3).person)
