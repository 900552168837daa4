"""Two looks at a picture made into one."""

import numpy as np

from dpmesh.keypoints import MIRRORED_17
from trackers.mirrored import MIRRORED_KEYPOINTS, join_looks, mirrored_back


def people_at(*places: tuple[float, float], confidence: float = 0.8) -> np.ndarray:
    """Return one box of 100 by 200 pixels per place with keypoints inside it."""
    rng = np.random.default_rng(0)
    rows = []
    for x, y in places:
        points = np.concatenate([rng.uniform(0, 1, (17, 2)) * (100, 200) + (x, y), np.full((17, 1), confidence)], 1)
        rows.append(np.concatenate([[x, y, x + 100, y + 200, 0.9, 0.0], points.ravel()]))
    return np.array(rows, np.float32).reshape(-1, 57)


def test_what_was_found_in_a_mirror_lies_where_it_is_with_left_and_right_as_they_are() -> None:
    people = people_at((20, 30), (200, 10))
    mirrored = people.copy()
    mirrored[:, [0, 2]] = 640 - people[:, [2, 0]]
    points = people[:, 6:].reshape(2, 17, 3)[:, list(MIRRORED_KEYPOINTS)] * (-1, 1, 1) + (640, 0, 0)
    mirrored[:, 6:] = points.reshape(2, -1)
    np.testing.assert_allclose(mirrored_back(mirrored, 640), people, atol=1e-4)
    assert sorted(MIRRORED_KEYPOINTS) == list(range(17))
    assert MIRRORED_KEYPOINTS == MIRRORED_17  # trackers and dpmesh do not know each other


def test_looks_that_agree_become_their_mean() -> None:
    first, second = people_at((0, 0), (300, 0)), people_at((300, 0), (0, 0))
    second = second[[1, 0]]
    second[:, 6:] = first[:, 6:]
    second[:, 4] = 0.5
    second[:, 6::3] += 4.0
    joined, _ = join_looks(first, second[[1, 0]])
    np.testing.assert_allclose(joined[:, 6::3], first[:, 6::3] + 2.0, rtol=1e-5)
    np.testing.assert_allclose(joined[:, 8::3], first[:, 8::3])
    np.testing.assert_allclose(joined[:, 4], 0.7)


def test_where_looks_disagree_the_surer_one_counts_at_half_its_confidence() -> None:
    first, second = people_at((0, 0), confidence=0.6), people_at((0, 0), confidence=0.8)
    second[:, 6] += 60.0
    joined, _ = join_looks(first, second)
    assert joined[0, 6] == second[0, 6] and np.isclose(joined[0, 8], 0.4)
    np.testing.assert_allclose(joined[0, 11::3], 0.7)


def test_people_of_one_look_alone_stay_as_they_are() -> None:
    first = people_at((0, 0))
    assert np.array_equal(join_looks(first, people_at((400, 0)))[0], first)
    assert np.array_equal(join_looks(first, people_at())[0], first)
    assert len(join_looks(people_at(), first)[0]) == 0


def test_pictures_in_which_a_look_finds_nobody() -> None:
    nobody = people_at()
    assert mirrored_back(nobody, 640).shape == (0, 57)
    joined, is_disputed = join_looks(nobody, mirrored_back(nobody, 640))
    assert joined.shape == (0, 57) and is_disputed.shape == (0, 17)
