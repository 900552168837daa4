"""Inversion and sampling with score models that can be worked out by hand."""

import pytest
import torch
from torch import Tensor

from refine.prior.schedule import make_schedule
from refine.scorehmr.guidance import EarlyStop, smoothness_gradient, smoothness_loss, view_gradient, view_loss
from refine.scorehmr.published import PublishedSettings
from refine.scorehmr.sampler import ddim_denoise, ddim_invert, time_grid


class Pull:
    """Guidance towards a pose."""

    def __init__(self, goal: Tensor, weight: float) -> None:
        self.goal, self.weight = goal, weight
        self.seen = 0

    def gradient(self, start: Tensor, time: int) -> Tensor:
        return self.weight * (start - self.goal)

    def keep(self, start: Tensor) -> None:
        self.seen += 1


def exact_score(clean: Tensor) -> object:
    """Return the score of a distribution that holds one pose per row."""
    schedule = make_schedule()

    def noise(x: Tensor, time: int) -> Tensor:
        factors = schedule.step_of(time)
        return (factors.to_start * x - clean) / factors.noise_to_start

    return noise


def test_without_guidance_the_pose_that_went_up_comes_back() -> None:
    clean, times, schedule = torch.randn(3, 144, generator=torch.Generator().manual_seed(0)), time_grid(50, 2), None
    schedule = make_schedule()
    score, idle = exact_score(clean), Pull(clean, 0.0)
    up = ddim_invert(score, schedule, clean, times)
    down, start = ddim_denoise(score, schedule, up, times[::-1], idle)
    assert idle.seen == 25
    torch.testing.assert_close(start, clean, atol=1e-5, rtol=0)
    torch.testing.assert_close(down, clean, atol=2e-2, rtol=0)  # time 0 holds a little noise


def test_guidance_moves_the_clean_pose_by_its_share_of_noise() -> None:
    clean, schedule = torch.zeros(1, 144), make_schedule()
    kept = schedule.alphas_cumprod[50].double()
    _, start = ddim_denoise(exact_score(clean), schedule, clean, [50, 48], Pull(torch.ones(1, 144), 1.0))
    torch.testing.assert_close(start, torch.full_like(clean, float((1 - kept) / kept)), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("start", "step", "last"), [(50, 2, 50), (45, 7, 42), (100, 10, 100)])
def test_the_grid_of_times_ends_at_or_below_its_start(start: int, step: int, last: int) -> None:
    assert time_grid(start, step)[0] == 0 and time_grid(start, step)[-1] == last


def test_a_grid_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="step 60, start 50"):
        time_grid(50, 60)


def test_written_gradients_are_those_of_the_losses() -> None:
    poses = torch.randn(5, 144, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    for loss, gradient in ((smoothness_loss, smoothness_gradient), (view_loss, view_gradient)):
        (wanted,) = torch.autograd.grad(loss(poses).sum(), poses)
        torch.testing.assert_close(gradient(poses.detach()), wanted)


def test_one_frame_has_no_steps() -> None:
    assert smoothness_loss(torch.ones(1, 144)).shape == (0,)
    assert torch.equal(smoothness_gradient(torch.ones(1, 144)), torch.zeros(1, 144))


def test_only_the_first_standstill_is_kept() -> None:
    stop, losses = EarlyStop(2), [[5.0, 5.0], [5.0, 4.0], [4.0, 3.0], [4.0, 3.0]]
    for step, loss in enumerate(losses):
        stop.observe(torch.tensor(loss))
        stop.keep(torch.full((2, 144), float(step)), torch.full((2, 3), float(step)))
    pose, camera = stop.settle(torch.full((2, 144), 9.0), torch.full((2, 3), 9.0))
    assert pose[:, 0].tolist() == [1.0, 3.0] and camera[:, 0].tolist() == [1.0, 3.0]


def test_settings_that_guide_by_nothing_or_by_too_much_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing guides"):
        PublishedSettings()
    with pytest.raises(ValueError, match="never combined"):
        PublishedSettings(has_keypoints=True, has_smoothness=True, has_views=True)
