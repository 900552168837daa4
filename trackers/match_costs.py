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
    for block in row_blocks(len(known), len(people)):
        unit = np.maximum(heights[block, None], found_heights[None])[..., None] ** 2
        spread = variances[block, None] / unit + deviations[None] ** 2
        squares = (expected[block, None] - found[None]) ** 2 / (unit * spread)
        place = 0.5 * (TAIL + 3.0) * np.log1p(squares @ WEIGHTS / TAIL) + 0.5 * np.log(spread / UNIT**2) @ WEIGHTS
        row, column = np.nonzero(place <= cost_max + POSE_WEIGHT)
        costs, row = place[row, column], row + block.start
        similarity, fraction = keypoint_similarities(poses[row], people.keypoints[column], areas[row], POSE_SPREAD)
        costs += weights[row] * fraction * (1.0 - 2.0 * similarity)
        is_possible = costs <= cost_max
        parts.append((row[is_possible], column[is_possible], costs[is_possible]))
    rows, columns, all_costs = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Pairs(rows, columns, all_costs)
