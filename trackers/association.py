"""Which detection continues which track: costs from boxes and keypoints, and the assignment of least cost."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from trackers.types import COCO_KEYPOINTS, Detections, select_detections

# Spread of each keypoint relative to sqrt(area). Source: COCO keypoint evaluation (cocoapi, cocoeval.py).
KEYPOINT_SIGMAS = np.array(
    [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
) / np.float64(10.0)
KEYPOINT_SCORE_MIN = 0.3
DUPLICATE_SIMILARITY = 0.8  # OKS above which two detections are one person
DUPLICATE_SHARE = 5 / COCO_KEYPOINTS  # on at least this share of the keypoints


def box_overlaps(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """Return the IoU (A, B) of boxes (A, 4) and (B, 4); 0 where a box is NaN."""
    shared = _intersections(first_xyxy, second_xyxy)
    united = _areas(first_xyxy)[:, None] + _areas(second_xyxy)[None] - shared
    return np.nan_to_num(shared / np.maximum(united, 1e-9), nan=0.0)


def covered_shares(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Return for each box (N, 4) the share that the one box which covers most of it covers, (N,) 0 to 1."""
    if len(boxes_xyxy) < 2:
        return np.zeros(len(boxes_xyxy))
    shared = _intersections(boxes_xyxy, boxes_xyxy)
    np.fill_diagonal(shared, 0.0)
    return shared.max(axis=1) / np.maximum(_areas(boxes_xyxy), 1e-9)


def buffered(boxes_xyxy: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    """Return boxes (N, 4) grown by `share` of their size on every side, so that fast people still overlap themselves.

    Source: C-BIoU tracker (arXiv 2211.14317), the buffered IoU.
    """
    size = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    grow = size * np.reshape(share, (-1, 1))
    return np.concatenate([boxes_xyxy[:, :2] - grow, boxes_xyxy[:, 2:] + grow], axis=1)


def box_around(points: np.ndarray, margin_share: float) -> np.ndarray:
    """Return the box (4,) round points (N, 2), grown by a share of its longer side, and by a pixel at least."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.maximum(margin_share * (high - low).max(), 1.0)
    return np.concatenate([low - margin, high + margin])


def keypoint_similarities(
    first: np.ndarray, second: np.ndarray, areas_px: np.ndarray, spread: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the OKS (A, B) of keypoints (A, 17, 3) and (B, 17, 3), and the share of keypoints it rests on (A, B).

    Args:
        areas_px: (A,) area of the first people, in square pixels.
        spread: widens the tolerance; people move between frames.

    Source: COCO object keypoint similarity, over keypoints that are confident in both.
    """
    both = (first[:, None, :, 2] >= KEYPOINT_SCORE_MIN) & (second[None, :, :, 2] >= KEYPOINT_SCORE_MIN)
    squared = ((first[:, None, :, :2].astype(np.float64) - second[None, :, :, :2]) ** 2).sum(axis=-1)
    variance = (2 * spread * KEYPOINT_SIGMAS) ** 2 * np.maximum(areas_px, 1.0)[:, None, None]
    similarity = np.where(both, np.exp(-squared / (2 * variance)), 0.0).sum(axis=-1)
    count = both.sum(axis=-1)
    return similarity / np.maximum(count, 1), count / both.shape[-1]


def assign(costs: np.ndarray, cost_max: float) -> list[tuple[int, int]]:
    """Return (row, column) pairs of least total cost, by row; to leave a pair out costs `cost_max`.

    So a match that is certain is not given up for two that are poor.

    Args:
        costs: (A, B); an infinite one is never chosen.
    """
    if costs.size == 0:
        return []
    rows, columns = linear_sum_assignment(np.minimum(costs, cost_max))
    return [
        (int(row), int(column)) for row, column in zip(rows, columns, strict=True) if costs[row, column] <= cost_max
    ]


def without_duplicates(people: Detections) -> Detections:
    """Return the people, best first, without those whose keypoints are those of a better one."""
    people = select_detections(people, np.argsort(-people.scores, kind="stable"))
    if len(people) < 2:
        return people
    sides = people.boxes_xyxy[:, 2:] - people.boxes_xyxy[:, :2]
    similarity, share = keypoint_similarities(people.keypoints, people.keypoints, sides[:, 0] * sides[:, 1])
    is_same = (np.minimum(similarity, similarity.T) >= DUPLICATE_SIMILARITY) & (share >= DUPLICATE_SHARE)
    kept: list[int] = []
    for row in range(len(people)):
        if not any(is_same[row, better] for better in kept):
            kept.append(row)
    return select_detections(people, kept)


def _areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0).astype(np.float64)
    return sides[:, 0] * sides[:, 1]


def _intersections(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    low = np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    high = np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    sides = np.maximum(high - low, 0).astype(np.float64)
    return sides[..., 0] * sides[..., 1]
