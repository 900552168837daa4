"""Forward kinematics of SMPL's 24 joints, without the mesh."""

import torch
from torch import Tensor

from dpmesh.body.joint_sets import SMPL_PARENTS
from dpmesh.geometry.rotations import axis_angle_to_matrix


def forward_kinematics(pose: Tensor, rest_joints: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the joints are (R, 24, 3) and how they are turned in the world (R, 24, 3, 3).

    Args:
        pose: (R, 24, 3) axis-angle, or (R, 24, 3, 3) rotation matrices, each relative to the joint's parent.
        rest_joints: (R, 24, 3) or (24, 3), metres; the root stays where it rests.
    """
    local = axis_angle_to_matrix(pose) if pose.ndim == 3 else pose
    rest = rest_joints.expand(len(local), -1, -1)
    offsets = (rest[:, 1:] - rest[:, SMPL_PARENTS[1:]])[..., None].unbind(1)
    turn_of = local.unbind(1)
    places, turns = [rest[:, 0, :, None]], [turn_of[0]]
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        places.append(torch.baddbmm(places[parent], turns[parent], offsets[joint - 1]))
        turns.append(turns[parent] @ turn_of[joint])
    return torch.stack(places, dim=1).squeeze(-1), torch.stack(turns, dim=1)
