"""What standing and walking people show of the ground: where their ankles and shoulders are in the image."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from configs.skeletons import COCO17

ANKLES = [COCO17.index("left_ankle"), COCO17.index("right_ankle")]
SHOULDERS = [COCO17.index("left_shoulder"), COCO17.index("right_shoulder")]
HIPS = [COCO17.index("left_outer_hip"), COCO17.index("right_outer_hip")]
CONFIDENCE_MIN = 0.3  # of ankles and shoulders: as `recover.keypoint_score_min`
STRAIGHT_MIN = 0.93  # length from ankles to shoulders, of the person's own when standing: below, they bend or sit
STRAIGHT_M = 1.05  # nobody adult stands with less; somebody seated all the time is at most this long
ANKLE_HEIGHT_M = 0.09  # of the lower one
STEP_S = 0.1  # rows nearer in time say the same


@dataclass(frozen=True, slots=True)
class Standing(Shaped):
    """Rows of one person who stands or walks, ankles and shoulders in sight."""

    time_s: Annotated[np.ndarray, "S"]
    ankles_px: Annotated[np.ndarray, "S", 2]  # their middle, relative to the principal point
    shoulders_px: Annotated[np.ndarray, "S", 2]  # the same
    ankles_m: Annotated[np.ndarray, "S"]  # height of their middle over the ground, of the recovered body
    length_m: Annotated[np.ndarray, "S"]  # from one middle to the other, of the recovered body
    facing: Annotated[np.ndarray, "S", 2]  # how much of where the body faces lies to the image's right, and away


def find_standing(
    time_s: np.ndarray, keypoints: np.ndarray, principal_px: np.ndarray, joints_m: np.ndarray, is_observed: np.ndarray
) -> Standing:
    """Return the rows of a person that tell about the ground, thinned to one per `STEP_S`.

    Args:
        time_s: (T,) increasing; keypoints: (T, 17, 3); principal_px: (T, 2); is_observed: (T,).
        joints_m: (T, 17, 3) of the recovered body, camera axes.
    """
    is_used = is_straight(joints_m, is_observed)
    is_used &= keypoints[:, ANKLES + SHOULDERS, 2].min(axis=1) >= CONFIDENCE_MIN
    rows = np.flatnonzero(is_used)
    if len(rows):
        _, first = np.unique(np.floor(time_s[rows] / STEP_S), return_index=True)
        rows = rows[first]
    points = keypoints[rows, :, :2].astype(np.float64)
    ankles, shoulders = (points[:, places].mean(axis=1) - principal_px[rows] for places in (ANKLES, SHOULDERS))
    axis, length = axis_of(joints_m[rows])
    apart = joints_m[rows, ANKLES[0]] - joints_m[rows, ANKLES[1]]
    raised = 0.5 * np.abs((apart * axis).sum(axis=-1))  # the lower foot stands
    facing = facing_of(joints_m[rows])
    return Standing(np.asarray(time_s, np.float64)[rows], ankles, shoulders, ANKLE_HEIGHT_M + raised, length, facing)


def is_straight(joints_m: np.ndarray, is_observed: np.ndarray) -> np.ndarray:
    """Return in which rows (T,) a body (T, 17, 3) is as long from ankles to shoulders as when standing."""
    _, length = axis_of(joints_m)
    if not is_observed.any():
        return np.zeros(len(length), bool)
    own_m = max(float(np.quantile(length[is_observed], 0.9)), STRAIGHT_M / STRAIGHT_MIN)
    return is_observed & (length > STRAIGHT_MIN * own_m)


def axis_of(joints_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction (T, 3) from ankles to shoulders of bodies (T, 17, 3), and its length (T,)."""
    axis = (joints_m[:, SHOULDERS].mean(axis=1) - joints_m[:, ANKLES].mean(axis=1)).astype(np.float64)
    length = np.linalg.norm(axis, axis=-1)
    return axis / np.maximum(length, 1e-6)[:, None], length


def facing_of(joints_m: np.ndarray, up: np.ndarray | None = None) -> np.ndarray:
    """Return where bodies (T, 17, 3) in camera axes face: how much of it (T, 2) lies to the right, and how much away.

    Both are of a level unit vector, as the camera sees the body.

    Args:
        up: (3,) the ground's normal; None: that of a level camera.
    """
    upward = np.array([0.0, -1.0, 0.0]) if up is None else up
    joints = joints_m.astype(np.float64)
    across = joints[:, SHOULDERS + HIPS]
    right = across[:, 1] - across[:, 0] + across[:, 3] - across[:, 2]
    forward = np.cross(upward, right)
    away, side = view_axes(joints.mean(axis=1), upward)
    found = np.stack([(forward * side).sum(axis=-1), (forward * away).sum(axis=-1)], axis=-1)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-6))


def view_axes(points: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the level directions (T, 3) away from the camera, and to the right, as it sees points (T, 3)."""
    away = points - (points @ up)[:, None] * up
    away = away / np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)
    return away, np.cross(away, up)
