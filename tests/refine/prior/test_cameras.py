"""What the motion prior is told of a person whom several cameras see."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from refine.guided.denoiser import CameraDenoisers, WindowDenoiser
from refine.prior.cameras import CAMERAS_MAX, joined_cameras, mean_of_cameras, one_camera_each
from refine.prior.network import MotionPrior
from refine.prior.posterior_mean import with_posterior_mean
from refine.rows.types import TrackRows
from refine.rows.windows import Window

CPU = torch.device("cpu")


@pytest.fixture
def prior() -> MotionPrior:
    torch.manual_seed(0)
    prior = MotionPrior(width=32, layers=1, heads=2).eval()
    torch.nn.init.normal_(prior.change.weight, std=0.05)
    return prior


def in_cameras(track: TrackRows, turns: list[Rotation], share: list[float]) -> TrackRows:
    """Return a track before cameras that are turned about the person, with a share of the confidence each."""
    views = []
    for turn, part in zip(turns, share, strict=True):
        keypoints = track.views[0].keypoints.copy()
        keypoints[..., 2] *= part
        views.append(replace(track.views[0], keypoints=keypoints, rotation=turn.as_matrix(), shift_m=np.zeros(3)))
    return replace(track, views=tuple(views))


def test_cameras_that_see_most_come_first_and_see_only_their_rows(make_scene: Callable) -> None:
    track = in_cameras(make_scene(12).track, [Rotation.identity()] * 6, [0.5, 1.0, 0.6, 0.7, 0.8, 0.9])
    track.views[1].keypoints[:3] = 0.0
    found = one_camera_each(track)
    assert len(found) == CAMERAS_MAX
    sure = [part.views[0].keypoints[..., 2].sum() for part in found]
    assert sure == sorted(sure, reverse=True)
    for part in found:
        assert np.array_equal(part.is_observed, part.views[0].keypoints[..., 2].any(axis=1))
    alone = make_scene(12).track
    assert one_camera_each(alone) == [alone]


def test_the_mean_of_cameras_counts_the_sure_ones_and_is_as_sure_as_they_are() -> None:
    poses, sigmas = [torch.zeros(1, 2), torch.full((1, 2), 3.0)], [torch.full((1,), 0.1), torch.full((1,), 0.2)]
    mean, sigma = mean_of_cameras(poses, sigmas)  # precisions 100 and 25
    torch.testing.assert_close(mean, torch.full((1, 2), 0.6))
    torch.testing.assert_close(sigma, torch.tensor([62.5]).rsqrt())


def test_cameras_that_tell_the_same_change_nothing(make_scene: Callable, prior: MotionPrior) -> None:
    track = replace(make_scene(16).track, pose_sigma_rad=np.full((16, 24), 0.3, np.float32))
    found = joined_cameras([track, track], track)
    turned = Rotation.from_rotvec(found.pose.reshape(-1, 3)).inv() * Rotation.from_rotvec(track.pose.reshape(-1, 3))
    assert turned.magnitude().max() < 1e-3
    np.testing.assert_allclose(found.pose_sigma_rad, 0.3, rtol=1e-5)


def test_the_posterior_mean_of_two_cameras_lies_between_theirs(make_scene: Callable, prior: MotionPrior) -> None:
    turns = [Rotation.identity(), Rotation.from_euler("y", 80, degrees=True)]
    track = in_cameras(make_scene(16).track, turns, [1.0, 0.9])

    def mean_of(each: TrackRows) -> np.ndarray:
        return with_posterior_mean([each], prior, break_s=0.5, batch_rows=64, device=CPU)[0].pose

    both, first, second = mean_of(track), *(mean_of(replace(track, views=(view,))) for view in track.views)
    apart = [
        (Rotation.from_rotvec(a[:, 0]).inv() * Rotation.from_rotvec(b[:, 0])).magnitude().max()
        for a, b in ((first, second), (both, first), (both, second))
    ]
    assert apart[0] > 0.01 and max(apart[1:]) < apart[0]


def test_denoisers_of_cameras_answer_in_the_axes_of_the_first(make_scene: Callable, prior: MotionPrior) -> None:
    turns = [Rotation.identity(), Rotation.from_euler("y", 80, degrees=True)]
    track, window = in_cameras(make_scene(12).track, turns, [1.0, 0.9]), [Window(0, 0, 12)]
    both = CameraDenoisers(prior, [track], window, CPU)
    alone = [WindowDenoiser(prior, [part], window, CPU) for part in one_camera_each(track)]
    x = torch.randn(12, 24, 6, generator=torch.Generator().manual_seed(0))
    time = torch.full((12,), 300)
    turned = alone[0].to_track(x)
    said = [each(each.to_window(turned), time, 1.0) for each in alone]
    wanted, sigma = mean_of_cameras(
        [each.to_track(clean.poses) for each, clean in zip(alone, said, strict=True)], [c.sigma_rad for c in said]
    )
    found = both(x, time, 1.0)
    torch.testing.assert_close(both.to_track(found.poses), wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.sigma_rad, sigma)
    assert float((said[0].poses - found.poses).abs().max()) > 1e-3
