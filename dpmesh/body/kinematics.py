"""Forward kinematics of SMPL's 24 joints, without the mesh."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from dpmesh.body.joint_sets import SMPL_PARENTS
from dpmesh.geometry.rotations import axis_angle_to_matrix


def _levels() -> tuple[tuple[int, ...], ...]:
    depth = [0] * len(SMPL_PARENTS)
    for joint, parent in enumerate(SMPL_PARENTS):
        depth[joint] = 0 if parent < 0 else depth[parent] + 1
    return tuple(tuple(j for j, d in enumerate(depth) if d == level) for level in range(max(depth) + 1))


LEVELS = _levels()  # joints by their distance from the root: one step of the chain each
PLACE_IN_LEVELS = tuple(sorted(range(len(SMPL_PARENTS)), key=[j for level in LEVELS for j in level].__getitem__))


def forward_kinematics(pose: Tensor, rest_joints: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the joints are (R, 24, 3) and how they are turned in the world (R, 24, 3, 3).

    Args:
        pose: (R, 24, 3) axis-angle, or (R, 24, 3, 3) rotation matrices, each relative to the joint's parent.
        rest_joints: (R, 24, 3) or (24, 3), metres; the root stays where it rests.
    """
    local = axis_angle_to_matrix(pose) if pose.shape[-2:] == (len(SMPL_PARENTS), 3) else pose
    rest = rest_joints.expand(len(local), -1, -1)
    turns, places = [local[:, :1]], [rest[:, :1]]
    for above, level in pairwise(LEVELS):
        parents = [SMPL_PARENTS[joint] for joint in level]
        rows = [above.index(parent) for parent in parents]
        turn, place = turns[-1][:, rows], places[-1][:, rows]
        offset = rest[:, list(level)] - rest[:, parents]
        places.append(place + (turn @ offset[..., None]).squeeze(-1))
        turns.append(turn @ local[:, list(level)])
    order = list(PLACE_IN_LEVELS)
    return torch.cat(places, dim=1)[:, order], torch.cat(turns, dim=1)[:, order]
