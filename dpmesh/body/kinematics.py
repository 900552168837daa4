"""Forward kinematics of SMPL's 24 joints, without the mesh."""

from functools import lru_cache
from typing import NamedTuple

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
    tree = _tree(local.device)
    counts = [1, *map(len, tree.above)]
    # Joints of one depth are turned together, and all are moved together: eight products instead of 46.
    local_of = local.index_select(1, tree.order).split(counts, dim=1)
    turns = [local_of[0]]
    for depth, rows in enumerate(tree.above, start=1):
        turns.append(turns[-1].index_select(1, rows) @ local_of[depth])
    turned = torch.cat(turns, dim=1).index_select(1, tree.back)
    bones = (rest - rest.index_select(1, tree.parents))[:, 1:, :, None]
    bones = (turned.index_select(1, tree.parents[1:]) @ bones).squeeze(-1)
    steps = torch.cat([rest[:, :1], bones], dim=1)
    positions = (steps.mT.flatten(0, 1) @ tree.on_path.to(steps.dtype)).unflatten(0, (len(steps), 3)).mT
    return positions, turned


class _Tree(NamedTuple):
    order: Tensor  # (24,) the joints by depth
    back: Tensor  # (24,) the place of every joint there
    parents: Tensor  # (24,) every joint's parent; the root's is itself
    above: tuple[Tensor, ...]  # of each depth, the joints' parents as places in the depth above
    on_path: Tensor  # (24, 24) 1 where the first joint lies between the root and the second, or is either


@lru_cache(maxsize=8)
def _tree(device: torch.device) -> _Tree:
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
        on_path = torch.eye(len(order))
        for joint, parent in list(enumerate(SMPL_PARENTS))[1:]:
            on_path[:, joint] += on_path[:, parent]
        return _Tree(order_rows, back_rows, parents, tuple(rows), on_path.to(device))
