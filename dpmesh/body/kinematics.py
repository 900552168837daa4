"""Forward kinematics of SMPL's 24 joints, without the mesh."""

from functools import lru_cache

import torch
from torch import Tensor

from configs.skeletons import SMPL_PARENTS
from dpmesh.geometry.rotations import axis_angle_to_matrix


def forward_kinematics(pose: Tensor, rest_joints: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the joints are (R, 24, 3) and how they are turned in the world (R, 24, 3, 3).

    Args:
        pose: (R, 24, 3) axis-angle, or (R, 24, 3, 3) rotation matrices, each relative to the joint's parent.
        rest_joints: (R, 24, 3) or (24, 3), metres; the root stays where it rests.
    """
    local = axis_angle_to_matrix(pose) if pose.ndim == 3 else pose
    rest = rest_joints.expand(len(local), -1, -1)
    order, back, parents, above = _tree(local.device)
    counts = [1, *map(len, above)]
    # Joints of one depth are turned together: nine products instead of 23.
    local_of = local.index_select(1, order).split(counts, dim=1)
    offset_of = (rest - rest.index_select(1, parents)).index_select(1, order).split(counts, dim=1)
    positions, turns = [rest[:, :1]], [local_of[0]]
    for depth, rows in enumerate(above, start=1):
        turn = turns[-1].index_select(1, rows)
        positions.append(positions[-1].index_select(1, rows) + (turn * offset_of[depth][:, :, None]).sum(-1))
        turns.append(turn @ local_of[depth])
    return torch.cat(positions, dim=1).index_select(1, back), torch.cat(turns, dim=1).index_select(1, back)


@lru_cache(maxsize=8)
def _tree(device: torch.device) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """Return the joints in order of depth, the way back, every joint's parent (the root's is itself), and the parents
    of each depth as places in the depth above."""
    levels, above = [[0]], []
    while joints := [joint for joint, parent in enumerate(SMPL_PARENTS) if parent in levels[-1]]:
        above.append([levels[-1].index(SMPL_PARENTS[joint]) for joint in joints])
        levels.append(joints)
    order = [joint for level in levels for joint in level]
    back = [order.index(joint) for joint in range(len(order))]

    # What is kept from a call in inference mode could not be used where gradients are wanted.
    with torch.inference_mode(False):
        order_rows, back_rows, parents, *rows = (
            torch.tensor(row, dtype=torch.long, device=device) for row in (order, back, [0, *SMPL_PARENTS[1:]], *above)
        )
    return order_rows, back_rows, parents, tuple(rows)
