import numpy as np

from pipeline.analytics.activity import LIE, NAMES, SIT, STAND, WALK, activities, stretches
from pipeline.analytics.trajectories import Postures, sorted_trajectories


def bodies(trunk: np.ndarray, thigh: np.ndarray, hip: np.ndarray) -> Postures:
    none = np.zeros(len(trunk))
    return Postures(none, none, trunk, thigh, hip, none, none)


def test_somebody_walks_stands_sits_down_and_falls() -> None:
    count = 120
    people = sorted_trajectories(np.ones(count), np.arange(count), np.zeros((count, 2)), 10.0)
    speed = np.where(np.arange(count) < 30, 1.2, 0.05)
    part = np.arange(count) // 30
    posture = bodies(
        np.choose(part, [0.1, 0.1, 0.2, 1.4]),
        np.choose(part, [0.1, 0.1, 1.4, 0.3]),
        np.choose(part, [1.1, 1.1, 0.6, 0.2]),
    )
    found = activities(people, speed, posture, 0.3, 2.2)
    assert [found[row] for row in (10, 40, 70, 100)] == [WALK, STAND, SIT, LIE]
    parts = stretches(people, found, posture)
    assert [NAMES[each.activity] for each in parts] == ["walk", "stand", "sit", "lie"]
    assert [each.is_fall_candidate for each in parts] == [False, False, False, True]


def test_without_bodies_nobody_sits_and_a_blink_is_no_activity() -> None:
    people = sorted_trajectories(np.ones(40), np.arange(40), np.zeros((40, 2)), 10.0)
    speed = np.full(40, 0.1)
    speed[20:23] = 2.0
    assert set(activities(people, speed, None, 0.3, 2.2)) == {STAND}
