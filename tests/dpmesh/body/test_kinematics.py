"""Forward kinematics: a tree of rigid bones."""

import torch

from configs.skeletons import SMPL24, SMPL_PARENTS
from dpmesh.body import forward_kinematics
from dpmesh.geometry.rotations import axis_angle_to_matrix

PARENTS = list(SMPL_PARENTS[1:])


def draw(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, 24, 3, generator=generator), torch.randn(rows, 24, 3, generator=generator)


def test_without_a_pose_joints_rest() -> None:
    _, rest = draw(3)
    places, turns = forward_kinematics(torch.zeros(3, 24, 3), rest)
    torch.testing.assert_close(places, rest)
    torch.testing.assert_close(turns, torch.eye(3).expand(3, 24, 3, 3))


def test_bones_keep_their_lengths_and_the_root_its_place() -> None:
    pose, rest = draw(6)
    places, _ = forward_kinematics(pose, rest)
    torch.testing.assert_close(places[:, 0], rest[:, 0])
    lengths = (places[:, 1:] - places[:, PARENTS]).norm(dim=-1)
    torch.testing.assert_close(lengths, (rest[:, 1:] - rest[:, PARENTS]).norm(dim=-1))


def test_a_bent_elbow_moves_only_wrist_and_hand() -> None:
    pose, rest = torch.zeros(1, 24, 3), draw(1)[1]
    pose[0, SMPL24.index("left_elbow")] = torch.tensor([0.4, 1.0, -0.2])
    places, turns = forward_kinematics(pose, rest)
    moved = [name for name, still in zip(SMPL24, torch.isclose(places, rest)[0].all(-1), strict=True) if not still]
    assert moved == ["left_wrist", "left_hand"]
    turned = [name for name, turn in zip(SMPL24, turns[0], strict=True) if not torch.allclose(turn, torch.eye(3))]
    assert turned == ["left_elbow", "left_wrist", "left_hand"]


def test_turns_are_products_down_the_chain() -> None:
    pose, rest = draw(2)
    local = axis_angle_to_matrix(pose)
    _, turns = forward_kinematics(pose, rest)
    for joint, parent in enumerate(SMPL_PARENTS):
        above = torch.eye(3) if parent < 0 else turns[:, parent]
        torch.testing.assert_close(turns[:, joint], above @ local[:, joint])


def test_matrices_and_axis_angles_give_the_same() -> None:
    pose, rest = draw(4)
    by_matrix = forward_kinematics(axis_angle_to_matrix(pose), rest)
    for one, other in zip(forward_kinematics(pose, rest), by_matrix, strict=True):
        torch.testing.assert_close(one, other)


def test_one_skeleton_serves_all_rows_and_there_may_be_none() -> None:
    pose, rest = draw(3)
    shared = forward_kinematics(pose, rest[0])[0]
    torch.testing.assert_close(shared, forward_kinematics(pose, rest[:1].expand(3, 24, 3))[0])
    assert forward_kinematics(pose[:0], rest[0])[1].shape == (0, 24, 3, 3)
