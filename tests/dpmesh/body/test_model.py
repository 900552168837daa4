"""The body as a function: sparse path = mesh, SMPL's conventions, gradients, empty batches."""

import copy

import numpy as np
import pytest
import torch
from smplx.lbs import lbs
from torch import Tensor

from configs.skeletons import JOINT_BLENDS, SMPL24
from dpmesh.body import JOINT_SETS, BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle


def draw(rows: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, 24, 3, generator=generator) * 0.5,
        torch.randn(rows, 10, generator=generator),
        torch.randn(rows, 3, generator=generator),
    )


def joints_by_mesh(body: BodyModel, pose: Tensor, betas: Tensor, trans: Tensor, joint_set: str) -> Tensor:
    """The same points the long way: `smplx` skins every vertex."""
    structure = body.structure
    as_tensor = torch.from_numpy
    vertices, joints = lbs(
        betas, pose.flatten(1), as_tensor(structure.v_template), as_tensor(structure.shapedirs),
        as_tensor(structure.posedirs.reshape(-1, 207).T.copy()), as_tensor(structure.joint_regressor),
        as_tensor(structure.kintree_table[0]), as_tensor(structure.weights),
    )  # fmt: skip
    points = []
    for name in JOINT_SETS[joint_set]:
        if name in structure.landmarks:
            points.append(sum(share * vertices[:, vertex] for vertex, share in structure.landmarks[name].items()))
        else:
            blend = JOINT_BLENDS.get(name, {name: 1.0})
            points.append(sum(share * joints[:, SMPL24.index(part)] for part, share in blend.items()))
    return torch.stack(points, dim=1) + trans[:, None]


@pytest.mark.parametrize("joint_set", JOINT_SETS)
def test_sparse_joints_equal_those_of_the_whole_mesh(any_body: BodyModel, joint_set: str) -> None:
    pose, betas, trans = draw(4)
    found = any_body.joints(pose, betas, trans, joint_set=joint_set)
    torch.testing.assert_close(found, joints_by_mesh(any_body, pose, betas, trans, joint_set), atol=1e-5, rtol=0)


def test_mesh_equals_that_of_smplx(any_body: BodyModel) -> None:
    pose, betas, trans = draw(3)
    structure = any_body.structure
    wanted, _ = lbs(
        betas, pose.flatten(1), torch.from_numpy(structure.v_template), torch.from_numpy(structure.shapedirs),
        torch.from_numpy(structure.posedirs.reshape(-1, 207).T.copy()), torch.from_numpy(structure.joint_regressor),
        torch.from_numpy(structure.kintree_table[0]), torch.from_numpy(structure.weights),
    )  # fmt: skip
    torch.testing.assert_close(any_body.vertices(pose, betas, trans), wanted + trans[:, None], atol=1e-5, rtol=0)


def test_rest_joints_are_regressed_from_the_shaped_template(any_body: BodyModel) -> None:
    _, betas, _ = draw(5)
    structure = any_body.structure
    shaped = structure.v_template + np.einsum("vck,rk->rvc", structure.shapedirs, betas.numpy())
    wanted = np.einsum("jv,rvc->rjc", structure.joint_regressor, shaped)
    np.testing.assert_allclose(any_body.rest_joints(betas).numpy(), wanted, atol=1e-5)


def test_root_turns_the_body_about_its_pelvis_and_translation_comes_after(open_body: BodyModel) -> None:
    pose, betas, trans = draw(3)
    turn = axis_angle_to_matrix(torch.tensor([[0.3, -1.2, 0.7]]))
    turned = pose.clone()
    turned[:, 0] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(pose[:, 0]))
    pelvis = open_body.rest_joints(betas)[:, :1]
    before = open_body.vertices(pose, betas, torch.zeros(3, 3))
    after = open_body.vertices(turned, betas, trans)
    wanted = (before - pelvis) @ turn.transpose(1, 2) + pelvis + trans[:, None]
    torch.testing.assert_close(after, wanted, atol=1e-5, rtol=0)


def test_mirrored_pose_gives_the_mirrored_body(open_body: BodyModel) -> None:
    pose, betas, _ = draw(2)
    other = {"left": "right", "right": "left"}
    swap = [SMPL24.index("_".join(other.get(part, part) for part in name.split("_"))) for name in SMPL24]
    mirrored = pose[:, swap] * torch.tensor([1.0, -1.0, -1.0])
    nowhere = torch.zeros(2, 3)
    found = open_body.joints(mirrored, betas, nowhere, joint_set="smpl24")[:, swap]
    wanted = open_body.joints(pose, betas, nowhere, joint_set="smpl24") * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_rows_of_a_batch_do_not_touch_each_other(any_body: BodyModel) -> None:
    pose, betas, trans = draw(5)
    together = any_body.joints(pose, betas, trans)
    for row in range(5):
        alone = any_body.joints(pose[row : row + 1], betas[row : row + 1], trans[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("joint_set", JOINT_SETS)
def test_no_rows_give_no_joints(open_body: BodyModel, joint_set: str) -> None:
    assert open_body.joints(*draw(0), joint_set=joint_set).shape == (0, len(JOINT_SETS[joint_set]), 3)


@pytest.mark.parametrize("size", [0.0, 0.5])
def test_gradients_of_joints_are_those_of_differences(any_body: BodyModel, size: float) -> None:
    """Also at the rest pose, where an axis-angle has no direction."""
    body = copy.deepcopy(any_body).double()
    values = [value.double() for value in draw(2)]
    values[0] *= size
    steps = [1e-5 * value.double() for value in draw(2, seed=1)]
    probe = torch.randn(2, 25, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def measure(*inputs: Tensor) -> Tensor:
        return (body.joints(*inputs, joint_set="openpose25") * probe).sum()

    inputs = [value.requires_grad_() for value in values]
    gradients = torch.autograd.grad(measure(*inputs), inputs)
    for changed, (gradient, step) in enumerate(zip(gradients, steps, strict=True)):
        ends = [
            measure(*(value + sign * step if place == changed else value for place, value in enumerate(inputs)))
            for sign in (1, -1)
        ]
        torch.testing.assert_close((gradient * step).sum(), (ends[0] - ends[1]) / 2, rtol=1e-6, atol=0)


def test_a_body_has_nothing_to_train(open_body: BodyModel) -> None:
    assert not list(open_body.parameters())


def test_an_unknown_joint_set_is_named_with_those_there_are(open_body: BodyModel) -> None:
    with pytest.raises(ValueError, match=r"'coco18'.*coco17"):
        open_body.joints(*draw(1), joint_set="coco18")


def test_left_and_right_of_every_joint_set_are_on_their_sides(open_body: BodyModel) -> None:
    rest = torch.zeros(1, 24, 3), torch.zeros(1, 10), torch.zeros(1, 3)
    for joint_set, names in JOINT_SETS.items():
        points = open_body.joints(*rest, joint_set=joint_set)[0]
        for name, point in zip(names, points, strict=True):
            side = name.split("_")[0]
            assert {"left": point[0] > 0.02, "right": point[0] < -0.02}.get(side, abs(point[0]) < 0.01), (
                joint_set,
                name,
            )


def test_what_a_call_without_gradients_keeps_serves_a_call_with_them(any_body: BodyModel) -> None:
    body = BodyModel(any_body.structure)
    pose, betas, trans = draw(2)
    with torch.inference_mode():
        body.joints(pose, betas, trans, "openpose25")
    pose = pose.clone().requires_grad_()
    body.joints(pose, betas, trans, "openpose25").sum().backward()
    assert pose.grad is not None and bool(torch.isfinite(pose.grad).all())


def test_points_may_be_named_one_by_one(any_body: BodyModel) -> None:
    pose, betas, _ = draw(2)
    found = any_body.joints_from_matrices(axis_angle_to_matrix(pose), betas, ("nose", "pelvis"))
    whole = any_body.joints(pose, betas, torch.zeros(2, 3), "dpmesh30")
    torch.testing.assert_close(found, whole[:, [24, 0]], atol=1e-6, rtol=1e-5)
