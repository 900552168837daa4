"""Two looks at a picture, as it is and in a mirror, made into one: a detector errs differently in each."""

import numpy as np

from trackers.association import assign, box_overlaps
from trackers.types import COCO_KEYPOINTS

MIRRORED_KEYPOINTS = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
OVERLAP_MIN = 0.5  # IoU from which two boxes are one person
APART_MAX = 0.08  # of the box's longer side: keypoints farther apart are not two measurements of one place
DOUBT = 0.5  # what is left of the confidence where the looks disagree


def mirrored_back(people: np.ndarray, width_px: int) -> np.ndarray:
    """Return people (N, 6 + 17 * 3), found in the mirror image of a picture that wide, as they lie in the picture."""
    back = people.copy()
    back[:, [0, 2]] = width_px - people[:, [2, 0]]
    keypoints = people[:, 6:].reshape(-1, COCO_KEYPOINTS, 3)[:, MIRRORED_KEYPOINTS].copy()
    keypoints[..., 0] = width_px - keypoints[..., 0]
    back[:, 6:] = keypoints.reshape(back[:, 6:].shape)
    return back


def join_looks(people: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return people (N, 6 + 17 * 3) as box, score, class, keypoints, each with what a second look says of it.

    Boxes and scores become the mean, keypoints the mean weighted by confidence; where the looks disagree on a keypoint,
    the surer one counts, at half its confidence. Whom only one look sees stays or goes as in the first.

    Args:
        others: (M, 6 + 17 * 3) of the second look.
    """
    joined = people.copy()
    for row, column in assign(1.0 - box_overlaps(people[:, :4], others[:, :4]), 1.0 - OVERLAP_MIN):
        joined[row, :5] = 0.5 * (people[row, :5] + others[column, :5])
        pair = np.stack([people[row, 6:], others[column, 6:]]).reshape(2, COCO_KEYPOINTS, 3)
        side = (people[row, 2:4] - people[row, :2]).max()
        joined[row, 6:] = _join_keypoints(pair, APART_MAX * side).ravel()
    return joined


def _join_keypoints(pair: np.ndarray, apart_max: float) -> np.ndarray:
    """Return (17, 3) of two looks (2, 17, 3)."""
    sure = pair[..., 2]
    weight = sure / np.maximum(sure.sum(axis=0), 1e-6)
    mean = np.concatenate([(weight[..., None] * pair[..., :2]).sum(axis=0), sure.mean(axis=0)[:, None]], axis=-1)
    surer = np.where((sure[0] >= sure[1])[:, None], pair[0], pair[1]) * np.array([1.0, 1.0, DOUBT])
    is_apart = np.linalg.norm(pair[0, :, :2] - pair[1, :, :2], axis=-1) > apart_max
    return np.where(is_apart[:, None], surer, mean)
