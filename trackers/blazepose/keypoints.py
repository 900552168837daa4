"""What the landmarks say in the words of this project: COCO keypoints, foot points, and joints in metres."""

import numpy as np

from trackers.blazepose.estimator import Landmarks
from trackers.keypoint_layouts import LAYOUTS, to_kept
from trackers.types import COCO_KEYPOINTS

LAYOUT = LAYOUTS["mediapipe33"]
BODY_ROWS = np.array(LAYOUT.rows)[5:COCO_KEYPOINTS]  # shoulders to ankles, COCO's order


def kept_points(landmarks: Landmarks) -> np.ndarray:
    """Return keypoints and foot points (R, 23, 3) float32: pixels and confidence. Small toes are not given: all zero.

    The confidence is how visible the network holds a point, and at most how certain its place is.
    """
    confidence = np.minimum(landmarks.visibility, landmarks.certainty)
    return to_kept(np.concatenate([landmarks.points, confidence[..., None]], axis=-1), LAYOUT)


def hint_joints(landmarks: Landmarks) -> np.ndarray:
    """Return shoulders, elbows, wrists, hips, knees and ankles (R, 12, 4) float32, left before right.

    In metres from mid-hip, x right, y down, z away from the viewer along the person's viewing ray; then visibility.
    """
    world = landmarks.world[:, BODY_ROWS]
    return np.concatenate([world, landmarks.visibility[:, BODY_ROWS, None]], axis=-1).astype(np.float32)
