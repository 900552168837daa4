"""The flip test: merges the detections in an image and in its mirror image, whose errors differ.

A network that confuses left and right in one of the two gives the same limbs swapped names. Their mean by name would
lie between the legs, so the two estimates are matched limb by limb before they are averaged.
"""

from itertools import product

import numpy as np

from configs.skeletons import MIRRORED_17
from trackers.association import assign, box_overlaps
from trackers.types import COCO_KEYPOINTS

LIMBS = (((1, 2), (3, 4)), ((5, 6), (7, 8), (9, 10)), ((11, 12), (13, 14), (15, 16)))
"""Left and right keypoints of the face, the arms and the legs, from the trunk outwards."""
CHAINS = tuple((np.array(limb), np.array(list(product((False, True), repeat=len(limb))))) for limb in LIMBS)
"""The same, with all combinations of swapped pairs of a limb, the one without swaps first."""
OVERLAP_MIN = 0.5  # IoU from which two boxes are one person
APART_MAX = 0.08  # fraction of the box's longer side: keypoints farther apart do not measure the same point
DIFFERENCE = 0.015  # of the same, per axis: standard deviation of two measurements of one point
EXCHANGE_COST = 1.5  # in log-likelihood, for each change between swapped and unswapped along a limb
CLOSER_MAX = 0.02  # of the same: largest loss of left-right distance in a mean,
CLOSER_RATIO_MAX = 0.3  # or as a fraction of that distance
DOUBT = 0.5  # confidence factor where the two disagree on the position
SIDE_DOUBT = 0.7  # the same, on left and right only
CLEAR = 2.0  # in log-likelihood: how much better one assignment must fit the previous frame to be certain


def unflip(people: np.ndarray, width_px: int) -> np.ndarray:
    """Return people (N, 6 + 17 * 3), detected in a mirrored image of this width, in the coordinates of the original."""
    back = people.copy()
    back[:, [0, 2]] = width_px - people[:, [2, 0]]
    keypoints = people[:, 6:].reshape(-1, COCO_KEYPOINTS, 3)[:, MIRRORED_17].copy()
    keypoints[..., 0] = width_px - keypoints[..., 0]
    back[:, 6:] = keypoints.reshape(back[:, 6:].shape)
    return back


def merge_flipped(people: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return people (N, 6 + 17 * 3) as box, score, class, keypoints, merged with the detections of the mirrored image.

    Boxes and scores are averaged. Keypoints: see `merge_keypoints`. People without a match stay as in the first array.
    The second result (N, 17) bool marks keypoints of which the two swap left and right.

    Args:
        others: (M, 6 + 17 * 3) of the mirrored image, see `unflip`.
    """
    joined = people.copy()
    is_disputed = np.zeros((len(people), COCO_KEYPOINTS), bool)
    for row, column in assign(1.0 - box_overlaps(people[:, :4], others[:, :4]), 1.0 - OVERLAP_MIN):
        joined[row, :5] = 0.5 * (people[row, :5] + others[column, :5])
        pair = np.stack([people[row, 6:], others[column, 6:]]).reshape(2, COCO_KEYPOINTS, 3)
        side = (people[row, 2:4] - people[row, :2]).max()
        keypoints, is_disputed[row] = merge_keypoints(pair, side)
        joined[row, 6:] = keypoints.ravel()
    return joined, is_disputed


def merge_keypoints(pair: np.ndarray, side_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return keypoints (17, 3) merged from two estimates (2, 17, 3), and whose sides are disputed (17,) bool.

    Where left and right are exchanged between the two, the second's are exchanged back first. What then lies together
    becomes the mean weighted by confidence; of a limb under disputed names, under the names of the estimate that is
    surer of all disputed limbs, at less confidence. Elsewhere the surer one counts, at half its confidence: where the
    two lie apart, and where a mean would bring left and right together.

    Args:
        side_px: longer side of the person's box.
    """
    side = max(float(side_px), 1e-6)
    is_exchanged = find_exchanged(pair, side)
    second = exchange_sides(pair[1], is_exchanged)
    joined = _merge_positions(np.stack([pair[0], second]), is_exchanged, side)
    if is_exchanged.any() and pair[1, is_exchanged, 2].sum() > pair[0, is_exchanged, 2].sum():
        joined = exchange_sides(joined, is_exchanged)
    return joined, is_exchanged


def exchange_sides(keypoints: np.ndarray, is_exchanged: np.ndarray) -> np.ndarray:
    """Return keypoints (17, 3) in which those marked (17,), always both of a pair, have left and right exchanged."""
    return np.where(is_exchanged[:, None], keypoints[list(MIRRORED_17)], keypoints)


def follow_sides(keypoints: np.ndarray, is_disputed: np.ndarray, expected: np.ndarray, side_px: float) -> np.ndarray:
    """Return keypoints (17, 3) in which disputed limbs have the sides that continue the motion.

    Where these are clear, the limb is again as sure as it was seen, but not surer than in the frame before.

    Args:
        is_disputed: (17,) of which keypoints left and right are open, see `merge_keypoints`; others keep their names.
        expected: (17, 3) of the same person, from the frame before.
        side_px: longer side of the person's box.
    """
    if not is_disputed.any():
        return keypoints
    kept, crossed = _costs(np.stack([expected, keypoints]), max(float(side_px), 1e-6))
    is_exchanged, is_clear = np.zeros((2, COCO_KEYPOINTS), bool)
    for limb, _ in CHAINS:
        open_ones = limb[is_disputed[limb]]
        gain = kept[open_ones].sum() - crossed[open_ones].sum()
        is_exchanged[open_ones], is_clear[open_ones] = gain > 0.0, abs(gain) >= CLEAR
    named = exchange_sides(keypoints, is_exchanged)
    certain = np.maximum(named[:, 2], np.minimum(named[:, 2] / SIDE_DOUBT, expected[:, 2]))
    named[:, 2] = np.where(is_clear, certain, named[:, 2])
    return named


def find_exchanged(pair: np.ndarray, side_px: float) -> np.ndarray:
    """Return which keypoints (17,) bool of the second of two estimates (2, 17, 3) lie at the first's other side.

    For every limb, the likeliest of all ways in which joints from the trunk outwards can be exchanged: distances
    between the two are normal with `DIFFERENCE`, up to `APART_MAX`, and count as far as both are sure.
    """
    kept, crossed = _costs(pair, side_px)
    exchanged = np.zeros(COCO_KEYPOINTS, bool)
    for chain, options in CHAINS:
        costs = np.where(options, crossed[chain].sum(axis=1), kept[chain].sum(axis=1)).sum(axis=1)
        changes = np.diff(options, axis=1, prepend=False).sum(axis=1)
        exchanged[chain] = options[(costs + EXCHANGE_COST * changes).argmin()][:, None]
    return exchanged


def _costs(pair: np.ndarray, side_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what each keypoint (17,) costs, named alike in two estimates (2, 17, 3) and exchanged: -log likelihood."""
    sure = pair[..., 2].min(axis=0)
    sure = np.minimum(sure, sure[list(MIRRORED_17)])
    kept, crossed = (
        np.minimum(np.linalg.norm(pair[0, :, :2] - other, axis=-1) / side_px, APART_MAX)
        for other in (pair[1, :, :2], pair[1, MIRRORED_17, :2])
    )
    return sure * kept**2 / (2.0 * DIFFERENCE**2), sure * crossed**2 / (2.0 * DIFFERENCE**2)


def _merge_positions(pair: np.ndarray, is_disputed: np.ndarray, side_px: float) -> np.ndarray:
    """Return (17, 3) of two estimates (2, 17, 3) in which keypoints of one name are of one side."""
    sure = pair[..., 2]
    weight = sure / np.maximum(sure.sum(axis=0), 1e-6)
    positions = (weight[..., None] * pair[..., :2]).sum(axis=0)
    doubt = np.where(is_disputed, SIDE_DOUBT, 1.0)
    mean = np.concatenate([positions, (doubt * sure.mean(axis=0))[:, None]], axis=-1)
    is_same_position = np.linalg.norm(pair[0, :, :2] - pair[1, :, :2], axis=-1) <= APART_MAX * side_px
    is_same_position &= ~_is_distance_lost(pair[..., :2], positions, side_px)
    total = sure + sure[:, MIRRORED_17]  # both joints of a pair come from one estimate: two legs, not one twice
    surer = np.where((total[0] >= total[1])[:, None], pair[0], pair[1]) * np.array([1.0, 1.0, DOUBT])
    return np.where(is_same_position[:, None], mean, surer)


def _is_distance_lost(pair: np.ndarray, mean: np.ndarray, side_px: float) -> np.ndarray:
    """Return where (17,) the mean (17, 2) of two estimates (2, 17, 2) loses the distance between left and right."""
    widest = np.linalg.norm(pair - pair[:, MIRRORED_17], axis=-1).max(axis=0)
    lost = widest - np.linalg.norm(mean - mean[list(MIRRORED_17)], axis=-1)
    return lost > np.maximum(CLOSER_MAX * side_px, CLOSER_RATIO_MAX * widest)
