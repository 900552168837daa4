"""Errors that last: what the camera adds to everybody, and a size to one person."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from pipeline.analytics.bands import draw_positions
from pipeline.analytics.flow import find_crossings
from pipeline.analytics.meetings import contact_probability, find_pairs
from pipeline.analytics.speed import individual_speed, speed_sigma
from pipeline.analytics.trajectories import Trajectories, sorted_trajectories, square

MOMENT_M2 = np.eye(2) * 0.02**2


def two_walkers(of_camera_m: float, of_person_m: float) -> Trajectories:
    """Return two people a metre apart who walk 4 m along y in 4 s; both kinds of errors that last are along y."""
    frames = np.arange(41)
    xy = np.concatenate([np.stack([np.full(41, x), 10.0 + frames / 10.0], axis=1) for x in (0.0, 1.0)])
    lasting = np.zeros((82, 2, 5))
    lasting[:, 1, 0], lasting[:, 1, 4] = of_camera_m, of_person_m
    people = sorted_trajectories(
        np.repeat([1, 2], 41), np.tile(frames, 2), xy, 10.0, covariance_m2=MOMENT_M2 + square(lasting)
    )
    return replace(people, systematic_m=lasting)


def test_who_is_displaced_all_the_time_has_a_sure_speed() -> None:
    sure, displaced = two_walkers(0.0, 0.0), two_walkers(2.0, 0.5)
    speeds = individual_speed(sure, 5)
    expected = speed_sigma(sure, speeds, 1.0)
    np.testing.assert_allclose(speed_sigma(displaced, speeds, 1.0), expected, rtol=1e-6)
    mixed = replace(displaced, systematic_m=None)  # before: two metres of the camera were those of a moment
    assert np.nanmedian(speed_sigma(mixed, speeds, 1.0)) > 50 * np.nanmedian(expected)


def test_a_scale_that_is_off_makes_speeds_off_by_the_same_fraction() -> None:
    people = two_walkers(0.0, 0.0)
    lasting = np.zeros((82, 2, 5))
    lasting[:, 1, 0] = 0.1 * people.xy_m[:, 1]
    scaled = replace(people, systematic_m=lasting, covariance_m2=MOMENT_M2 + square(lasting))
    speeds = individual_speed(scaled, 5)
    sigma = speed_sigma(scaled, speeds, 1.0)[20]
    assert sigma == pytest.approx(np.hypot(0.1, speed_sigma(people, speeds, 1.0)[20]), rel=1e-6)


def test_two_people_are_as_far_apart_wherever_the_camera_puts_both() -> None:
    for own, expected in ((0.0, 0.02 * np.sqrt(2)), (0.3, 0.02 * np.sqrt(2))):  # errors along y, people apart along x
        people = two_walkers(2.0, own)
        pairs = find_pairs(people, people.by_frame(), 3.0)
        np.testing.assert_allclose(pairs.sigma_m, expected, rtol=1e-6)
    assert contact_probability(two_walkers(2.0, 0.0), pairs, 1.1).min() > 0.99
    assert contact_probability(two_walkers(2.0, 2.0), pairs, 1.1).max() < 0.5


def test_draws_move_everybody_by_one_error_of_the_camera_and_each_by_an_own_one() -> None:
    people = two_walkers(2.0, 0.5)
    moves = np.array(list(draw_positions(people, 400, 1.0, 0)))[..., 1] - people.xy_m[:, 1]
    mean = moves.reshape(400, 2, 41).mean(axis=2)
    assert np.std(mean) == pytest.approx(np.hypot(2.0, 0.5), rel=0.1)
    assert np.std(mean[:, 0] - mean[:, 1]) == pytest.approx(0.5 * np.sqrt(2), rel=0.1)
    assert np.std(moves - moves.reshape(400, 2, 41).mean(axis=2).repeat(41, axis=1)) < 0.03


def test_a_crossing_is_as_sure_as_the_whole_way_is_placed() -> None:
    line = shapely.LineString([(-5.0, 12.0), (5.0, 12.0)])
    chances = [find_crossings(two_walkers(2.0, own), line).probability for own in (0.0, 1.0)]
    mixed = find_crossings(replace(two_walkers(2.0, 0.0), systematic_m=None), line).probability
    assert (np.diff(chances, axis=0) < 0).all()  # a way of 4 m round the line: 2 m of error is one standard error
    np.testing.assert_allclose(chances[0], 0.683, atol=0.06)
    assert (chances[0] < mixed).all()  # where errors of a moment at both ends can both be right


def test_what_comes_and_goes_is_what_is_left() -> None:
    people = two_walkers(2.0, 0.5)
    np.testing.assert_allclose(people.momentary_m2(), np.tile(MOMENT_M2, (82, 1, 1)), atol=1e-12)
    assert sorted_trajectories(np.ones(2), np.arange(2), np.zeros((2, 2)), 1.0).momentary_m2() is None
