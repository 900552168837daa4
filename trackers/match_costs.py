"""What it costs that a detection goes on with somebody known: how unlikely its place and pose are."""

import numpy as np

from trackers.association import Pairs, keypoint_similarities, row_blocks
from trackers.kalman import SIZE_MIN_PX, measures, state_boxes
from trackers.known_people import KnownPeople
from trackers.types import Detections

# Set on simulated crowds of seeds 11 to 14 and 31 to 34.
TAIL = 10.0  # degrees of freedom of Student's t: fewer forgive more
UNIT = 0.02  # heights: somebody found there, whose place is known that well, costs nothing for any of the four numbers
WIDTH_WEIGHT = 0.25  # arms and legs change the width of a box more than noise does
POSE_WEIGHT = 1.5  # of a pose that is quite alike, or quite another, where all of it is seen and fresh
POSE_MEMORY_S = 1.0  # a pose seen this long ago counts for 1/e
POSE_SPREAD = 1.5  # limbs move between two frames
WEIGHTS = np.array([1.0, 1.0, 1.0, WIDTH_WEIGHT])


def match_costs(
    known: KnownPeople, people: Detections, deviations: np.ndarray, time_s: float, cost_max: float
) -> Pairs:
    """Return who may be who, at a cost up to `cost_max`: minus the logarithm of a likelihood.

    Place and size are distributed by Student's t round the expected ones, in heights of the person, so that whoever is
    uncertain costs more than whoever is expected there; a pose adds or takes at most `POSE_WEIGHT`.

    Args:
        deviations: (N, 4) of the detections, as of `measure_deviations`.
        time_s: of the detections.
    """
    found, expected = measures(people.boxes_xyxy), known.means[..., 0]
    found_heights = np.maximum(found[:, 2] - found[:, 1], SIZE_MIN_PX)
    heights, variances = known.states.heights_px, known.covariances[..., 0, 0]
    boxes = state_boxes(known.states)
    poses, areas = known.poses_in(boxes), (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    weights = POSE_WEIGHT * np.exp((known.seen_s - time_s) / POSE_MEMORY_S)
    parts = []
    # What the three other numbers take off a cost at most: they are known as well as the best of all detections.
    spared = 0.5 * np.log(deviations.min(axis=0) ** 2 / UNIT**2)[1:] @ WEIGHTS[1:]
    for block in row_blocks(len(known), len(people)):
        units = np.maximum(heights[block, None], found_heights[None]) ** 2
        across = _place_costs(
            (expected[block, :1] - found[None, :, 0])[..., None] ** 2 / units[..., None],
            variances[block, :1, None] / units[..., None] + deviations[None, :, :1] ** 2,
        )
        row, column = np.nonzero(across + spared <= cost_max + POSE_WEIGHT)
        unit, row = units[row, column, None], row + block.start
        squares = (expected[row] - found[column]) ** 2 / unit
        costs = _place_costs(squares, variances[row] / unit + deviations[column] ** 2)
        is_near = costs <= cost_max + POSE_WEIGHT
        row, column, costs = row[is_near], column[is_near], costs[is_near]
        similarity, fraction = keypoint_similarities(poses[row], people.keypoints[column], areas[row], POSE_SPREAD)
        costs += weights[row] * fraction * (1.0 - 2.0 * similarity)
        is_possible = costs <= cost_max
        parts.append((row[is_possible], column[is_possible], costs[is_possible]))
    rows, columns, all_costs = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Pairs(rows, columns, all_costs)


def _place_costs(squares: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the costs (...) of squared distances (..., K) in heights, given their variances (..., K)."""
    weights = WEIGHTS[: squares.shape[-1]]
    tail = np.log1p((squares / spread) @ weights / TAIL)
    return np.asarray(0.5 * (TAIL + 3.0) * tail + 0.5 * np.log(spread / UNIT**2) @ weights)
