"""Network, schedule, losses and geometry by themselves, against stored outputs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dpmesh.geometry.align import find_similarity
from dpmesh.geometry.camera import translation_from_crop
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_six, six_to_matrix
from pipeline.evaluation.alignment import procrustes_errors, root_errors
from refine.prior.schedule import make_schedule, noise_rates
from refine.scorehmr.denoiser import Denoiser
from refine.scorehmr.guidance import (
    EarlyStop,
    gmof,
    keypoint_loss,
    project_points,
    smoothness_gradient,
    smoothness_loss,
    view_gradient,
    view_loss,
)
from refine.scorehmr.official import denoiser_of, official_name
from refine.scorehmr.published import POINTS, BetaScale

COLLINEAR = (1, 4)  # rows whose two columns are nearly one: what Gram-Schmidt makes of them is rounding


def near(found: Any, wanted: np.ndarray, atol: float, rtol: float = 0.0) -> None:
    np.testing.assert_allclose(np.asarray(found), wanted, atol=atol, rtol=rtol)


@pytest.fixture(scope="module")
def basic(score_basic_file: Path, helpers: Any) -> dict[str, np.ndarray]:
    return helpers.read_arrays(score_basic_file)


@pytest.fixture(scope="module")
def geometry(score_geometry_file: Path, helpers: Any) -> dict[str, torch.Tensor]:
    return {name: helpers.tensor(array) for name, array in helpers.read_arrays(score_geometry_file).items()}


@pytest.mark.parametrize("has_betas", [False, True])
def test_the_network_gives_the_published_noise_on_both_paths(
    has_betas: bool, basic: Any, score_folder: Path, helpers: Any
) -> None:
    denoiser, prefix = helpers.read_denoiser(score_folder, "tiny", has_betas), "betas_" if has_betas else ""
    x, time, condition = (helpers.tensor(basic[f"{prefix}in__{name}"]) for name in ("x", "t", "cond_feats"))
    wanted = basic[f"{prefix}out__denoiser"]
    with torch.no_grad():
        near(denoiser(x, time, condition), wanted, 2e-6)
        prepared = denoiser.prepare(condition)
        found = torch.stack([prepared(x, int(at))[row] for row, at in enumerate(time)])
        near(found, wanted, 3e-6)
        near(denoiser.pose.time_mlp[0](time), basic[f"{prefix}out__sinusoidal"], 6e-5)  # sines of angles up to 999
        near(denoiser.pose.time_mlp(time), basic[f"{prefix}out__time_emb"], 1e-5)


def test_every_table_of_the_schedule_is_the_published_one(basic: Any) -> None:
    for name, table in make_schedule().tables().items():
        near(table, basic[f"schedule__{name}"], 0.0, rtol=1e-6)
    near(noise_rates(), basic["schedule__cosine_betas_f64"], 1e-14)


def noised(start: torch.Tensor, time: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    tables = make_schedule()
    kept, added = tables.sqrt_alphas_cumprod[time, None], tables.sqrt_one_minus_alphas_cumprod[time, None]
    return kept * start + added * noise


@pytest.mark.parametrize("prefix", ["", "betas_"])
def test_noise_is_added_and_found_as_published(prefix: str, basic: Any, helpers: Any) -> None:
    schedule = make_schedule()
    x, time, noise = (helpers.tensor(basic[f"{prefix}in__{name}"]) for name in ("x", "t", "noise"))
    near(noised(x, time, noise), basic[f"{prefix}out__q_sample"], 1e-6)
    starts = [schedule.step_of(int(at)).start_of(x[row], noise[row]) for row, at in enumerate(time)]
    wanted = basic[f"{prefix}out__predict_start"]
    near(torch.stack(starts), wanted, 1e-6, rtol=1e-6)
    wanted = basic[f"{prefix}out__predict_noise"]
    near(schedule.noise_of(x, time, noise), wanted, 2e-6, rtol=1e-5)


@pytest.mark.parametrize("has_betas", [False, True])
def test_the_training_loss_is_the_published_one(has_betas: bool, basic: Any, score_folder: Path, helpers: Any) -> None:
    prefix, schedule = "betas_" if has_betas else "", make_schedule()
    denoiser = helpers.read_denoiser(score_folder, "tiny", has_betas)
    get = {name: helpers.tensor(basic[f"{prefix}in__{name}"]) for name in ("t", "noise", "cond_feats", "gt_pose_aa")}
    start = matrix_to_six(axis_angle_to_matrix(get["gt_pose_aa"].unflatten(-1, (24, 3)))).flatten(1)
    if has_betas:
        scale = BetaScale(helpers.tensor(basic["stats__betas_min"]), helpers.tensor(basic["stats__betas_max"]))
        start = torch.cat([start, scale.shrink(helpers.tensor(basic[f"{prefix}in__gt_betas"]))], dim=-1)
    noisy = noised(start, get["t"], get["noise"])
    with torch.no_grad():
        noise = denoiser(noisy, get["t"], get["cond_feats"])
    near((noise - get["noise"]) ** 2, basic[f"{prefix}out__train_loss_elementwise"], 2e-5, rtol=1e-5)
    starts = [schedule.step_of(int(at)).start_of(noisy[row], noise[row]) for row, at in enumerate(get["t"])]
    wanted = basic[f"{prefix}out__train_pred_x_start"]  # cut, as in plain sampling
    near(torch.stack(starts).clamp(-1.0, 1.0), wanted, 1e-5)


def test_the_body_is_the_published_wrapper(basic: Any, score_folder: Path, helpers: Any) -> None:
    body = helpers.read_body(score_folder.parent)
    matrices, betas = (helpers.tensor(basic[f"body__in_{name}"]) for name in ("rotmat", "betas"))
    near(body.joints_from_matrices(matrices, betas, POINTS), basic["body__out_joints44"][:, : len(POINTS)], 2e-6)
    near(body.vertices_from_matrices(matrices, betas), basic["body__out_vertices"], 2e-6)


def test_rotations_agree(geometry: Any) -> None:
    # The published axis-angle adds 1e-8 to each number before it measures the angle.
    near(axis_angle_to_matrix(geometry["aa"]), geometry["aa_to_rotmat"].numpy(), 2e-6)
    near(matrix_to_six(geometry["aa_to_rotmat"]), geometry["rotmat_to_rot6d"].numpy(), 0.0)
    rows = [row for row in range(len(geometry["rot6d"])) if row not in COLLINEAR]
    near(six_to_matrix(geometry["rot6d"])[rows], geometry["rot6d_to_rotmat"].numpy()[rows], 1e-6)
    batch = six_to_matrix(geometry["rot6d_batch_24"].unflatten(-1, (24, 6)))
    near(batch, geometry["rot6d_batch_24_to_rotmat"].numpy(), 1e-6)


def test_projection_and_crop_camera_agree(geometry: Any) -> None:
    points, shift = geometry["proj_points"], geometry["proj_translation"]
    turned = points @ geometry["proj_rotation"].mT
    focal, centre = geometry["proj_focal"], geometry["proj_center"]
    one = focal[:, :1].expand(-1, 2)
    for found, name in (
        (project_points(turned + shift[:, None], focal, centre), "proj_full"),
        (project_points(points + shift[:, None], focal, centre), "proj_no_rot"),
        (project_points(points + shift[:, None], focal, torch.zeros_like(centre)), "proj_no_center"),
        (project_points(points + shift[:, None], one, centre), "proj_scalar_focal"),
    ):
        near(found, geometry[name].numpy(), 1e-4, rtol=1e-6)
    camera, size, picture = geometry["crop_cam"], geometry["crop_size"], geometry["crop_img_wh"]
    for focal_px, name in ((5000.0, "cam_crop_to_full"), (1000.0, "cam_crop_to_full_f1000")):
        found = translation_from_crop(
            camera[:, 0], camera[:, 1:], geometry["crop_center"], size, torch.full_like(size, focal_px), picture / 2
        )
        near(found, geometry[name].numpy(), 1e-4, rtol=1e-5)


def test_losses_and_their_gradients_agree(geometry: Any) -> None:
    near(gmof(geometry["gmof_x"], 100.0), geometry["gmof_sigma100"].numpy(), 0.0, rtol=1e-6)
    near(gmof(geometry["gmof_x"], 30.0), geometry["gmof_sigma30"].numpy(), 0.0, rtol=1e-6)
    points = geometry["proj_points"].clone().requires_grad_()
    shift = geometry["proj_translation"].clone().requires_grad_()
    loss = keypoint_loss(
        points, shift, geometry["kp_joints2d"], geometry["kp_conf"][..., 0], geometry["proj_focal"],
        geometry["proj_center"], geometry["kp_img_size"],
    )  # fmt: skip
    near(loss.detach(), geometry["kp_loss"].numpy(), 0.0, rtol=1e-5)
    by_points, by_shift = torch.autograd.grad(loss.sum(), [points, shift])
    for found, name in ((by_points, "kp_grad_joints"), (by_shift, "kp_grad_transl")):
        near(found, geometry[name].numpy(), 1e-5 * float(geometry[name].abs().max()), rtol=1e-4)
    near(view_loss(geometry["mv_pose6d"]), geometry["mv_loss"].numpy(), 0.0, rtol=1e-5)
    near(view_gradient(geometry["mv_pose6d"]), geometry["mv_grad"].numpy(), 0.5, rtol=1e-5)
    near(smoothness_loss(geometry["smooth_pose"]), geometry["smooth_loss"].numpy(), 0.0, rtol=1e-5)
    near(smoothness_gradient(geometry["smooth_pose"]), geometry["smooth_grad"].numpy(), 1e-5)


def test_errors_in_millimetres_agree(geometry: Any) -> None:
    get = {name: value.numpy() for name, value in geometry.items()}
    near(find_similarity(get["pa_S1"], get["pa_S2"]).apply(get["pa_S1"]), get["pa_S1_hat"], 2e-5)
    left_m = procrustes_errors(get["pa_S1"], get["pa_S2"]).mean(axis=-1)
    near(1000 * left_m, get["eval_re_mm"], 1e-2)
    near(left_m, get["pa_re"], 1e-5)
    joints, root = [*range(25, 38), 43], 39
    true = get["ev_gt"][:, :, :3]
    for name in ("reg", "opt"):
        found = get["ev_pred" if name == "reg" else "ev_opt"][:, 0]
        errors = root_errors(found[:, joints], true[:, joints], found[:, root], true[:, root])
        near(1000 * errors.mean(axis=-1), get[f"ev_{name}_mpjpe"], 1e-2)
        near(1000 * procrustes_errors(found[:, joints], true[:, joints]).mean(axis=-1), get[f"ev_{name}_re"], 1e-2)


def test_betas_are_scaled_and_samples_packed_as_published(geometry: Any) -> None:
    scale = BetaScale(geometry["betas_min"], geometry["betas_max"])
    near(scale.shrink(geometry["betas"]), geometry["betas_norm"].numpy(), 1e-6)
    near(scale.grow(geometry["betas_norm"]), geometry["betas_roundtrip"].numpy(), 1e-6)
    pose = six_to_matrix(geometry["prep_x"].unflatten(-1, (24, 6))).unflatten(0, (3, 2))
    near(pose[:, :, :1], geometry["prep_ns2_global_orient"].numpy(), 1e-6)
    near(pose[:, :, 1:], geometry["prep_ns2_body_pose"].numpy(), 1e-6)


def test_rows_are_kept_when_the_published_code_keeps_them(geometry: Any) -> None:
    stop = EarlyStop(geometry["es_loss"].shape[1])
    for loss, mask, x, camera in zip(
        geometry["es_loss"], geometry["es_mask"], geometry["es_x"], geometry["es_cam"], strict=True
    ):
        assert torch.equal(stop.observe(loss), mask)
        stop.keep(x, camera)
    pose, camera = stop.settle(geometry["es_x"][-1], geometry["es_cam"][-1])
    assert torch.equal(pose, geometry["es_x0"]) and torch.equal(camera, geometry["es_cam_out"])


def test_the_published_layout_holds_the_weights_that_sampled(score_checkpoint_file: Path, helpers: Any) -> None:
    stored = torch.load(score_checkpoint_file, map_location="cpu", weights_only=True)
    found = denoiser_of(stored, score_checkpoint_file).state_dict()
    wanted = helpers.read_denoiser(min(score_checkpoint_file.parent.glob("seed*")), "tiny").state_dict()
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_released_network_has_the_released_names_and_shapes(score_checkpoint_file: Path) -> None:
    told = json.loads((score_checkpoint_file.parent / "checkpoint_manifest.json").read_text())
    for has_betas in (False, True):
        with torch.device("meta"):
            state = Denoiser(has_betas=has_betas).state_dict()
        shapes = {official_name(name): list(tensor.shape) for name, tensor in state.items()}
        assert shapes == told[f"use_betas={has_betas}"]["FC (denoiser) state_dict"]
