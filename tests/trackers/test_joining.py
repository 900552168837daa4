"""Two estimates of the same keypoints become one."""

import numpy as np
import pytest

from trackers.joining import GROUPS, SourceErrors, join_keypoints, read_errors

SIDE = np.array([200.0])


def errors(low: float, high: float) -> SourceErrors:
    """Return errors that fall from `high` at confidence 0 to `low` at 1, over the side."""
    sigma = np.tile([high, low], (len(GROUPS), 1))
    return SourceErrors(np.array([0.0, 1.0]), sigma, np.zeros((len(GROUPS), 2)), 0.0)


def person(confidence: float = 0.9) -> np.ndarray:
    points = np.random.default_rng(0).uniform(0, 200, (1, 17, 2))
    return np.concatenate([points, np.full((1, 17, 1), confidence)], axis=-1)


EQUAL = errors(0.01, 0.05)


def test_two_equally_sure_estimates_meet_in_the_middle() -> None:
    first, second = person(), person()
    second[..., 0] += 4.0
    found = join_keypoints(first, second, SIDE, EQUAL, EQUAL, EQUAL)
    np.testing.assert_allclose(found.keypoints[..., 0], first[..., 0] + 2.0, atol=1e-4)
    assert found.is_same_person.all()


def test_the_more_precise_source_counts_more() -> None:
    first, second = person(), person()
    second[..., 0] += 4.0
    found = join_keypoints(first, second, SIDE, errors(0.01, 0.01), errors(0.02, 0.02), EQUAL).keypoints
    np.testing.assert_allclose(found[..., 0], first[..., 0] + 4.0 / 5.0, atol=1e-4)


def test_a_point_that_one_source_lacks_is_the_others() -> None:
    first, second = person(), person()
    first[0, 3, 2] = 0.0
    second[0, 4, 2] = 0.0
    second[..., 0] += 4.0
    found = join_keypoints(first, second, SIDE, EQUAL, EQUAL, EQUAL).keypoints
    np.testing.assert_allclose(found[0, 3], second[0, 3], atol=1e-4)
    np.testing.assert_allclose(found[0, 4], first[0, 4], atol=1e-4)


def test_where_the_two_lie_far_apart_the_surer_one_counts_at_half_its_confidence() -> None:
    first, second = person(), person()
    first[0, 9, 2], second[0, 9, 2] = 0.4, 0.95
    second[0, 9, 0] += 60.0
    found = join_keypoints(first, second, SIDE, EQUAL, EQUAL, EQUAL).keypoints
    np.testing.assert_allclose(found[0, 9], [*second[0, 9, :2], 0.475], atol=1e-4)


def test_confidences_of_both_sources_are_on_one_scale() -> None:
    first, second = person(0.8), person(0.6)
    both = join_keypoints(first, second, SIDE, EQUAL, EQUAL, EQUAL).keypoints
    np.testing.assert_allclose(both[..., 2], 0.8, atol=1e-4)
    second[..., 2] = 0.0
    modest = errors(0.01, 0.03)  # as precise at confidence 0.4 as EQUAL is at 0.7
    rescaled = join_keypoints(person(0.4), second, SIDE, modest, EQUAL, EQUAL).keypoints
    np.testing.assert_allclose(rescaled[..., 2], 0.7, atol=1e-4)


@pytest.mark.parametrize("side_px", [40.0, 400.0])
@pytest.mark.parametrize("source", ["detector", "open-detector", "landmarks"])
def test_what_a_bundled_source_is_sure_of_stays_sure_however_small_the_person(source: str, side_px: float) -> None:
    seen, unseen = read_errors(source), person(0.0)
    surest = person(float(seen.confidence[-1]))
    found = join_keypoints(unseen, surest, np.array([side_px]), EQUAL, seen, read_errors("detector")).keypoints
    assert (found[..., 2] > 0.9).all()
    found = join_keypoints(unseen, person(0.1), np.array([side_px]), EQUAL, seen, read_errors("detector")).keypoints
    assert (found[..., 2] < 0.3).all()


def test_people_without_a_point_of_the_first_source_are_as_the_second_has_them() -> None:
    second = person(0.7)
    found = join_keypoints(person(0.0), second, SIDE, EQUAL, EQUAL, EQUAL)
    assert found.is_same_person.all()
    np.testing.assert_allclose(found.keypoints, second, atol=1e-4)


@pytest.mark.parametrize("seen", ["somebody else", "nothing"])
def test_an_estimate_of_somebody_else_is_left_out(seen: str) -> None:
    first, second = person(), person()
    second[..., :2] += 80.0
    if seen == "nothing":
        second[..., 2] = 0.0
    found = join_keypoints(first, second, SIDE, EQUAL, EQUAL, EQUAL)
    assert not found.is_same_person.any()
    np.testing.assert_allclose(found.keypoints, first, atol=1e-4)


def test_nobody_is_nobody() -> None:
    found = join_keypoints(np.zeros((0, 17, 3)), np.zeros((0, 17, 3)), np.zeros(0), EQUAL, EQUAL, EQUAL)
    assert found.keypoints.shape == (0, 17, 3)


def test_a_source_that_means_other_points_of_the_body_is_aligned() -> None:
    marked = person()
    offset = np.zeros((len(GROUPS), 2))
    offset[GROUPS.index("hip")] = [0.1, -0.2]
    up = marked[0, [5, 6], :2].mean(axis=0) - marked[0, [11, 12], :2].mean(axis=0)
    other = marked.copy()
    half = 0.5 * (marked[0, 11, :2] - marked[0, 12, :2])
    other[0, 11, :2] += 0.1 * up - 0.2 * half
    other[0, 12, :2] += 0.1 * up + 0.2 * half
    source = SourceErrors(np.array([0.0, 1.0]), np.ones((len(GROUPS), 2)), offset, 0.0)
    before, after = (np.linalg.norm((points - marked)[0, [11, 12], :2]) for points in (other, source.aligned(other)))
    assert after < 0.3 * before  # not quite 0: the axes follow from the points themselves


@pytest.mark.parametrize("source", ["detector", "landmarks"])
def test_bundled_errors_fall_with_confidence_and_grow_with_the_person(source: str) -> None:
    found = read_errors(source)
    assert (np.diff(found.sigma, axis=1) <= 0).all()
    assert (found.sigma > 0).all()
    sure = np.tile(person(1.0), (2, 1, 1))
    small, large = found.of(sure, np.array([50.0, 500.0]))
    assert (large > small).all()
