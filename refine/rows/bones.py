"""Directions of bones, as a network that sees depth gives them: what they are, and how far a body's are from them."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from configs.checks import Shaped
from dpmesh.geometry.camera import ray_rotation
from refine.rows.types import TrackRows, ViewRows

HINT_NAMES = tuple(
    f"{side}_{part}"
    for part in ("shoulder", "elbow", "wrist", "outer_hip", "knee", "ankle")
    for side in ("left", "right")
)
BONES = (
    *((f"{side}_{first}", f"{side}_{second}") for side in ("left", "right") for first, second in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("outer_hip", "knee"), ("knee", "ankle"), ("outer_hip", "shoulder"),
    )),
    ("right_shoulder", "left_shoulder"), ("right_outer_hip", "left_outer_hip"),
)  # fmt: skip
STARTS, ENDS = ([HINT_NAMES.index(bone[end]) for bone in BONES] for end in (0, 1))
LIMBS_OF_COCO = slice(5, 17)  # in the order of `HINT_NAMES`
VISIBILITY_MIN = 0.5
LENGTH_MIN_M = 0.02


@dataclass(frozen=True, slots=True)
class BoneDirections(Shaped):
    """Where the bones of R rows point, in camera axes."""

    directions: Annotated[np.ndarray, "R", 12, 3]  # float32, of length 1; one per bone of `BONES`
    weights: Annotated[np.ndarray, "R", 12]  # float32, 0 to 1; 0 where a joint is not given

    def to_numbers(self) -> np.ndarray:
        """Return both as (R, 12, 4)."""
        return np.concatenate([self.directions, self.weights[..., None]], axis=-1)


def bone_directions(
    hints: np.ndarray, keypoints: np.ndarray, focal_px: np.ndarray, principal_px: np.ndarray
) -> BoneDirections:
    """Return the directions in hints, turned from each person's viewing ray to the camera's axes.

    Args:
        hints: (R, 12, 4) metres along the viewing ray, visibility.
        keypoints: (R, K, 3) pixels and confidence; their middle gives the ray.
        focal_px, principal_px: (R,), (R, 2).
    """
    is_seen = keypoints[..., 2:] > 0
    middle = (keypoints[..., :2] * is_seen).sum(axis=1) / np.maximum(is_seen.sum(axis=1), 1)
    numbers = (torch.from_numpy(np.asarray(values, np.float32)) for values in (middle, focal_px, principal_px))
    turn = ray_rotation(*numbers).numpy()
    bones = hints[:, ENDS, :3] - hints[:, STARTS, :3]
    length = np.linalg.norm(bones, axis=-1)
    visibility = np.minimum(hints[:, STARTS, 3], hints[:, ENDS, 3])
    is_given = (visibility >= VISIBILITY_MIN) & (length >= LENGTH_MIN_M) & is_seen.any(axis=1)
    directions = bones / np.maximum(length, LENGTH_MIN_M)[..., None] @ turn.transpose(0, 2, 1)
    return BoneDirections(directions.astype(np.float32), np.where(is_given, visibility, 0.0).astype(np.float32))


def bones_of(track: TrackRows, view: ViewRows, rows: slice) -> np.ndarray:
    """Return directions in a view's axes, and weights (T, 12, 4), of some rows of a track.

    Bones between triangulated joints are those; others come from the view's hints, with weight 0 where it has none.
    """
    if view.hints is None:
        found = np.zeros((len(view.keypoints[rows]), len(BONES), 4), np.float32)
    else:
        camera = view.focal_px[rows], view.principal_px[rows]
        found = bone_directions(view.hints[rows], view.keypoints[rows], *camera).to_numbers()
    if track.joints_m is None:
        return found
    joints = track.joints_m[rows, LIMBS_OF_COCO]
    bones = joints[:, ENDS] - joints[:, STARTS]
    bones = bones if view.rotation is None else bones @ view.rotation.T
    length = np.linalg.norm(bones, axis=-1, keepdims=True)
    is_known = length >= LENGTH_MIN_M  # False of NaN
    told = np.concatenate([bones / np.where(is_known, length, 1.0), np.ones_like(length)], axis=-1)
    return np.where(is_known, told, found).astype(np.float32)


def bone_residuals(points: Tensor, directions: Tensor, outlier_rad: float) -> Tensor:
    """Return the robust squared angles (R, 12) between a body's bones and given directions.

    Beyond `outlier_rad` they count ever less (Geman and McClure): the network then saw something else.

    Args:
        points: (R, 12, 3) the body's joints, as `HINT_NAMES`, in camera axes.
    """
    bones = torch.nn.functional.normalize(points[:, ENDS] - points[:, STARTS], dim=-1)
    squared = (bones - directions).square().sum(-1)  # of small angles, the square of the angle
    return squared * outlier_rad**2 / (outlier_rad**2 + squared)
