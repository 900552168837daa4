"""Two looks at a picture made into one."""

import numpy as np
import pytest

from configs.skeletons import MIRRORED_17
from trackers.flip_test import (
    SIDE_DOUBT,
    exchange_sides,
    follow_sides,
    merge_flipped,
    merge_keypoints,
    unflip,
)
from trackers.types import Detections, select_detections

SIDE_PX = 200.0
KNEES, ANKLES = [13, 14], [15, 16]
LEGS, SHANKS, FEET = (np.isin(np.arange(17), range(first, 17)) for first in (11, 13, 15))
UPPER = np.isin(np.arange(17), [*range(1, 11)])


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
    points = people[:, 6:].reshape(2, 17, 3)[:, list(MIRRORED_17)] * (-1, 1, 1) + (640, 0, 0)
    mirrored[:, 6:] = points.reshape(2, -1)
    np.testing.assert_allclose(unflip(mirrored, 640), people, atol=1e-4)
    assert sorted(MIRRORED_17) == list(range(17))


def test_looks_that_agree_become_their_mean() -> None:
    first, second = people_at((0, 0), (300, 0)), people_at((300, 0), (0, 0))
    second = second[[1, 0]]
    second[:, 6:] = first[:, 6:]
    second[:, 4] = 0.5
    second[:, 6::3] += 4.0
    joined, _ = merge_flipped(first, second[[1, 0]])
    np.testing.assert_allclose(joined[:, 6::3], first[:, 6::3] + 2.0, rtol=1e-5)
    np.testing.assert_allclose(joined[:, 8::3], first[:, 8::3])
    np.testing.assert_allclose(joined[:, 4], 0.7)


def test_where_looks_disagree_the_surer_one_counts_at_half_its_confidence() -> None:
    first, second = people_at((0, 0), confidence=0.6), people_at((0, 0), confidence=0.8)
    second[:, 6] += 60.0
    joined, _ = merge_flipped(first, second)
    assert joined[0, 6] == second[0, 6] and np.isclose(joined[0, 8], 0.4)
    np.testing.assert_allclose(joined[0, 11::3], 0.7)


def test_people_of_one_look_alone_stay_as_they_are() -> None:
    first = people_at((0, 0))
    assert np.array_equal(merge_flipped(first, people_at((400, 0)))[0], first)
    assert np.array_equal(merge_flipped(first, people_at())[0], first)
    assert len(merge_flipped(people_at(), first)[0]) == 0


def test_pictures_in_which_a_look_finds_nobody() -> None:
    nobody = people_at()
    assert unflip(nobody, 640).shape == (0, 57)
    joined, is_disputed = merge_flipped(nobody, unflip(nobody, 640))
    assert joined.shape == (0, 57) and is_disputed.shape == (0, 17)


def seen_from_behind(phase: float = 0.0) -> np.ndarray:
    """Return keypoints (17, 3) of somebody who walks away: the legs apart by 5 % of the box, the feet up and down."""
    half = {0: 0, 1: 3, 3: 7, 5: 16, 7: 20, 9: 22, 11: 9, 13: 6, 15: 5}
    height = {0: 15, 1: 12, 3: 14, 5: 38, 7: 70, 9: 98, 11: 100, 13: 143, 15: 185}
    points = np.zeros((17, 3))
    for left, x in half.items():
        for place, sign in ((left, -1.0), (MIRRORED_17[left], 1.0)):
            lift = 8.0 * np.sin(phase) * sign if left == 15 else 0.0
            points[place] = 100.0 + sign * x, height[left] + lift, 0.9
    return points


def apart(keypoints: np.ndarray, pair: list[int]) -> float:
    return float(np.linalg.norm(np.subtract(*keypoints[pair, :2])))


@pytest.mark.parametrize("wrong", [0, 1])
@pytest.mark.parametrize("exchanged", [LEGS, SHANKS, FEET, UPPER, LEGS | UPPER])
def test_legs_under_each_others_names_do_not_meet_in_the_middle(wrong: int, exchanged: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    for frame in range(40):
        truth = seen_from_behind(0.3 * frame)
        pair = np.stack([truth, truth])
        pair[..., :2] += rng.normal(0, 0.008 * SIDE_PX, pair[..., :2].shape)
        pair[wrong] = exchange_sides(pair[wrong], exchanged)
        pair[wrong, exchanged, 2] = 0.8  # so the other one is surer of them
        joined, is_disputed = merge_keypoints(pair, SIDE_PX)
        assert apart(joined, KNEES) > 0.5 * apart(truth, KNEES)
        assert apart(joined, ANKLES) > 0.5 * apart(truth, ANKLES)
        is_wide = np.linalg.norm(truth[:, :2] - truth[list(MIRRORED_17), :2], axis=1) > 0.05 * SIDE_PX
        assert np.array_equal(is_disputed[is_wide], exchanged[is_wide])
        assert np.linalg.norm(joined[is_wide, :2] - truth[is_wide, :2], axis=1).max() < 0.03 * SIDE_PX
        np.testing.assert_allclose(joined[is_disputed, 2], SIDE_DOUBT * 0.85)
        if (~is_disputed & ~exchanged).any():
            assert (joined[~is_disputed & ~exchanged, 2] > 0.8).mean() > 0.9


def test_a_second_estimate_with_both_feet_on_one_leg_is_not_averaged() -> None:
    truth = seen_from_behind()
    other = truth.copy()
    other[ANKLES, :2] = truth[16, :2]
    other[ANKLES, 2] = 0.7
    joined, _ = merge_keypoints(np.stack([truth, other]), SIDE_PX)
    assert apart(joined, ANKLES) == pytest.approx(apart(truth, ANKLES))
    np.testing.assert_allclose(joined[ANKLES, 2], 0.45)


@pytest.mark.parametrize("start", [0, 1])
def test_disputed_limbs_follow_the_frame_before_with_its_confidence(start: int) -> None:
    before, now = seen_from_behind(1.0), seen_from_behind(1.2)
    wrong = exchange_sides(now, LEGS)
    pair = np.stack([now, wrong])[[start, 1 - start]]
    joined, is_disputed = merge_keypoints(pair, SIDE_PX)
    followed = follow_sides(joined, is_disputed, before, SIDE_PX)
    np.testing.assert_allclose(followed, now, atol=1e-9)
    before[:, 2] = 0.6
    assert np.isclose(follow_sides(joined, is_disputed, before, SIDE_PX)[ANKLES, 2], SIDE_DOUBT * 0.9).all()
    nobody = np.zeros((17, 3))
    assert np.array_equal(follow_sides(joined, is_disputed, nobody, SIDE_PX), joined)


def test_people_keep_what_is_disputed_when_they_are_chosen() -> None:
    disputed = np.eye(3, 17, dtype=bool)
    people = Detections(np.zeros((3, 4)), np.zeros(3), np.zeros((3, 17, 3)), is_side_disputed=disputed)
    chosen = select_detections(people, [2, 0]).is_side_disputed
    assert chosen is not None and np.array_equal(chosen, disputed[[2, 0]])
    with pytest.raises(ValueError, match="is_side_disputed"):
        Detections(np.zeros((3, 4)), np.zeros(3), np.zeros((3, 17, 3)), is_side_disputed=disputed[:2])
