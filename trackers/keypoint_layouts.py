"""Keypoint orders of other tools, as rows of the 17 COCO keypoints."""

import numpy as np

from configs.errors import InputError

# Row of each COCO keypoint: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, left before right.
# Source: OpenPose, doc/02_output.md, "Keypoint Ordering in C++/Python".
BODY_25_ROWS = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)
OPENPOSE_COCO_18_ROWS = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
ROWS_BY_COUNT = {25: BODY_25_ROWS, 18: OPENPOSE_COCO_18_ROWS}


def openpose_to_coco(values: np.ndarray, label: str) -> np.ndarray:
    """Return (17, 3) COCO keypoints from one person's flat `pose_keypoints_2d`; points not found are all zero.

    Args:
        values: (75,) BODY_25 or (54,) COCO-18: x, y, confidence per keypoint.
        label: names the person in an error.

    Raises:
        InputError: the number of values fits neither layout.
    """
    count, rest = divmod(len(values), 3)
    if rest or count not in ROWS_BY_COUNT:
        raise InputError(f"{label} has {len(values)} keypoint numbers; 75 (BODY_25) or 54 (COCO-18) are needed")
    keypoints = values.reshape(count, 3)[list(ROWS_BY_COUNT[count])].copy()
    keypoints[:, 2] = keypoints[:, 2].clip(0, 1)
    keypoints[keypoints[:, 2] == 0] = 0
    return keypoints
