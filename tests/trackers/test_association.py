import itertools
import tracemalloc

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from trackers import association
from trackers.association import (
    assign,
    box_overlaps,
    covered_fractions,
    keypoint_similarities,
    without_duplicates,
)
from trackers.types import Detections, concatenate_detections


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        ([0, 0, 10, 10], 1.0),
        ([5, 0, 15, 10], 1 / 3),
        ([10, 0, 20, 10], 0.0),  # they touch
        ([2, 2, 4, 4], 0.04),  # one inside the other
        ([50, 50, 60, 60], 0.0),
        ([5, 5, 5, 5], 0.0),  # no area
        ([np.nan] * 4, 0.0),  # nobody in front of the camera
    ],
)
def test_overlap_of_known_boxes(second: list[float], wanted: float) -> None:
    found = box_overlaps(np.array([[0.0, 0, 10, 10]]), np.array([second], float))
    assert found[0, 0] == pytest.approx(wanted)


def test_overlaps_of_nobody_are_an_empty_table() -> None:
    assert box_overlaps(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)


def test_a_box_is_covered_by_the_nearer_one_alone() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [2, 2, 4, 4], [0, 6, 10, 12], [100, 0, 110, 10]])
    assert covered_fractions(boxes) == pytest.approx([0.4, 1.0, 0.0, 0.0])


def test_every_keypoint_has_the_tolerance_of_the_coco_evaluation() -> None:
    sigmas = [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
    first = np.concatenate([np.zeros((17, 17, 2)), np.eye(17)[..., None]], axis=2)  # one keypoint is seen in each
    second = first + np.array([3.0, 4.0, 0.0])
    similarity, share = keypoint_similarities(first, second, np.full(17, 400.0), spread=1.5)
    np.testing.assert_allclose(similarity, np.exp(-25 / (2 * (2 * 1.5 * np.array(sigmas) / 10) ** 2 * 400)))
    np.testing.assert_allclose(share, 1 / 17)


def test_keypoints_are_wholly_alike_with_themselves_and_less_when_moved() -> None:
    rng = np.random.default_rng(0)
    pose = np.concatenate([rng.uniform(0, 100, (1, 17, 2)), np.ones((1, 17, 1))], axis=2)
    moved = pose + np.array([10, 0, 0])
    twice, areas = np.concatenate([pose, pose]), np.array([1e4, 1e4])
    similarity, share = keypoint_similarities(twice, np.concatenate([pose, moved]), areas)
    assert similarity[0] == pytest.approx(1.0)
    assert 0.1 < similarity[1] < 0.9
    assert share.tolist() == [1.0, 1.0]


def test_keypoints_that_were_not_seen_do_not_count() -> None:
    pose = np.ones((1, 17, 3))
    other = pose.copy()
    other[0, 5:, :2] = 1e6
    other[0, 5:, 2] = 0.1
    similarity, share = keypoint_similarities(pose, other, np.array([1e4]))
    assert similarity[0] == pytest.approx(1.0)
    assert share[0] == pytest.approx(5 / 17)


def test_the_assignment_is_the_cheapest_of_all() -> None:
    costs = np.random.default_rng(3).uniform(0, 1, (5, 5))
    best = min(sum(costs[r, c] for r, c in enumerate(order)) for order in itertools.permutations(range(5)))
    assert sum(costs[pair] for pair in assign(costs, 1.0)) == pytest.approx(best)


def test_a_forbidden_pair_is_left_out_and_takes_nobody_s_place() -> None:
    costs = np.array([[0.9, 0.2], [np.inf, 0.3]])
    assert assign(costs, 0.8) == [(0, 1)]
    assert assign(np.array([[np.inf]]), 0.8) == []


def test_a_certain_pair_is_not_given_up_for_two_poor_ones() -> None:
    assert assign(np.array([[0.05, 0.8], [0.8, np.inf]]), 0.85) == [(0, 0)]


def test_nobody_is_assigned_where_there_is_nobody() -> None:
    assert assign(np.zeros((0, 3)), 1.0) == assign(np.zeros((3, 0)), 1.0) == []


def _crowd(count: int, side_px: float, seed: int = 0) -> Detections:
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, side_px, (count, 1, 2)) + rng.uniform(0, 40, (count, 17, 2))
    keypoints = np.concatenate([places, rng.uniform(0, 1, (count, 17, 1))], axis=2).astype(np.float32)
    boxes = np.concatenate([keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)], axis=1)
    return Detections(boxes, rng.uniform(0.5, 1, count).astype(np.float32), keypoints)


@pytest.mark.parametrize("side_px", [40, 2000])  # all upon each other, and apart
def test_a_crowd_takes_no_table_of_everybody_against_everybody(side_px: int) -> None:
    people = _crowd(800, side_px)
    tracemalloc.start()
    try:
        kept = without_duplicates(people)
        covered = covered_fractions(people.boxes_xyxy)
        peak_mib = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    assert len(kept) > 500
    assert covered.shape == (800,)
    assert peak_mib < 60  # a table would hold 166 MiB of keypoint differences alone, and grow with the square


def test_people_in_blocks_are_who_they_are_in_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    people = _crowd(60, 100)
    twice = concatenate_detections([people, people])
    whole, covered = without_duplicates(twice), covered_fractions(twice.boxes_xyxy)
    monkeypatch.setattr(association, "PAIRS_AT_ONCE", 7)
    assert np.array_equal(without_duplicates(twice).keypoints, whole.keypoints)
    assert np.array_equal(covered_fractions(twice.boxes_xyxy), covered)
    assert len(whole) == 60


def test_only_keypoints_that_meet_are_compared_and_no_double_is_missed() -> None:
    people = _crowd(80, 150)
    shifted = Detections(people.boxes_xyxy, people.scores, people.keypoints + np.float32([1.5, -1, 0]))
    everyone = concatenate_detections([people, shifted])
    order = np.argsort(-everyone.scores, kind="stable")
    keypoints, boxes = everyone.keypoints[order], everyone.boxes_xyxy[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept: list[int] = []
    for row in range(len(order)):
        pair = keypoints[[row] * len(kept)], keypoints[kept]
        there, share = keypoint_similarities(*pair, areas[[row] * len(kept)])
        back, _ = keypoint_similarities(*pair, areas[kept])
        alike_min = np.where(box_overlaps(boxes[[row]], boxes[kept])[0] >= 0.45, 0.5, 0.8)
        if not ((np.minimum(there, back) >= alike_min) & (share >= 5 / 17)).any():
            kept.append(row)
    assert 80 <= len(kept) < 160
    assert np.array_equal(without_duplicates(everyone).keypoints, keypoints[kept])


@pytest.mark.parametrize(
    ("box", "sure_points", "count"),
    [
        ((10, 100, 70, 200), 4, 1),  # legs without a pose, in the box of somebody better
        ((10, 100, 70, 200), 17, 2),  # a pose of its own, which is another one
        ((10, 170, 70, 270), 4, 2),  # mostly below that box
    ],
)
def test_a_box_without_a_pose_inside_that_of_somebody_better_is_a_part(
    box: tuple[float, ...], sure_points: int, count: int
) -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([[0, 0, 80, 200], box], np.float32)
    points = boxes[:, None, :2] + rng.uniform(0, 1, (2, 17, 2)) * (boxes[:, None, 2:] - boxes[:, None, :2])
    sure = np.stack([np.ones(17), np.arange(17) < sure_points])
    keypoints = np.concatenate([points, sure[..., None]], axis=2).astype(np.float32)
    people = Detections(boxes, np.array([0.9, 0.5], np.float32), keypoints)
    assert len(without_duplicates(people)) == count
    bare = Detections(boxes, people.scores, keypoints * np.float32([1, 1, 0]))
    assert len(without_duplicates(bare)) == 2  # where nobody has keypoints, boxes are all there is


def test_groups_and_large_groups_are_assigned_as_one_table_is(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    costs = np.where(rng.uniform(size=(40, 50)) < 0.06, rng.uniform(0, 1, (40, 50)), np.inf)
    rows, columns = linear_sum_assignment(np.minimum(costs, 0.8))
    wanted = [pair for pair in zip(rows.tolist(), columns.tolist(), strict=True) if costs[pair] <= 0.8]
    assert assign(costs, 0.8) == wanted
    monkeypatch.setattr(association, "SMALL_PAIRS_MAX", 0)
    assert assign(costs, 0.8) == wanted
    monkeypatch.setattr(association, "TABLE_PAIRS_MAX", 0)
    assert assign(costs, 0.8) == wanted


@pytest.mark.parametrize(
    ("columns", "sizes"), [(0, [5]), (2, [5]), (4, [4, 1]), (7, [2, 2, 1]), (16, [1] * 5), (99, [1] * 5)]
)
def test_blocks_hold_all_rows_once_and_no_more_pairs_than_fit(
    columns: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(association, "PAIRS_AT_ONCE", 16)
    blocks = list(association.row_blocks(5, columns))
    assert [block.stop - block.start for block in blocks] == sizes
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(5))


@pytest.mark.parametrize("scores", [(0.9, 0.8), (0.8, 0.9)])
@pytest.mark.parametrize(("shift_px", "count"), [(0.0, 1), (12.0, 2)])
def test_two_people_are_one_only_if_they_are_alike_for_the_smaller_of_them(
    scores: tuple[float, float], shift_px: float, count: int
) -> None:
    points = np.concatenate([np.random.default_rng(0).uniform(0, 40, (17, 2)), np.ones((17, 1))], axis=1)
    keypoints = np.stack([points, points + np.array([shift_px, 0, 0])]).astype(np.float32)
    boxes = np.array([[0, 0, 40, 40], [0, 0, 400, 400]], np.float32)
    by_area = keypoint_similarities(keypoints[[0, 0]], keypoints[[1, 1]], np.array([40.0**2, 400.0**2]))[0] >= 0.8
    assert by_area.tolist() == [shift_px == 0, True]
    assert len(without_duplicates(Detections(boxes, np.array(scores, np.float32), keypoints))) == count
