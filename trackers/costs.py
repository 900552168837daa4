"""How likely a detection continues a track: log-odds of place, size, pose, time out of sight and appearance.

A logistic regression, fitted to simulated crowds: `python -m trackers.bench.fit`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from trackers.association import KEYPOINT_SCORE_MIN, Pairs, buffered_overlaps, row_blocks
from trackers.box_states import state_boxes
from trackers.known import Known
from trackers.types import Detections

# How much each keypoint says of where the body is: head and trunk move with it, hands and feet on their own.
RIGID = np.array([1, 0.7, 0.7, 0.7, 0.7, 1, 1, 0.3, 0.3, 0.1, 0.1, 0.8, 0.8, 0.3, 0.3, 0.1, 0.1])
POINTS_FULL = 3.0  # sum of `RIGID` from which keypoints say surely where a body is
OUTLIER = 0.1  # heights: points this far from the others count half
POINT_SIGMA, BOX_SIGMA = 0.03, 0.06  # heights, of a body placed by its keypoints, and of an edge of its box
NEAR_SIGMA, CLOSE_SIGMA = 0.04, 0.06  # heights
SIZE_SIGMA = 0.06  # of the logarithm of the height
POSE_SIGMA = 0.05  # heights, of keypoints about the body, from frame to frame
FRESH_S = 0.3  # of what was seen this long ago 37 % count as just seen
REACH_MIN, REACH_SIGMAS, REACH_MAX = 0.15, 2.0, 1.5  # how far a box is grown to meet another, in its own sides
SIZE_RATIO_MAX = 2.0
APPEARANCE_WEIGHT = 8.0  # log-odds, of a cosine distance of 1
APPEARANCE_MIDDLE = 0.3  # cosine distance that speaks neither for nor against
COST_EVEN = 30.0  # of a pair that is as likely as not
WEIGHTS_PATH = Path(__file__).with_name("data") / "association.json"


@dataclass(slots=True)
class Expected:
    """Where tracks should be now."""

    boxes_xyxy: np.ndarray  # (N, 4)
    keypoints: np.ndarray  # (N, 17, 3) as last seen, carried along with the box
    variance: np.ndarray  # (N, 2) of the centre, in square heights
    unseen_s: np.ndarray  # (N,)
    appearance: np.ndarray  # (N, D)


def expect(known: Known, time_s: float) -> Expected:
    """Return where tracks are expected."""
    boxes = state_boxes(known.states)
    height = np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    return Expected(
        boxes,
        carried_points(known.keypoints, known.seen_means, known.states.means),
        known.states.covariances[:, 0, :2] / height[:, None] ** 2,
        time_s - known.seen_s,
        known.appearance,
    )


def carried_points(keypoints: np.ndarray, before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return keypoints (N, 17, 3), carried along from centres and sizes (N, 4 or more) to others."""
    scale = now[:, None, 3:4] / np.maximum(before[:, None, 3:4], 1.0)
    points = (keypoints[..., :2] - before[:, None, :2]) * scale + now[:, None, :2]
    return np.concatenate([points, keypoints[..., 2:]], axis=-1)


def body_shifts(
    expected: np.ndarray, found: np.ndarray, heights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of pairs of keypoints (P, 17, 3) how far the body moved (P, 2), how sure that is (P,), and the rest (P,).

    Lengths are in `heights` (P,). How sure is 0 without a keypoint that both have, and 1 where head and trunk are
    there. The rest is how much the keypoints moved about the body: the mean logarithm of their distances over
    `POSE_SIGMA`.
    """
    both = (expected[..., 2] >= KEYPOINT_SCORE_MIN) & (found[..., 2] >= KEYPOINT_SCORE_MIN)
    moved = (found[..., :2] - expected[..., :2]) / heights[:, None, None]
    weight = RIGID * both
    total = weight.sum(axis=1)
    shift = np.einsum("pk,pkc->pc", weight, moved) / np.maximum(total, 1e-9)[:, None]
    for _ in range(2):  # points that are off, as on somebody else, count less
        away = ((moved - shift[:, None]) ** 2).sum(axis=-1)
        sure = weight / (1 + away / OUTLIER**2)
        shift = np.einsum("pk,pkc->pc", sure, moved) / np.maximum(sure.sum(axis=1), 1e-9)[:, None]
    away = ((moved - shift[:, None]) ** 2).sum(axis=-1)
    odd = np.where(both, np.log1p(away / POSE_SIGMA**2 / 2), 0.0).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
    return shift, np.minimum(total / POINTS_FULL, 1.0), odd


def pair_costs(
    expected: Expected,
    people: Detections,
    covered: np.ndarray,
    appearance: np.ndarray | None,
    log_odds_min: float,
) -> Pairs:
    """Return who may be who, at a cost of `COST_EVEN` less the log-odds that it is the same person, 0 at least.

    Args:
        covered: (M,) share of each person's box that others cover.
        appearance: (M, D) of the people, rows of length 1 or NaN; None = not looked for.
        log_odds_min: pairs below it cannot be.
    """
    parts = []
    for row, column, features in pair_blocks(expected, people, covered):
        odds = features @ _weights()
        if appearance is not None and expected.appearance.shape[1]:
            alike = (expected.appearance[row] * appearance[column]).sum(axis=1)
            odds += np.nan_to_num(APPEARANCE_WEIGHT * (alike - 1 + APPEARANCE_MIDDLE))
        is_possible = odds >= log_odds_min
        costs = np.maximum(COST_EVEN - odds[is_possible], 0.0)
        parts.append((row[is_possible], column[is_possible], costs))
    rows, columns, all_costs = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Pairs(rows, columns, all_costs)


def pair_blocks(
    expected: Expected, people: Detections, covered: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield tracks (P,), people (P,) and features (P, F) of pairs near each other, some rows of tracks at a time."""
    found = people.boxes_xyxy.astype(np.float64)
    size = expected.boxes_xyxy[:, 2:] - expected.boxes_xyxy[:, :2]
    heights, found_heights = np.maximum(size[:, 1], 1.0), np.maximum(found[:, 3] - found[:, 1], 1.0)
    reach = np.minimum(REACH_MIN + REACH_SIGMAS * np.sqrt(expected.variance.max(axis=1, initial=0.0)), REACH_MAX)
    for block in row_blocks(len(expected.unseen_s), len(people)):
        overlaps = buffered_overlaps(expected.boxes_xyxy[block], found, reach[block])
        ratio = heights[block, None] / found_heights[None]
        row, column = np.nonzero((overlaps > 0) & (ratio <= SIZE_RATIO_MAX) & (ratio >= 1 / SIZE_RATIO_MAX))
        row = row + block.start
        yield row, column, _features(expected, people, covered, heights, row, column)


@cache
def _weights() -> np.ndarray:
    """Return the weights (F,) of the features, as `python -m trackers.bench.fit` found them."""
    return np.array(json.loads(WEIGHTS_PATH.read_text())["weights"], np.float64)


def _features(
    expected: Expected,
    people: Detections,
    covered: np.ndarray,
    heights: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
) -> np.ndarray:
    """Return (P, F) of pairs; lengths are heights of the person, squares are relative to what is to be expected.

    They are given by themselves, for tracks just seen, and for people without keypoints, so that each counts as much as
    it is worth there.
    """
    height, unseen_s = heights[row, None], expected.unseen_s[row]
    boxes, found = expected.boxes_xyxy[row], people.boxes_xyxy[column].astype(np.float64)
    variance, hidden = expected.variance[row], covered[column]
    shift, points, odd = body_shifts(expected.keypoints[row], people.keypoints[column], height[:, 0])
    pose = points * odd
    points = points * np.exp(-odd)  # of a pose that is quite another one, perhaps a wrong one, the box says more
    squared = (shift**2).sum(axis=1)
    edges = ((found - boxes) / height) ** 2 / (np.tile(variance, 2) + BOX_SIGMA**2)
    sides, top, bottom = np.log1p(edges[:, [0, 2]]), np.log1p(edges[:, 1]), np.log1p(edges[:, 3])
    size = np.log1p((np.log(np.maximum(found[:, 3] - found[:, 1], 1.0) / height[:, 0]) / SIZE_SIGMA) ** 2)
    overlap = _overlaps(boxes, found)
    first = [
        np.ones(len(row)),
        points * np.log1p((shift**2 / (variance + POINT_SIGMA**2)).sum(axis=1) / 4),
        points * np.log1p(squared / NEAR_SIGMA**2),
        points * np.exp(-squared / (2 * CLOSE_SIGMA**2)),
        points,
        pose,
        *(sides.min(axis=1), sides.max(axis=1), top, bottom, overlap, size),
    ]
    rest = [
        np.log(variance.mean(axis=1) + POINT_SIGMA**2),
        *(hidden, hidden * overlap, hidden * bottom, hidden * size),
        people.scores[column].astype(np.float64),
    ]
    base, fresh = np.stack([*first, *rest], axis=1), np.exp(-unseen_s / FRESH_S)[:, None]
    pointless = (1 - points[:, None]) * base[:, : len(first)]
    return np.concatenate([base, fresh * base, pointless, np.stack([unseen_s, np.sqrt(unseen_s)], axis=1)], axis=1)


def _overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the IoU (P,) of pairs of boxes (P, 4)."""
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    united = (first[:, 2:] - first[:, :2]).prod(axis=1) + (second[:, 2:] - second[:, :2]).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(united, 1e-9))
