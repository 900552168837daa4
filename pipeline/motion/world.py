"""From the camera's axes to the upright world of motion files: Z up, metres."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import check_shape
from pipeline.types import MotionTrack

# The camera is taken as level and as the origin: its right, forward and up become x, y and z.
WORLD_FROM_CAM = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)


def move_root(
    root: np.ndarray, trans: np.ndarray, pelvis: np.ndarray, transform: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return root rotation and SMPL translation of a body after a rigid transform of the space it stands in.

    Args:
        root: (T, 3) axis-angle of joint 0.
        trans: (T, 3) SMPL translation in metres, which is not the pelvis.
        pelvis: (3,) pelvis of the shaped template.
        transform: (4, 4), p_new = transform @ p_old; its 3 x 3 part is a rotation.

    Source: a vertex is R (v - pelvis) + pelvis + trans, so the pelvis lies at pelvis + trans.
    """
    check_shape("root", root, ("T", 3))
    check_shape("trans", trans, (len(root), 3))
    check_shape("pelvis", pelvis, (3,))
    check_shape("transform", transform, (4, 4))
    turn = Rotation.from_matrix(transform[:3, :3])
    pelvis_new = turn.apply(pelvis + np.asarray(trans, np.float64)) + transform[:3, 3]
    return (turn * Rotation.from_rotvec(root)).as_rotvec(), pelvis_new - pelvis


def in_scene_axes(track: MotionTrack, pelvis: np.ndarray, *, is_back: bool = False) -> MotionTrack:
    """Return a track of a camera that turns in the axes of its scene; others stay as they are.

    Args:
        pelvis: (3,) of the shaped template.
        is_back: from the scene's axes to those of the camera in each frame.
    """
    if track.scene_turn is None:
        return track
    turn = Rotation.from_rotvec(track.scene_turn)
    turn = turn.inv() if is_back else turn
    pose = track.pose.copy()
    pose[:, 0] = (turn * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    return replace(track, pose=pose, trans=(turn.apply(pelvis + track.trans) - pelvis).astype(np.float32))


def camera_matrices(focal_px: np.ndarray, principal_px: np.ndarray) -> np.ndarray:
    """Return pinhole matrices K (T, 3, 3) from focal lengths (T,) and principal points (T, 2)."""
    matrices = np.zeros((len(focal_px), 3, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = focal_px
    matrices[:, :2, 2] = principal_px
    matrices[:, 2, 2] = 1.0
    return matrices
