"""Who is where, as CMU Panoptic's files say it and as this project's reference does.

Sources: the README of CMU-Perceptual-Computing-Lab/panoptic-toolbox; its files: one per frame, centimetres, y down.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from dpmesh.training.capture.rig import ROOM_FROM_FILE, WALL_M
from dpmesh.training.engine.shards import write_whole

REFERENCE_FILE = "reference_3d_coco17.npz"
INSIDE_M = WALL_M - 0.3  # whose hips are farther from the middle is as good as outside
_NECK, _CENTRE = (5, 6), (11, 12)  # of COCO-17: between shoulders, between hips
_LIMBS = (5, 7, 9, 11, 13, 15, 6, 8, 10, 12, 14, 16)
_FACE = (1, 3, 2, 4)  # left eye and ear, right eye and ear
Z_UP_FROM_ROOM = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def joints19(coco: np.ndarray) -> np.ndarray:
    """Return the joints (..., 19, 3) of `hdPose3d_stage1_coco19` of COCO-17 joints (..., 17, 3)."""
    neck, centre = _middle(coco, _NECK), _middle(coco, _CENTRE)
    return np.concatenate([neck, coco[..., :1, :], centre, coco[..., _LIMBS, :], coco[..., _FACE, :]], axis=-2)


def joints15(coco: np.ndarray, head_top: np.ndarray) -> np.ndarray:
    """Return the joints (..., 15, 3) of `hdPose3d_stage1` of COCO-17 joints and the tops of the heads (..., 3)."""
    neck, centre = _middle(coco, _NECK), _middle(coco, _CENTRE)
    return np.concatenate([neck, head_top[..., None, :], centre, coco[..., _LIMBS, :]], axis=-2)


def _middle(coco: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    middle: np.ndarray = coco[..., pair, :].mean(axis=-2, keepdims=True)
    return middle


def is_inside(coco: np.ndarray) -> np.ndarray:
    """Return whether (...) people with joints (..., 17, 3) are in the room."""
    hips = _middle(coco, _CENTRE)[..., 0, :]
    inside: np.ndarray = np.hypot(hips[..., 0], hips[..., 2]) < INSIDE_M
    return inside


def write_poses(folder: Path, name: str, joints: np.ndarray, shown: np.ndarray, rate: Fraction) -> None:
    """Write `body3DScene_%08d.json` for every frame.

    Args:
        folder: made if it is not there.
        name: of the joints in the files, `joints19` or `joints15`.
        joints: (N, T, J, 3) in the room.
        shown: (N, T) bool, who is in a file at all.
        rate: frames per second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    points = np.concatenate([100.0 * joints @ ROOM_FROM_FILE, np.ones_like(joints[..., :1])], axis=-1).round(4)
    for frame in range(joints.shape[1]):
        here = np.flatnonzero(shown[:, frame]).tolist()
        scene = {
            "version": 0.7,
            "univTime": round(1000.0 * frame / float(rate), 3),
            "fpsType": "hd_29_97",
            "bodies": [{"id": who, name: points[who, frame].reshape(-1).tolist()} for who in here],
        }
        (folder / f"body3DScene_{frame:08d}.json").write_text(json.dumps(scene))


def write_reference(path: Path, coco: np.ndarray, shown: np.ndarray) -> None:
    """Write joints (N, T, 17, 3) in the room as metres, z up; NaN where somebody is not `shown` (N, T)."""
    joints = np.where(shown[..., None, None], coco @ Z_UP_FROM_ROOM.T, np.nan).astype(np.float32)

    def save(draft: Path) -> None:
        with draft.open("wb") as file:
            np.savez_compressed(file, kp3d_raw=joints, allow_pickle=False)

    write_whole(path, save)
