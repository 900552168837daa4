"""A track through the published sampler with our score model."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from refine.prior.network import MotionPrior
from refine.prior.posterior_mean import describe
from refine.prior.schedule import make_schedule
from refine.prior.score import PreparedPrior
from refine.rows.windows import Window
from refine.scorehmr.track import refine_published_track


@pytest.fixture
def plain() -> MotionPrior:
    """An untrained prior: clean poses are the noisy ones, nearer to the recovered the more noise there is."""
    return MotionPrior(width=16, layers=1, heads=2).eval()


def test_the_noise_is_what_stands_between_the_poses_and_the_clean_ones(
    make_scene: Callable, plain: MotionPrior
) -> None:
    track = make_scene(14).track
    conditions = describe([track], [Window(0, 0, 6), Window(0, 6, 14)], torch.device("cpu"))
    schedule, time = make_schedule(), 300
    score = PreparedPrior(plain, conditions, schedule)
    x = torch.randn(14, 144, generator=torch.Generator().manual_seed(0))
    noise = score(x, time)
    windows = x.new_zeros(2, 8, 24, 6)
    windows[0, :6], windows[1] = x[:6].unflatten(-1, (24, 6)), x[6:].unflatten(-1, (24, 6))
    with torch.no_grad():
        clean, _ = plain.forward(conditions.to_window(windows), torch.tensor([time, time]), conditions)
    wanted = torch.cat([conditions.to_camera(clean)[0, :6], conditions.to_camera(clean)[1]]).flatten(1)
    torch.testing.assert_close(schedule.step_of(time).start_of(x, noise), wanted, atol=1e-4, rtol=0)


def test_a_track_comes_back_nearer_to_its_keypoints(make_scene: Callable, plain: MotionPrior) -> None:
    scene = make_scene(12)
    before = scene.track.pose.copy()
    found = refine_published_track(scene.track, scene.body, plain)
    assert np.array_equal(scene.track.pose, before)
    shake = [np.abs(np.diff(scene.joints(m.pose, m.trans), 2, axis=0)).mean() for m in (found, scene.track)]
    assert shake[0] < 0.7 * shake[1]
    assert np.array_equal(found.betas, scene.track.betas.astype(np.float32)) and found.is_refined.all()


def test_several_cameras_are_refused(make_scene: Callable, plain: MotionPrior) -> None:
    scene = make_scene(5)
    with pytest.raises(ValueError, match="knows one camera, got 2"):
        refine_published_track(replace(scene.track, views=scene.track.views * 2), scene.body, plain)
