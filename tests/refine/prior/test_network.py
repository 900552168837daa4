"""The motion prior: what it is told, what it may see, and tracks as it sees them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from configs.errors import WeightsError
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_six, six_to_matrix
from refine.prior.conditions import BONE_COUNT, NUMBERS, MotionConditions
from refine.prior.network import MotionPrior
from refine.prior.posterior_mean import describe, with_posterior_mean
from refine.rows.bones import bone_directions
from refine.rows.types import TrackRows, ViewRows
from refine.rows.windows import Window

CPU = torch.device("cpu")
LAST = 999


@pytest.fixture
def prior() -> MotionPrior:
    torch.manual_seed(0)
    network = MotionPrior(width=16, layers=2, heads=2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def told(track: TrackRows, *windows: Window) -> MotionConditions:
    return describe([track], windows or [Window(0, 0, len(track.time_s))], CPU)


def ask(prior: MotionPrior, conditions: MotionConditions, **kwargs: torch.Tensor) -> torch.Tensor:
    times = torch.full((len(conditions.recovered),), LAST)
    with torch.no_grad():
        return prior.forward(torch.zeros_like(conditions.recovered), times, conditions, **kwargs)[0]


def test_bones_are_told_in_window_axes_to_a_prior_that_reads_them(prior: MotionPrior, make_scene: Callable) -> None:
    track = make_scene(12).track
    hints = np.zeros((12, 12, 4), np.float32)
    hints[:, :, :3], hints[3:, :, 3] = np.random.default_rng(0).normal(size=(12, 3)), 0.8
    given = told(replace(track, views=(replace(track.views[0], hints=hints),)))
    bones = given.numbers[0, :, NUMBERS:]
    directions, weights = bones[:, :-BONE_COUNT].unflatten(-1, (BONE_COUNT, 3)), bones[:, -BONE_COUNT:]
    assert not bones[:3].any() and (weights[3:] == 0.8).all()
    torch.testing.assert_close(directions[3:].norm(dim=-1), weights[3:], atol=1e-5, rtol=0)
    found = bone_directions(hints[5:6], track.views[0].keypoints[5:6], *camera_of(track)).directions[0]
    in_camera = given.camera_from_window[0] @ directions[5].mT / 0.8
    np.testing.assert_allclose(in_camera.mT, found, atol=1e-5)
    assert torch.equal(ask(prior, given), ask(prior, told(track)))
    torch.manual_seed(0)
    reader = MotionPrior(width=16, layers=2, heads=2, has_bones=True)
    torch.nn.init.normal_(reader.change.weight)
    assert not torch.allclose(ask(reader, given), ask(reader, told(track)))


def camera_of(track: TrackRows) -> tuple[np.ndarray, np.ndarray]:
    return track.views[0].focal_px[5:6], track.views[0].principal_px[5:6]


def test_window_axes_and_back_leave_poses_as_they_were(make_scene: Callable) -> None:
    track = make_scene(12).track
    conditions = told(track)
    poses = matrix_to_six(axis_angle_to_matrix(torch.from_numpy(track.pose.astype(np.float32))))[None]
    moved = conditions.to_window(poses)
    assert float((moved[:, :, 0] - poses[:, :, 0]).abs().max()) > 1e-3
    torch.testing.assert_close(conditions.to_camera(moved), poses, atol=1e-6, rtol=0)


def test_what_is_told_depends_neither_on_the_pictures_size_nor_on_where_the_person_stands(
    make_scene: Callable,
) -> None:
    track = make_scene(12).track
    (view,) = track.views
    larger = view.keypoints * np.array([2.0, 2.0, 1.0])
    zoomed = replace(track, views=(ViewRows(larger, 2.0 * view.focal_px, 2.0 * view.principal_px),))
    torch.testing.assert_close(told(zoomed).numbers, told(track).numbers, atol=1e-4, rtol=0)

    # The same rays and root, turned about the camera: only the axes' own twist about the ray may differ.
    turn = Rotation.from_rotvec([0.0, 0.15, 0.0]).as_matrix()
    rays = np.concatenate([(view.keypoints[..., :2] - view.principal_px[:, None]) / view.focal_px[:, None, None],
                           np.ones((*view.keypoints.shape[:2], 1))], axis=-1) @ turn.T  # fmt: skip
    pixels = rays[..., :2] / rays[..., 2:] * view.focal_px[:, None, None] + view.principal_px[:, None]
    root = matrix_to_axis_angle(
        torch.from_numpy(turn) @ axis_angle_to_matrix(torch.from_numpy(track.pose[:, 0].astype(np.float64)))
    ).numpy()
    moved = replace(
        track,
        pose=np.concatenate([root[:, None], track.pose[:, 1:]], axis=1),
        views=(ViewRows(np.concatenate([pixels, view.keypoints[..., 2:]], -1), view.focal_px, view.principal_px),),
    )
    torch.testing.assert_close(told(moved).numbers, told(track).numbers, atol=0.03, rtol=0)


def test_rows_that_were_not_observed_are_bridged_and_not_read(make_scene: Callable, prior: MotionPrior) -> None:
    track = make_scene(20, gap=slice(8, 12)).track
    pose = track.pose.copy()
    pose[8:12] = 9.0
    keypoints = track.views[0].keypoints.copy()
    keypoints[8:12] = 5.0
    spoilt = replace(track, pose=pose, views=(replace(track.views[0], keypoints=keypoints),))
    conditions = told(spoilt)
    assert not conditions.numbers[0, 8:12].any()
    between = torch.lerp(conditions.recovered[0, 7], conditions.recovered[0, 12], 0.4)
    torch.testing.assert_close(conditions.recovered[0, 9], between, atol=1e-5, rtol=0)
    torch.testing.assert_close(ask(prior, conditions), ask(prior, told(track)), atol=1e-4, rtol=0)


def test_a_window_that_was_filled_up_gives_the_same_rows(make_scene: Callable, prior: MotionPrior) -> None:
    track = make_scene(30).track
    short, both = Window(0, 0, 11), told(track, Window(0, 0, 11), Window(0, 0, 30))
    torch.testing.assert_close(ask(prior, both)[0, :11], ask(prior, told(track, short))[0], atol=1e-5, rtol=0)


def test_a_window_that_is_told_nothing_does_not_see_its_conditions(make_scene: Callable, prior: MotionPrior) -> None:
    scenes = [make_scene(20, seed=seed).track for seed in (1, 2)]
    deaf = torch.zeros(1, dtype=torch.bool)
    one, other = (ask(prior, told(track), is_conditioned=deaf) for track in scenes)
    torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    assert float((ask(prior, told(scenes[0])) - one).abs().max()) > 0.1


def test_little_noise_leaves_the_poses_and_much_leaves_what_was_recovered(make_scene: Callable) -> None:
    plain = MotionPrior(width=16, layers=1, heads=2).eval()  # its change is zero
    conditions = told(make_scene(15).track)
    true = torch.randn_like(conditions.recovered)
    made = [plain.forward(true, torch.tensor([time]), conditions)[0] for time in (0, LAST)]
    torch.testing.assert_close(made[0], true, atol=0.02, rtol=0.02)
    torch.testing.assert_close(made[1], conditions.recovered, atol=1e-3, rtol=0)


def test_an_untrained_prior_leaves_a_track_as_it_is_in_any_camera(make_scene: Callable) -> None:
    plain = MotionPrior(width=16, layers=1, heads=2).eval()
    track = make_scene(100).track
    turn = Rotation.from_rotvec([0.2, -0.4, 0.1]).as_matrix()
    view = replace(track.views[0], rotation=turn, shift_m=np.zeros(3))
    for each in (track, replace(track, views=(view,))):
        (found,) = with_posterior_mean([each], plain, break_s=1.0, batch_rows=128, device=CPU)
        wanted = axis_angle_to_matrix(torch.from_numpy(each.pose.astype(np.float32)))
        torch.testing.assert_close(
            axis_angle_to_matrix(torch.from_numpy(found.pose)), wanted, atol=2e-3, rtol=0
        )  # fmt: skip
        assert found.pose_sigma_rad is not None
        np.testing.assert_allclose(found.pose_sigma_rad, 0.2, atol=1e-4)


def test_rows_of_fast_video_are_seen_at_a_rate_that_the_prior_knows(prior: MotionPrior, make_scene: Callable) -> None:
    track = make_scene(100).track
    fast = replace(track, time_s=track.time_s * 30 / 135)
    (found,) = with_posterior_mean([fast], prior, break_s=1.0, batch_rows=128, device=CPU)
    for first in range(3):
        rows = slice(first, None, 3)
        view = replace(
            track.views[0],
            keypoints=track.views[0].keypoints[rows],
            focal_px=track.views[0].focal_px[rows],
            principal_px=track.views[0].principal_px[rows],
        )
        third = replace(
            fast,
            time_s=fast.time_s[rows],
            pose=track.pose[rows],
            trans=track.trans[rows],
            joint_confidence=track.joint_confidence[rows],
            is_observed=track.is_observed[rows],
            views=(view,),
        )
        (alone,) = with_posterior_mean([third], prior, break_s=1.0, batch_rows=128, device=CPU)
        np.testing.assert_allclose(found.pose[rows], alone.pose, atol=1e-5)
        assert found.pose_sigma_rad is not None and alone.pose_sigma_rad is not None
        np.testing.assert_allclose(found.pose_sigma_rad[rows], alone.pose_sigma_rad, atol=1e-5)


def test_weights_come_back_from_a_folder_and_a_damaged_folder_is_named(prior: MotionPrior, tmp_path: Path) -> None:
    prior.to(torch.float16).save_pretrained(tmp_path / "prior")
    found = MotionPrior.from_pretrained(tmp_path / "prior")
    torch.testing.assert_close(found.change.weight, prior.change.weight.float())
    assert six_to_matrix(found.usual).shape == (24, 3, 3)
    (tmp_path / "prior" / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"prior: holds no score model .*train motion-prior"):
        MotionPrior.from_pretrained(tmp_path / "prior")


def test_where_a_window_saw_nobody_the_line_between_its_ends_stays(prior: MotionPrior, make_scene: Callable) -> None:
    track = make_scene(260, gap=slice(100, 240)).track
    (found,) = with_posterior_mean([track], prior, break_s=9.0, batch_rows=128, device=CPU)
    unseen = slice(150, 195)  # in windows without an observed row alone
    np.testing.assert_allclose(found.pose[unseen], track.pose[unseen], atol=1e-5)
    assert np.abs(found.pose[:100] - track.pose[:100]).max() > 1e-2
