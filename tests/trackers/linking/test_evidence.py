import numpy as np
import pytest

from trackers.linking.evidence import DIRECTIONS, Channel, Sample, main_directions
from trackers.linking.usual import Usual, usual_looks


def sample(mean: np.ndarray, count: float = 20.0) -> Sample:
    return Sample(mean, np.full(len(mean), count))


def channel(people: np.ndarray, noise: float) -> Channel:
    """Return the channel of a clip in which people (P, D) were all seen at one time."""
    count = len(people)
    scatters = np.full((count, people.shape[1]), 19 * noise)
    pairs = np.array([(i, j) for i in range(count) for j in range(i)])
    return Channel(Usual(noise, 10 * noise, 4.0, 1.0), [sample(person) for person in people], scatters, pairs)


def test_alike_is_likelier_one_person_and_far_apart_two() -> None:
    people = np.random.default_rng(0).normal(0, 10, (6, 8))
    clip = channel(people, 1.0)
    same = [clip.score(sample(person), sample(person + 0.5)) for person in people]
    other = [clip.score(sample(people[i]), sample(people[i - 1])) for i in range(6)]
    assert min(same) > 2 and max(other) < -2


def test_looks_say_little_where_people_in_one_frame_look_alike() -> None:
    people = np.random.default_rng(0).normal(0, 10, (1, 8)) + np.random.default_rng(1).normal(0, 0.5, (6, 8))
    clip = channel(people, 1.0)
    assert abs(clip.score(sample(people[0]), sample(people[0]))) < 1.0


def test_what_was_not_seen_says_nothing() -> None:
    people = np.random.default_rng(0).normal(0, 10, (4, 8))
    clip, hidden = channel(people, 1.0), np.full(8, np.nan)
    assert clip.score(Sample(hidden, np.zeros(8)), sample(people[0])) == 0.0
    half = people[0].copy()
    half[4:] = np.nan
    found = clip.score(Sample(half, np.where(np.isnan(half), 0.0, 20.0)), sample(people[0]))
    assert 0 < found < clip.score(sample(people[0]), sample(people[0]))


def test_of_many_numbers_the_directions_are_kept_in_which_people_differ() -> None:
    rng = np.random.default_rng(0)
    people, spread = rng.normal(0, 1, (5, 200)), 0.01
    looks = np.repeat(people, 20, axis=0) + rng.normal(0, spread, (100, 200))
    directions = main_directions(looks)
    assert directions.shape == (200, DIRECTIONS)
    np.testing.assert_allclose(directions.T @ directions, np.eye(DIRECTIONS), atol=1e-9)
    short = people @ directions
    wanted = np.linalg.norm(people[:, None] - people[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(short[:, None] - short[None], axis=2), wanted, rtol=0.05)


@pytest.mark.parametrize("size", [36, 48, 512])
def test_every_size_has_its_usual_variances(size: int) -> None:
    usual = usual_looks(size)
    assert np.all(np.asarray(usual.between) > np.asarray(usual.within))
