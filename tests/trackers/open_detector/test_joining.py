"""Lists of people of two networks become one."""

import numpy as np
import pytest

from trackers.open_detector.joining import ScoreScale, drop_overlaps, join_people


def people(*rows: tuple[float, float, float, float, float], keypoint: float = 0.0) -> np.ndarray:
    result = np.zeros((len(rows), 57), np.float32)
    result[:, :5] = np.array(rows, np.float32).reshape(-1, 5)
    result[:, 6:] = keypoint
    return result


NOBODY = people()


def test_nobody_and_nobody_is_nobody() -> None:
    assert join_people(NOBODY, NOBODY).shape == (0, 57)
    assert drop_overlaps(NOBODY, 0.5).shape == (0, 57)


def test_who_is_in_both_is_surer_and_lies_between_the_boxes() -> None:
    first, second = people((0, 0, 10, 20, 0.6), keypoint=7.0), people((2, 0, 12, 20, 0.2))
    joined = join_people(first, second)
    assert joined[0, :4] == pytest.approx([0.5, 0, 10.5, 20])
    assert joined[0, 4] == pytest.approx(1 - 0.4 * 0.8)
    assert (joined[0, 6:] == 7.0).all() and len(joined) == 1


def test_who_is_in_one_stays_as_found_and_the_surest_comes_first() -> None:
    first, second = people((0, 0, 10, 20, 0.3), keypoint=7.0), people((50, 0, 60, 20, 0.9))
    joined = join_people(first, second)
    assert np.array_equal(joined, np.concatenate([second, first]))
    for one, other in ((first, NOBODY), (NOBODY, first)):
        assert np.array_equal(join_people(one, other), first)


def test_of_boxes_that_overlap_the_best_stays() -> None:
    found = people((0, 0, 10, 10, 0.5), (1, 0, 11, 10, 0.9), (2, 0, 12, 10, 0.7), (30, 0, 40, 10, 0.2))
    assert np.allclose(drop_overlaps(found, 0.5)[:, 4], [0.9, 0.2])
    assert len(drop_overlaps(found, 0.9)) == 4


def test_a_box_is_not_dropped_for_one_that_is_dropped_itself() -> None:
    found = people((0, 0, 10, 10, 0.9), (4, 0, 14, 10, 0.8), (8, 0, 18, 10, 0.7))
    assert np.allclose(drop_overlaps(found, 0.4)[:, 4], [0.9, 0.7])


def test_scores_become_chances_and_back() -> None:
    scale = ScoreScale(1.7, 2.0)
    scores = np.linspace(0.05, 0.95, 7)
    chances = scale.to_chance(scores)
    assert (np.diff(chances) > 0).all()
    assert [scale.to_score(float(chance)) for chance in chances] == pytest.approx(scores.tolist())
    assert scale.to_score(0.0) < 1e-3
    assert np.isfinite(scale.to_chance(np.array([0.0, 1.0]))).all()
