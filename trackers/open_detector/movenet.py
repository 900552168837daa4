"""What MoveNet MultiPose says of an image: boxes and 17 keypoints of people, from the maps inside the network.

The published graph stops at six people. The maps that it takes them from hold everybody, so they are decoded here, by
the same rules: nodes `TopKV2` to `concat_1` of that graph. Boxes and keypoints are the same. A person's score is not
multiplied by the mean confidence of the keypoints, and a confidence is the person's own, not the highest of all people.
"""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import maximum_filter
from scipy.special import expit

from trackers.types import COCO_KEYPOINTS

STRIDE = 4  # pixels of the input per cell
PEAK_CELLS = 5  # a centre is the highest of so many cells, each way
SPREAD = 0.3  # of the map's shorter side: variance of a keypoint round its regressed place, in cells


def read_movenet(outputs: Mapping[str, np.ndarray], score_min: float) -> np.ndarray:
    """Return people (N, 6 + 17 * 3) as box, score, class 0, keypoints, in pixels of the input.

    Boxes go as far as hidden limbs are believed to. The score is the peak of the centre's map.

    Args:
        outputs: of one image: centres (1, H, W), sizes (2, H, W), offsets (2, H, W), heat_maps (17, H, W),
            keypoints (34, H, W) and keypoint_offsets (34, H, W). Pairs are y, x, in cells.
        score_min: of the network's own score.
    """
    chances = expit(outputs["centres"][0])
    rows, columns = np.nonzero((chances == maximum_filter(chances, PEAK_CELLS)) & (chances >= score_min))
    cells = np.stack([rows, columns], -1)
    centres = cells + outputs["offsets"][:, rows, columns].T
    halves = np.maximum(outputs["sizes"][:, rows, columns].T, 0.0) / 2.0
    places = cells[:, None] + outputs["keypoints"][:, rows, columns].T.reshape(-1, COCO_KEYPOINTS, 2)
    heat_maps = expit(outputs["heat_maps"])
    offsets = outputs["keypoint_offsets"].reshape(COCO_KEYPOINTS, 2, *chances.shape)
    people = np.zeros((len(cells), 6 + COCO_KEYPOINTS * 3), np.float32)
    people[:, :2], people[:, 2:4] = (centres - halves)[:, ::-1] * STRIDE, (centres + halves)[:, ::-1] * STRIDE
    people[:, 4] = chances[rows, columns]
    for row, (low, high) in enumerate(zip(centres - halves, centres + halves, strict=True)):
        people[row, 6:] = _find_keypoints(heat_maps, offsets, places[row], low, high).ravel()
    return people


def _find_keypoints(
    heat_maps: np.ndarray, offsets: np.ndarray, places: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Return the keypoints (17, 3) of one person: the best cells inside the box, near the regressed places (17, 2)."""
    shape = np.array(heat_maps.shape[1:])
    first = np.ceil(np.clip(low, 0, shape - 1)).astype(int)
    last = np.maximum(np.ceil(np.clip(high, 0, shape)).astype(int), first + 1)
    grid_y, grid_x = np.arange(first[0], last[0])[:, None], np.arange(first[1], last[1])
    squares = (grid_y - places[:, 0, None, None]) ** 2 + (grid_x - places[:, 1, None, None]) ** 2
    chances = heat_maps[:, first[0] : last[0], first[1] : last[1]] * np.exp(-squares / (SPREAD * shape.min()))
    best = chances.reshape(COCO_KEYPOINTS, -1).argmax(axis=1)
    y, x = (index + start for index, start in zip(np.unravel_index(best, chances.shape[1:]), first, strict=True))
    keypoint = np.arange(COCO_KEYPOINTS)
    moved_y, moved_x = offsets[keypoint, :, y, x].T
    confidence = chances.reshape(COCO_KEYPOINTS, -1)[keypoint, best]
    return np.stack([(x + moved_x) * STRIDE, (y + moved_y) * STRIDE, confidence], axis=-1)
