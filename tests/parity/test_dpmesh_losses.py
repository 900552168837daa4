"""Training losses against the published ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dpmesh.training.recovery.losses import DPMESH15_OF_30
from dpmesh.training.recovery.published_losses import (
    Predicted,
    UncertaintyWeights,
    Wanted,
    project_to_grid,
    published_losses,
)
from dpmesh.training.recovery.reasoning import feature_error, simclr

RELATIVE = 1e-5
"""Of an array's largest value; both sides are float32."""

LOSSES = (
    "body_joint_img_0",
    "smpl_joint_img_0",
    "smpl_pose_0",
    "smpl_shape_0",
    "body_joint_proj_0",
    "body_joint_cam_0",
)
Arrays = dict[str, np.ndarray]


def assert_equals(found: Tensor, wanted: np.ndarray) -> None:
    assert tuple(found.shape) == wanted.shape
    np.testing.assert_allclose(found.detach(), wanted, rtol=0, atol=RELATIVE * max(float(np.abs(wanted).max()), 1e-6))


def tensors(metrics: Arrays, *names: str) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(metrics[name]) for name in names)


@pytest.fixture(scope="module")
def stored(train_losses_file: Path) -> dict[str, Tensor]:
    with np.load(train_losses_file) as arrays:
        return {name: torch.as_tensor(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def found(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    predicted = Predicted(
        joint_img=stored["pred/joint_img"],
        joint_proj=stored["pred/joint_proj"],
        joint_cam=stored["pred/joint_cam"],
        pose=stored["pred/pose_param"],
        betas=stored["pred/shape_param"],
    )
    wanted = Wanted(
        joint_img=stored["target/orig_joint_img"],
        joint_img_valid=stored["meta/orig_joint_trunc"],
        fit_img=stored["target/fit_joint_img"],
        fit_img_valid=stored["meta/fit_joint_trunc"],
        joint_cam=stored["target/orig_joint_cam"],
        joint_valid=stored["meta/orig_joint_valid"],
        pose=stored["target/pose_param"],
        pose_valid=stored["meta/fit_param_valid"],
        betas=stored["target/shape_param"],
        has_fit=stored["meta/is_valid_fit"],
        is_3d=stored["meta/is_3D"],
    )
    return published_losses(predicted, wanted)


@pytest.mark.parametrize("name", LOSSES)
def test_training_loss_equals_the_published_one(stored: dict[str, Tensor], found: dict[str, Tensor], name: str) -> None:
    assert_equals(found[name], stored[f"loss/{name}"].numpy())
    assert float(found[name].mean()) == pytest.approx(float(stored[f"loss_mean/{name}"]), rel=RELATIVE)


def test_no_training_loss_is_left_out(stored: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    assert {name.partition("/")[2] for name in stored if name.startswith("loss/")} == set(LOSSES) == set(found)
    assert tuple(stored["index15"].tolist()) == DPMESH15_OF_30


def coordinate_losses(metrics: Arrays, is_3d: Tensor) -> Tensor:
    """Return the joints' loss (R, 15, 3) of the group `loss_coord`, of which the published code has one function."""
    out, gt, valid = tensors(metrics, "loss_coord/out", "loss_coord/gt", "loss_coord/valid")
    rows, index = len(out), list(DPMESH15_OF_30)
    thirty, thirty_valid = torch.zeros(rows, 30, 3), torch.zeros(rows, 30, 1)
    thirty[:, index], thirty_valid[:, index] = gt, valid
    blank = torch.zeros(rows, 30, 3)
    predicted = Predicted(out / 64, blank[..., :2], blank, torch.zeros(rows, 72), torch.zeros(rows, 10))
    wanted = Wanted(
        joint_img=thirty,
        joint_img_valid=thirty_valid,
        fit_img=blank,
        fit_img_valid=blank[..., :1],
        joint_cam=blank,
        joint_valid=blank[..., :1],
        pose=torch.zeros(rows, 72),
        pose_valid=torch.zeros(rows, 72),
        betas=torch.zeros(rows, 10),
        has_fit=torch.zeros(rows),
        is_3d=is_3d,
    )
    return 64 * published_losses(predicted, wanted)["body_joint_img_0"]


def test_joint_loss_minds_validity_and_depth(metrics: Arrays) -> None:
    (is_3d,) = tensors(metrics, "loss_coord/is3d")
    assert_equals(coordinate_losses(metrics, is_3d), metrics["loss_coord/loss"])
    assert_equals(coordinate_losses(metrics, torch.ones_like(is_3d)), metrics["loss_coord/loss_no3d"])


def test_parameter_loss_minds_validity(metrics: Arrays) -> None:
    out, gt, valid = tensors(metrics, "loss_param/out", "loss_param/gt", "loss_param/valid")
    rows = len(out)
    blank = torch.zeros(rows, 30, 3)
    predicted = Predicted(blank[:, :15], blank[..., :2], blank, out, torch.zeros(rows, 10))
    one = blank[..., :1]
    wanted = Wanted(
        blank, one, blank, one, blank, one, gt, valid, torch.zeros(rows, 10), torch.ones(rows), torch.ones(rows)
    )
    assert_equals(published_losses(predicted, wanted)["smpl_pose_0"] / 2, metrics["loss_param/loss"])


def test_losses_are_weighed_as_published(metrics: Arrays) -> None:
    weights = UncertaintyWeights(len(metrics["awl/params"]))
    weights.load_state_dict({"sigma": torch.from_numpy(metrics["awl/params"])})
    names = sorted(LOSSES)
    losses = dict(zip(names, torch.from_numpy(metrics["awl/losses"]), strict=True))
    found = weights({name: losses[name] for name in LOSSES})
    assert_equals(torch.stack([found[name] for name in names]), metrics["awl/out"])


def test_projection_and_relative_joints_are_the_published_ones(metrics: Arrays) -> None:
    regressor, mesh, trans = tensors(metrics, "get_coord/regressor", "get_coord/mesh", "get_coord/trans")
    placed = mesh + trans[:, None]
    joints = regressor @ placed
    focal = torch.full((len(mesh),), float(metrics["get_coord/focal"]))
    assert_equals(project_to_grid(joints, focal), metrics["get_coord/joint_proj"])
    assert_equals(joints - joints[:, :1], metrics["get_coord/joint_cam"])
    assert_equals(placed - joints[:, :1], metrics["get_coord/mesh_cam"])
    assert_equals(placed, metrics["get_coord/mesh_cam_render"])


def test_contrast_of_two_views_is_the_published_one(metrics: Arrays) -> None:
    first, second = tensors(metrics, "loss_simclr/zi", "loss_simclr/zj")
    assert_equals(simclr(first, second), metrics["loss_simclr/t1"])
    volumes = tensors(metrics, "loss_simclr_5d/zi", "loss_simclr_5d/zj")
    assert_equals(simclr(*volumes), metrics["loss_simclr_5d/t1"])


def test_feature_error_is_the_published_one(metrics: Arrays) -> None:
    assert_equals(feature_error(*tensors(metrics, "loss_mse/a", "loss_mse/b")), metrics["loss_mse/loss"])
