"""What NanoDet says of an image: boxes of people, tight round what is seen of them. It knows no keypoints.

Source: the method of NanoDet-g, config/legacy_v0.x_configs/nanodet-g.yml of github.com/RangiLyu/nanodet; the distance
of each side is a distribution over whole strides (Li et al. 2020, Generalized Focal Loss, equation 5).
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import expit, softmax

from trackers.types import COCO_KEYPOINTS

STRIDES = (8, 16, 32)
CLASSES, PERSON = 80, 0
BINS = 11  # distances of 0 to 10 strides


def read_nanodet(outputs: Mapping[str, np.ndarray], score_min: float) -> np.ndarray:
    """Return people (N, 6 + 17 * 3) as box, score, class 0, keypoints of confidence 0, in pixels of the input.

    Everybody is found several times: overlaps are not removed.

    Args:
        outputs: of one image: stride_8, stride_16 and stride_32, (80 + 4 * 11, H, W) each.
        score_min: of the network's own score.
    """
    parts = []
    for stride in STRIDES:
        output = outputs[f"stride_{stride}"]
        scores = expit(output[PERSON])
        rows, columns = np.nonzero(scores >= score_min)
        chances = softmax(output[CLASSES:, rows, columns].T.reshape(-1, 4, BINS), axis=-1)
        distances = chances @ np.arange(BINS, dtype=np.float32) * stride  # left, top, right, bottom
        middles = (np.stack([columns, rows], -1) + 0.5) * stride
        people = np.zeros((len(rows), 6 + COCO_KEYPOINTS * 3), np.float32)
        people[:, :2], people[:, 2:4] = middles - distances[:, :2], middles + distances[:, 2:]
        people[:, 4] = scores[rows, columns]
        parts.append(people)
    return np.concatenate(parts)
