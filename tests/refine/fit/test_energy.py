"""What each part of the energy counts, by formula."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from configs.schema import RefineSettings
from dpmesh.body import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_six
from refine.fit.energy import HEAVY_TAIL, REFERENCE_HZ, MotionEnergy, heavy_tailed, time_steps_of
from refine.fit.evidence import Piece, gather
from refine.rows.types import TrackFit, TrackRows

CPU = torch.device("cpu")
SETTINGS = RefineSettings()


def piece_of(track: TrackRows) -> Piece:
    rows = np.arange(len(track.time_s))
    start = TrackFit(track.pose, track.betas, track.trans, ~track.is_observed, np.zeros(len(rows), bool))
    return Piece(track, start, rows)


def unknowns(*tracks: TrackRows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    pose, trans = (np.concatenate([getattr(track, name) for track in tracks]) for name in ("pose", "trans"))
    six = matrix_to_six(axis_angle_to_matrix(torch.from_numpy(pose)))
    return six.flatten(1), torch.from_numpy(trans), torch.from_numpy(np.stack([track.betas for track in tracks]))


def test_errors_count_by_square_up_to_the_tail_and_by_length_beyond() -> None:
    length = torch.tensor([0.0, 0.3, 100.0, 101.0])
    found = heavy_tailed(length.square())
    assert found[0] == 0.0
    assert found[1] == pytest.approx(0.3**2, rel=0.01)
    assert found[3] - found[2] == pytest.approx(2.0 * HEAVY_TAIL, rel=1e-2)


def test_steps_count_per_second_and_not_where_rows_are_of_two_windows() -> None:
    steps = time_steps_of(torch.tensor([0.0, 0.1, 0.3, 0.0, 0.2]), torch.tensor([True, True, False, True]))
    assert steps.per_step[[0, 1, 3]].tolist() == pytest.approx([10.0, 5.0, 5.0])
    assert steps.step_weight.tolist() == pytest.approx(
        [0.1 * REFERENCE_HZ, 0.2 * REFERENCE_HZ, 0.0, 0.2 * REFERENCE_HZ]
    )
    assert steps.per_middle[0].item() == pytest.approx(1 / 0.15)
    assert steps.bend_weight.tolist() == pytest.approx([0.15 * REFERENCE_HZ, 0.0, 0.0])


def test_people_who_are_solved_together_have_the_sum_of_their_energies(make_scene: Callable, body: BodyModel) -> None:
    tracks = [make_scene(9, seed=1).track, make_scene(7, seed=2, gap=slice(2, 4)).track]
    energies = []
    for group in (tracks, tracks[:1], tracks[1:]):
        evidence = gather([piece_of(track) for track in group], SETTINGS, CPU)
        x, trans, betas = unknowns(*group)
        energies.append(MotionEnergy(evidence, body, SETTINGS)(x + 0.01, trans + 0.01, betas + 0.1).item())
    assert energies[0] == pytest.approx(energies[1] + energies[2], rel=1e-4)
    assert min(energies) > 1.0


@pytest.mark.parametrize("off_m", [0.01, 0.3])
def test_a_keypoint_off_by_metres_costs_its_weighted_square_levelled_off(
    make_scene: Callable, body: BodyModel, off_m: float
) -> None:
    scene = make_scene(2)
    view = scene.track.views[0]
    true = [np.asarray(part, np.float32) for part in (scene.pose, scene.betas, scene.trans)]
    points = body.joints(*(torch.from_numpy(part) for part in (true[0], np.tile(true[1], (2, 1)), true[2])), "coco17")
    depth, focal = points[..., 2:].numpy(), view.focal_px[:, None, None]
    pixels = focal * points[..., :2].numpy() / depth + view.principal_px[:, None]
    pixels[..., 0] += off_m * view.focal_px[:, None] / true[2][:, 2:]
    keypoints = np.concatenate([pixels, np.full((2, 17, 1), 0.8)], axis=-1).astype(np.float32)
    keypoints[1, 3, 2] = 0.1  # below the threshold
    track = replace(
        scene.track, pose=true[0], betas=true[1], trans=true[2], views=(replace(view, keypoints=keypoints),)
    )
    energy = MotionEnergy(gather([piece_of(track)], SETTINGS, CPU), body, SETTINGS)
    (residuals,) = energy.parts(*unknowns(track)).residuals
    outlier = SETTINGS.keypoint_outlier_m**2
    wanted = np.full((2, 17), 0.8**3 * off_m**2 * outlier / (outlier + off_m**2) / SETTINGS.keypoint_sigma_m**2)
    wanted[1, 3] = 0.0
    np.testing.assert_allclose(residuals.numpy(), wanted, rtol=0.01)


def test_a_body_as_recovered_and_at_rest_costs_its_shape_alone(make_scene: Callable, body: BodyModel) -> None:
    scene = make_scene(5)
    still = replace(scene.track, pose=scene.track.pose[[0] * 5], trans=scene.track.trans[[0] * 5])
    energy = MotionEnergy(gather([piece_of(still)], SETTINGS, CPU), body, SETTINGS)
    x, trans, betas = unknowns(still)
    at_rest = energy.parts(x, trans, betas).prior.item()
    assert at_rest == pytest.approx((betas / 2.0).square().sum().item(), abs=1e-3)
    far, turned = trans.clone(), x.clone()
    far[:, 2] += 0.1
    turned[:, 6:12] = matrix_to_six(axis_angle_to_matrix(still_turned(still)))
    costs = [energy.parts(*now).prior.item() - at_rest for now in ((x, far, betas), (turned, trans, betas))]
    assert costs[0] == pytest.approx(5 * 0.1**2 / (SETTINGS.translation_sigma * trans[0, 2].item()) ** 2, rel=0.01)
    confidence = 0.1 + 0.9 * 0.8
    assert costs[1] == pytest.approx(5 * confidence * 0.1**2 / SETTINGS.pose_sigma_rad**2, rel=0.02)
    shaped = energy.parts(x, trans, betas + 0.2).prior.item()
    wanted = ((betas + 0.2) / 2.0).square().sum().item() + 10 * (0.2 / SETTINGS.shape_sigma) ** 2
    assert shaped == pytest.approx(wanted, rel=0.01)


def still_turned(track: TrackRows) -> torch.Tensor:
    """Return the rotations of the first joint after the root, each turned by a tenth of a radian."""
    pose = torch.from_numpy(track.pose[:, 1])
    return pose * (1.0 + 0.1 / pose.norm(dim=-1, keepdim=True))


def test_shaken_and_hasty_motion_costs_more_than_steady_motion(make_scene: Callable, body: BodyModel) -> None:
    scene = make_scene(6)
    still = replace(scene.track, pose=scene.track.pose[[0] * 6], trans=scene.track.trans[[0] * 6])
    free = SETTINGS.model_copy(update={"translation_sigma": 1e6})
    energy = MotionEnergy(gather([piece_of(still)], free, CPU), body, free)
    x, trans, betas = unknowns(still)
    along = torch.arange(6.0)[:, None] / 30.0 * torch.tensor([1.0, 0.0, 0.0])
    shake = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])[:, None] * torch.tensor([0.01, 0.0, 0.0])

    def cost(shift: torch.Tensor) -> float:
        return energy.parts(x, trans + shift, betas).prior.item()

    rest = cost(torch.zeros(6, 3))
    assert cost(along) == pytest.approx(rest, abs=1e-3)  # a steady walk is free
    assert cost(shake) > rest + 0.05
    too_fast = free.speed_max + 1.0
    assert cost(too_fast * along) == pytest.approx(rest + 5 * (1.0 / 0.5) ** 2, rel=0.01)


def test_a_hand_whose_turning_speeds_up_costs_its_angular_acceleration(make_scene: Callable, body: BodyModel) -> None:
    track = make_scene(7).track
    free = SETTINGS.model_copy(update={"pose_sigma_rad": 1e6})
    still = replace(track, pose=track.pose[[0] * 7], trans=track.trans[[0] * 7])
    energy = MotionEnergy(gather([piece_of(still)], free, CPU), body, free)
    _, trans, betas = unknowns(still)

    def cost(angle_rad: np.ndarray) -> float:
        pose = still.pose.copy()
        pose[:, 22] = 0.0  # a hand: no other joint moves with it
        pose[:, 22, 1] = angle_rad
        return energy.parts(unknowns(replace(still, pose=pose))[0], trans, betas).prior.item()

    seconds, rest = np.arange(7) / 30.0, cost(np.zeros(7))
    assert cost(3.0 * seconds) == pytest.approx(rest, abs=1e-3)  # a steady turn is free
    ratio = 0.2
    found = cost(0.5 * ratio * free.turn_acceleration * seconds**2) - rest
    assert found == pytest.approx(5 * heavy_tailed(torch.tensor(ratio**2)).item(), rel=0.03)


def test_a_camera_that_is_turned_and_elsewhere_sees_a_true_body_where_its_keypoints_are(
    make_scene: Callable, watched: Callable, body: BodyModel
) -> None:
    scene = make_scene(3)
    turn, shift = Rotation.from_rotvec([0.1, 0.7, -0.2]).as_matrix(), np.array([-2.5, 0.3, 1.2])
    rng = np.random.default_rng(0)
    view = watched(body, scene.pose, scene.betas, scene.trans, rng, turn, shift, noise_px=0.0)
    true = {name: getattr(scene, name).astype(np.float32) for name in ("pose", "betas", "trans")}
    track = replace(scene.track, **true, views=(view,))
    energy = MotionEnergy(gather([piece_of(track)], SETTINGS, CPU), body, SETTINGS)
    (residuals,) = energy.parts(*unknowns(track)).residuals
    assert residuals.max() < 1e-4
    x, trans, betas = unknowns(track)
    assert energy.parts(x, trans + torch.tensor([0.1, 0.0, 0.0]), betas).residuals[0].min() > 0.1
