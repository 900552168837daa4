import numpy as np
import pytest
from clothed_people import clothes

from trackers.linking.changes import find_changes


def seen(look: np.ndarray, count: int, seed: int) -> np.ndarray:
    return look + np.random.default_rng(seed).normal(0, 5, (count, len(look)))


def test_changes_are_where_somebody_else_begins() -> None:
    parts = [
        seen(clothes(person), count, seed) for seed, (person, count) in enumerate(((1, 12), (2, 8), (1, 40), (2, 9)))
    ]
    assert find_changes(np.concatenate(parts)) == [12, 20, 60]


@pytest.mark.parametrize("count", [0, 1, 5, 200])
def test_one_person_does_not_change(count: int) -> None:
    assert find_changes(seen(clothes(1), count, 0)) == []


def test_one_part_that_changes_is_a_hood_or_a_bag_and_nobody_else() -> None:
    looks = seen(clothes(1), 40, 0)
    looks[20:, :9] = seen(clothes(2)[:9], 20, 1)
    assert find_changes(looks) == []


def test_parts_that_were_not_seen_say_nothing() -> None:
    looks = np.concatenate([seen(clothes(1), 20, 0), seen(clothes(2), 20, 1)])
    looks[:20, 18:], looks[20:, :18] = np.nan, np.nan
    assert find_changes(looks) == []


def test_vectors_of_a_network_change_too() -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(size=(2, 1, 48))
    looks = np.concatenate([person + rng.normal(0, 0.3, (10, 48)) for person in people])
    assert find_changes(looks / np.linalg.norm(looks, axis=1, keepdims=True)) == [10]
