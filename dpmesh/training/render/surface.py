"""What the renderer knows about the body's skin: faces, normals, and where along which limb each vertex lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from configs.checks import Shaped

TORSO, ARM, HAND, LEG, FOOT, HEAD = range(6)
_REGION_OF_JOINT = np.array(
    [TORSO, LEG, LEG, TORSO, LEG, LEG, TORSO, LEG, LEG, TORSO, FOOT, FOOT, HEAD, TORSO, TORSO, HEAD, ARM, ARM, ARM, ARM]
    + 4 * [HAND]
)
_LEFT_ARM, _RIGHT_ARM = (16, 18, 20), (17, 19, 21)
_LEFT_LEG, _RIGHT_LEG = (1, 4, 7), (2, 5, 8)


@dataclass(frozen=True, slots=True)
class BodySurface(Shaped):
    """A SMPL-format template in its rest pose, described for clothing."""

    rest: Annotated[Tensor, "V", 3]  # float32 metres, y up, facing +z
    faces: Annotated[Tensor, "F", 3]  # int64
    region: Annotated[Tensor, "V"]  # int64, TORSO, ARM, ...
    along: Annotated[Tensor, "V"]  # float32 on limbs: 0 shoulder or hip, 1 elbow or knee, 2 wrist or ankle; on the
    # torso 0 at the hips and 1 at the neck; on the head 0 at the neck and 1 at the top
    head: Annotated[Tensor, "V", 3]  # float32, position relative to the head's centre in half head heights


def describe_surface(rest: np.ndarray, faces: np.ndarray, weights: np.ndarray, joints: np.ndarray) -> BodySurface:
    """Return the clothing coordinates of a template.

    Args:
        rest: (V, 3) template vertices.
        faces: (F, 3).
        weights: (V, 24) skinning weights in SMPL joint order.
        joints: (24, 3) joints of the template.
    """
    part = weights.argmax(1)
    region = _REGION_OF_JOINT[part]
    along = np.zeros(len(rest), np.float32)
    for chain, wanted in ((_LEFT_ARM, 1), (_RIGHT_ARM, -1), (_LEFT_LEG, 1), (_RIGHT_LEG, -1)):
        kinds = (ARM, HAND) if chain in (_LEFT_ARM, _RIGHT_ARM) else (LEG, FOOT)
        mine = np.isin(region, kinds) & (np.sign(rest[:, 0] - joints[0, 0]) * wanted >= 0)
        along[mine] = _along_chain(rest[mine], joints[list(chain)])
    torso = region == TORSO
    low, high = joints[[1, 2], 1].mean(), joints[12, 1]
    along[torso] = (rest[torso, 1] - low) / (high - low)
    top = rest[:, 1].max()
    skull = region == HEAD
    along[skull] = (rest[skull, 1] - joints[12, 1]) / (top - joints[12, 1])
    half = (top - joints[15, 1]) / 2
    head = ((rest - (joints[15] + np.array([0.0, half, 0.0]))) / half).astype(np.float32)
    arrays = rest.astype(np.float32), faces.astype(np.int64), region, along.astype(np.float32), head
    return BodySurface(*(torch.from_numpy(array) for array in arrays))


def _along_chain(points: np.ndarray, chain: np.ndarray) -> np.ndarray:
    upper, lower = chain[1] - chain[0], chain[2] - chain[1]
    first = (points - chain[0]) @ upper / (upper @ upper)
    second = (points - chain[1]) @ lower / (lower @ lower)
    return np.where(first < 1, first, 1 + np.maximum(second, 0))


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Return unit normals (R, V, 3) of meshes (R, V, 3) with faces (F, 3), weighted by face area."""
    rows, count = vertices.shape[:2]
    a, b, c = (vertices[:, faces[:, k]] for k in range(3))
    # Faces first, meshes side by side: one addition per corner then serves all meshes.
    normals = torch.linalg.cross(b - a, c - a).permute(1, 0, 2).reshape(len(faces), rows * 3)
    summed = vertices.new_zeros(count, rows * 3)
    for corner in range(3):
        summed.index_add_(0, faces[:, corner], normals)
    return torch.nn.functional.normalize(summed.view(count, rows, 3).permute(1, 0, 2), dim=-1)
