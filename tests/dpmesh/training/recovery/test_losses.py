"""What the recovery network is paid for."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dpmesh.body.model import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix
from dpmesh.network.heads import rot6d_to_matrix
from dpmesh.network.model import DPMesh
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.simulated import KeypointNoise
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import TrainingBatch, prepare
from dpmesh.training.recovery.losses import EQUATION_9, OWN_WEIGHTS, cue_loss, keypoint_map_loss, recovery_losses


@pytest.fixture(scope="module")
def batch(crop_batch: Crops) -> TrainingBatch:
    return prepare(crop_batch, Rng((0,)), KeypointNoise(), is_augmented=False)


def test_the_truth_itself_has_no_loss(batch: TrainingBatch, body: BodyModel) -> None:
    """A network that says exactly what is true pays nothing in any term but the decoder's joints."""
    truth = batch.truth
    network = DPMesh.from_preset("compact").eval()
    with torch.no_grad():
        output = network(None, batch.joints, batch.mask)
    wanted = axis_angle_to_matrix(truth.pose)
    wanted[:, 0] = truth.camera_from_crop.mT @ wanted[:, 0]
    raw = wanted[..., :2].flatten(-2)
    assert torch.allclose(rot6d_to_matrix(raw), wanted, atol=1e-5)
    pelvis = truth.joints30_cam[:, 0]
    metre_px = truth.focal_px / pelvis[:, 2]
    scale = 2.0 * metre_px / truth.box_px
    shift = pelvis[:, :2] - (truth.box_centre_px - truth.principal_px) / metre_px[:, None]
    camera = torch.cat([torch.log(torch.expm1(scale))[:, None] - 0.5413248, shift], dim=-1)
    layers = output.layers
    exact = replace(
        layers,
        pose_raw=raw.flatten(1).expand_as(layers.pose_raw),
        betas=truth.betas.expand_as(layers.betas),
        camera_raw=camera.expand_as(layers.camera_raw),
    )
    losses = recovery_losses(replace(output, layers=exact), truth, body)
    assert losses.keys() == {"joints_3d", "joints_2d", "shape", "root", "pose", "joint_img"}
    for name, value in losses.items():
        if name != "joint_img":
            assert float(value) < 1e-3, name
    assert float(losses["joint_img"]) > 0.01
    told = recovery_losses(replace(output, keypoint_logits=torch.zeros(6, 30, 32, 32)), truth, body)
    assert told.keys() - losses.keys() == {"keypoints"}


def test_cues_pay_nothing_for_depth_and_bones_in_the_axes_of_the_crop(batch: TrainingBatch) -> None:
    truth = batch.truth
    in_crop = torch.einsum("nij,nki->nkj", truth.camera_from_crop, truth.joints30_cam - truth.joints30_cam[:, :1])
    wrist, elbow = in_crop[:, 20], in_crop[:, 18]
    exact = torch.zeros(6, 30, 4)
    exact[:, 20, 0] = wrist[:, 2]
    exact[:, 20, 1:] = (wrist - elbow) / (wrist - elbow).norm(dim=-1, keepdim=True)
    visible = torch.zeros_like(truth.visible30)
    visible[:, 20] = 2
    seen = replace(truth, visible30=visible)
    assert float(cue_loss(exact, seen)) < 1e-5
    assert float(cue_loss(torch.zeros_like(exact), seen)) > 0.1
    assert float(cue_loss(exact, replace(truth, visible30=torch.zeros_like(visible)))) == 0.0


def bells(places: Tensor, sigma: float) -> Tensor:
    """Return logits (R, K, 32, 32) whose softmax is a bell round each place (R, K, 2), in cells."""
    cells = torch.arange(32)
    x, y = ((cells - places[..., axis, None]) ** 2 for axis in (0, 1))
    return -(y[..., :, None] + x[..., None, :]) / (2 * sigma**2)


def test_maps_pay_least_where_people_mark_the_joints(batch: TrainingBatch) -> None:
    places = 32 * batch.truth.annotated30_crop
    exact = keypoint_map_loss(bells(places, 0.8), batch.truth)
    for dx, dy in ((1.0, 0.0), (0.0, -1.0)):
        assert keypoint_map_loss(bells(places + torch.tensor([dx, dy]), 0.8), batch.truth) > exact + 0.1
    hips = bells(32 * batch.truth.joints30_crop, 0.8)
    assert keypoint_map_loss(hips, batch.truth) > exact
    assert keypoint_map_loss(torch.zeros(6, 30, 32, 32), batch.truth) > exact + 0.5


def test_hidden_joints_weigh_less_and_joints_outside_nothing(batch: TrainingBatch) -> None:
    truth, places = batch.truth, 32 * batch.truth.annotated30_crop
    wrong = places.clone()
    wrong[:, 20] += 4.0

    def extra(mark: int) -> float:
        marks = truth.visible30.clone()
        marks[:, 20] = mark
        marked = replace(truth, visible30=marks)
        return float(keypoint_map_loss(bells(wrong, 0.8), marked) - keypoint_map_loss(bells(places, 0.8), marked))

    assert extra(0) == pytest.approx(0, abs=1e-5)
    assert extra(1) == pytest.approx(0.4 * extra(2) * 30 / 29.4, rel=1e-3)


def test_maps_of_a_batch_that_shows_no_joint_have_no_loss(batch: TrainingBatch) -> None:
    nothing = replace(batch.truth, visible30=torch.zeros_like(batch.truth.visible30))
    assert float(keypoint_map_loss(torch.randn(6, 30, 32, 32), nothing)) == 0.0


def test_losses_count_as_equation_9_says_where_that_is_asked_for(batch: TrainingBatch, body: BodyModel) -> None:
    network = DPMesh.from_preset("compact").eval()
    with torch.no_grad():
        output = network(None, batch.joints, batch.mask)
    own, paper = (recovery_losses(output, batch.truth, body, weights) for weights in (OWN_WEIGHTS, EQUATION_9))
    assert own.keys() == paper.keys() == EQUATION_9.keys()
    for name, wanted in {"joints_2d": 5.0, "joints_3d": 2.0, "pose": 1.0, "root": 1.0, "shape": 1.0}.items():
        assert float(paper[name] / own[name]) == pytest.approx(wanted / OWN_WEIGHTS[name])
