"""Which detection continues which track: costs from boxes and keypoints, and the assignment of least cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from configs.checks import Shaped
from trackers.types import COCO_KEYPOINTS, Detections, select_detections

# Spread of each keypoint relative to sqrt(area). Source: COCO keypoint evaluation (cocoapi, cocoeval.py).
KEYPOINT_SIGMAS = np.array(
    [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
) / np.float64(10.0)
KEYPOINT_SCORE_MIN = 0.3
DUPLICATE_SIMILARITY = 0.8  # OKS above which two detections are one person
DUPLICATE_FRACTION = 5 / COCO_KEYPOINTS  # on at least this share of the keypoints
OVERLAPPING_MIN, OVERLAPPING_SIMILARITY = 0.45, 0.5  # where boxes have this IoU, this OKS is enough
PART_MIN = 0.7  # share of a box without a pose that lies in that of a better person
# Of the root of the area: farther apart no single keypoint is alike enough. Source: the OKS solved for the distance.
DUPLICATE_REACH = 1.01 * 2 * KEYPOINT_SIGMAS.max() * np.sqrt(-2 * np.log(OVERLAPPING_SIMILARITY))
PAIRS_AT_ONCE = 2**16  # of two people; what is computed for each takes about 1 KB
SMALL_PAIRS_MAX = 2**14  # of rows and columns, up to which one table is faster than groups
TABLE_PAIRS_MAX = 2**20  # a larger group is assigned without a table of all its pairs


@dataclass(frozen=True, slots=True)
class Pairs(Shaped):
    """Who may be who, and what that costs; all other pairs cannot be."""

    rows: Annotated[np.ndarray, "P"]  # int
    columns: Annotated[np.ndarray, "P"]  # int
    costs: Annotated[np.ndarray, "P"]  # float64, finite


def row_blocks(row_count: int, column_count: int) -> Iterator[slice]:
    """Split rows into blocks of `PAIRS_AT_ONCE` pairs, so that memory does not grow with the square of a crowd."""
    size = max(1, PAIRS_AT_ONCE // max(1, column_count))
    for start in range(0, row_count, size):
        yield slice(start, min(start + size, row_count))


def box_overlaps(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """Return the IoU (A, B) of boxes (A, 4) and (B, 4); 0 where a box is NaN."""
    shared = _intersections(first_xyxy, second_xyxy)
    united = _areas(first_xyxy)[:, None] + _areas(second_xyxy)[None] - shared
    return np.nan_to_num(shared / np.maximum(united, 1e-9), nan=0.0)


def covered_fractions(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Return for each box (N, 4) the share that the one nearer box which covers most of it covers, (N,) 0 to 1.

    Whose box ends lower in the image is nearer to the camera.
    """
    areas, fractions = _areas(boxes_xyxy), np.zeros(len(boxes_xyxy))
    for block in row_blocks(len(boxes_xyxy), len(boxes_xyxy)):
        shared = _intersections(boxes_xyxy[block], boxes_xyxy)
        shared[boxes_xyxy[block, 3:] >= boxes_xyxy[None, :, 3]] = 0.0
        fractions[block] = shared.max(axis=1) / np.maximum(areas[block], 1e-9)
    return fractions


def keypoint_similarities(
    first: np.ndarray, second: np.ndarray, areas_px: np.ndarray, spread: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the OKS (P,) of pairs of keypoints (P, 17, 3) and (P, 17, 3), and the share of keypoints it rests on (P,).

    Args:
        areas_px: (P,) area of the first people, in square pixels.
        spread: widens the tolerance; people move between frames.

    Source: COCO object keypoint similarity, over keypoints that are confident in both.
    """
    both = (first[..., 2] >= KEYPOINT_SCORE_MIN) & (second[..., 2] >= KEYPOINT_SCORE_MIN)
    squared = ((first[..., :2].astype(np.float64) - second[..., :2]) ** 2).sum(axis=-1)
    variance = (2 * spread * KEYPOINT_SIGMAS) ** 2 * np.maximum(areas_px, 1.0)[..., None]
    similarity = np.where(both, np.exp(-squared / (2 * variance)), 0.0).sum(axis=-1)
    count = both.sum(axis=-1)
    return similarity / np.maximum(count, 1), count / both.shape[-1]


def assign(costs: np.ndarray, cost_max: float) -> list[tuple[int, int]]:
    """Return what `assign_pairs` does, of a table of costs (A, B); an infinite one is never chosen."""
    rows, columns = np.nonzero(costs <= cost_max)
    return assign_pairs(Pairs(rows, columns, costs[rows, columns]), cost_max)


def assign_pairs(pairs: Pairs, cost_max: float) -> list[tuple[int, int]]:
    """Return (row, column) pairs of least total cost, by row; to leave a pair out costs `cost_max`.

    So a match that is certain is not given up for two that are poor. People who have no possible partner in common are
    assigned apart: the answer is the same, and a crowd takes no table of everybody against everybody.
    """
    is_possible = pairs.costs <= cost_max
    rows, columns, costs = pairs.rows[is_possible], pairs.columns[is_possible], pairs.costs[is_possible]
    row_names, row = np.unique(rows, return_inverse=True)
    column_names, column = np.unique(columns, return_inverse=True)
    if len(row_names) * len(column_names) <= SMALL_PAIRS_MAX:
        chosen = _choose(rows, columns, costs, cost_max).tolist() if len(rows) else []
        return sorted((int(rows[edge]), int(columns[edge])) for edge in chosen)
    size = len(row_names) + len(column_names)
    edges = coo_array((np.ones(len(row), np.int8), (row, column + len(row_names))), shape=(size, size))
    group = connected_components(edges, directed=False)[1][row]
    order = np.argsort(group, kind="stable")
    chosen = []
    for edge in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        kept = edge[_choose(row[edge], column[edge], costs[edge], cost_max)] if len(edge) > 1 else edge
        chosen += kept.tolist()
    return sorted((int(rows[edge]), int(columns[edge])) for edge in chosen)


def _choose(rows: np.ndarray, columns: np.ndarray, costs: np.ndarray, cost_max: float) -> np.ndarray:
    """Return which of the pairs (P,) are chosen."""
    row_names, row = np.unique(rows, return_inverse=True)
    column_names, column = np.unique(columns, return_inverse=True)
    height, width = len(row_names), len(column_names)
    if height * width <= TABLE_PAIRS_MAX:
        table, edge_of = np.full((height, width), cost_max), np.full((height, width), -1)
        table[row, column], edge_of[row, column] = costs, np.arange(len(costs))
        edges = edge_of[linear_sum_assignment(table)]
        return edges[edges >= 0]
    # Each row has an extra column, which stands for nobody. One is added, as a weight of 0 is no edge.
    nobody = np.arange(height)
    weights = np.concatenate([costs, np.full(height, cost_max)]) + 1.0
    places = np.concatenate([row, nobody]), np.concatenate([column, width + nobody])
    found = min_weight_full_bipartite_matching(csr_array((weights, places), shape=(height, width + height)))[1]
    return np.flatnonzero(found[row] == column)


def without_duplicates(people: Detections) -> Detections:
    """Return the people, best first, without those who are found once more.

    Duplicates have the keypoints of a better one, the more alike the less their boxes overlap, or hardly any keypoints
    and a box that is part of a better one's, as detectors find in limbs.
    """
    people = select_detections(people, np.argsort(-people.scores, kind="stable"))
    boxes, sides = people.boxes_xyxy, people.boxes_xyxy[:, 2:] - people.boxes_xyxy[:, :2]
    areas = sides[:, 0] * sides[:, 1]
    extents = _keypoint_extents(people.keypoints)
    reach = DUPLICATE_REACH * np.sqrt(np.maximum(areas, 1.0))[:, None] * np.array([-1, -1, 1, 1])
    has_pose = (people.keypoints[..., 2] >= KEYPOINT_SCORE_MIN).mean(axis=1) >= DUPLICATE_FRACTION
    is_kept = np.ones(len(people), bool)
    for block in row_blocks(len(people), len(people)):
        better = slice(0, block.stop)
        is_near = _meet(extents[block] + reach[block], extents[better]) & has_pose[block, None]
        is_bare = ~has_pose[block, None] & has_pose[None, better] & _meet(boxes[block], boxes[better])
        row, column = np.nonzero(is_near | is_bare)
        row += block.start
        is_open = (column < row) & is_kept[column]
        row, column = row[is_open], column[is_open]
        is_same = _are_same(people, areas, row, column, has_pose[row])
        for worse, best in zip(row[is_same].tolist(), column[is_same].tolist(), strict=True):
            is_kept[worse] &= not is_kept[best]
    return select_detections(people, is_kept)


def _are_same(
    people: Detections, areas: np.ndarray, row: np.ndarray, column: np.ndarray, has_pose: np.ndarray
) -> np.ndarray:
    """Return whether (P,) each worse person, in `row`, is the better one, in `column`, once more."""
    boxes = people.boxes_xyxy
    low, high = np.maximum(boxes[row, :2], boxes[column, :2]), np.minimum(boxes[row, 2:], boxes[column, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=1)
    alike_min = np.where(
        shared >= OVERLAPPING_MIN * (areas[row] + areas[column] - shared), OVERLAPPING_SIMILARITY, DUPLICATE_SIMILARITY
    )
    is_alike = has_pose.copy()
    for first, second in ((row, column), (column, row)):  # alike by the area of either
        similarity, fraction = keypoint_similarities(people.keypoints[first], people.keypoints[second], areas[first])
        is_alike &= (similarity >= alike_min) & (fraction >= DUPLICATE_FRACTION)
    return np.asarray(is_alike | (~has_pose & (shared >= PART_MIN * areas[row])))


def _keypoint_extents(keypoints: np.ndarray) -> np.ndarray:
    """Return boxes (N, 4) float64 round the confident keypoints (N, 17, 3); an empty one where there are none."""
    is_sure = keypoints[..., 2:] >= KEYPOINT_SCORE_MIN
    low = np.where(is_sure, keypoints[..., :2], np.inf).min(axis=1)
    high = np.where(is_sure, keypoints[..., :2], -np.inf).max(axis=1)
    return np.concatenate([low, high], axis=1).astype(np.float64)


def _meet(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """Return (A, B), whether boxes (A, 4) and (B, 4) have a point in common."""
    first, second = first_xyxy.T[:, :, None], second_xyxy.T[:, None]
    is_before = (first[0] <= second[2]) & (first[1] <= second[3])
    return np.asarray(is_before & (first[2] >= second[0]) & (first[3] >= second[1]))


def _areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0).astype(np.float64)
    return sides[:, 0] * sides[:, 1]


def _intersections(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    first, second = first_xyxy.T[:, :, None], second_xyxy.T[:, None]
    width, height = (
        np.maximum(np.minimum(first[k + 2], second[k + 2]) - np.maximum(first[k], second[k]), 0).astype(np.float64)
        for k in (0, 1)
    )
    return np.asarray(width * height)
