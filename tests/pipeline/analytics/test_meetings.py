import numpy as np
import pytest

from pipeline.analytics.meetings import contact_probability, episodes, find_contacts, find_pairs, is_mutual_gaze
from pipeline.analytics.trajectories import Postures, sorted_trajectories


def couple(apart: np.ndarray, sigma: float | None = None):
    frames = len(apart)
    xy = np.concatenate([np.zeros((frames, 2)), np.stack([apart, np.zeros(frames)], axis=1)])
    covariance = None if sigma is None else np.tile(np.eye(2) * sigma**2, (2 * frames, 1, 1))
    return sorted_trajectories(
        np.repeat([1, 2], frames), np.tile(np.arange(frames), 2), xy, 10.0, covariance_m2=covariance
    )


def test_a_contact_has_its_length_and_nearest_distance() -> None:
    people = couple(np.concatenate([np.full(20, 3.0), np.full(30, 0.8), np.full(20, 3.0)]))
    pairs = find_pairs(people, people.by_frame(), 5.0)
    found = find_contacts(people, pairs, contact_probability(people, pairs, 1.0), 1.0, 0.5)
    assert found.first.tolist() == [1] and found.second.tolist() == [2] and np.isnan(found.probability[0])
    np.testing.assert_allclose([found.start_s[0], found.end_s[0], found.nearest_m[0]], [2.0, 4.9, 0.8])


@pytest.mark.parametrize("apart, sigma", [(0.9, 0.1), (1.4, 0.4), (0.2, 0.02), (3.0, 0.1)])
def test_the_probability_of_a_contact_is_the_share_of_draws(apart: float, sigma: float) -> None:
    people = couple(np.array([apart]), sigma)
    pairs = find_pairs(people, people.by_frame(), 5.0)
    drawn = np.random.default_rng(0).normal((apart, 0), sigma * np.sqrt(2), (200_000, 2))
    expected = np.mean(np.hypot(*drawn.T) < 1.0)
    np.testing.assert_allclose(contact_probability(people, pairs, 1.0), expected, atol=0.004)
    np.testing.assert_allclose(pairs.sigma_m, sigma * np.sqrt(2))


def test_two_look_at_each_other_only_if_both_do() -> None:
    people = couple(np.full(2, 2.0))
    gaze = np.array([0.1, 0.1, np.pi - 0.1, 0.0])  # at the second frame the other one looks away
    still = np.zeros(4)
    pairs = find_pairs(people, people.by_frame(), 5.0)
    bodies = Postures(gaze, gaze, still, still, still, still, still)
    np.testing.assert_array_equal(is_mutual_gaze(people, bodies, pairs, 0.35), [True, False])


def test_an_episode_goes_on_over_a_short_interruption_and_not_over_a_long_one() -> None:
    people = couple(np.full(60, 0.5))
    pairs = find_pairs(people, people.by_frame(), 5.0)
    holds = np.ones(60, bool)
    holds[10:12] = holds[30:40] = False
    found = episodes(people, pairs, holds, np.full(60, np.nan), 0.0)
    np.testing.assert_allclose(found.start_s, [0.0, 4.0])
    np.testing.assert_allclose(found.end_s, [2.9, 5.9])
