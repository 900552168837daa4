"""Simulated hints: their errors are those of the noise, in the axes of the crop."""

from dataclasses import replace

import pytest
import torch
from exact_hints import EXACT_HINTS
from torch import Tensor

from dpmesh.network.hints import HINT_JOINTS, HINT_OF_24, hint_sizes, mirrored_hints, normalised_places
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.hints import HintNoise, noisy_hints, true_hints
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import mirrored

LEFT, RIGHT = (HINT_JOINTS.index(f"{side}_hip") for side in ("left", "right"))


def of(crops: Crops, noise: HintNoise, seed: int = 0) -> Tensor:
    """Return hints of people whom the lift sees as they are."""
    return noisy_hints(crops, true_hints(crops), noise, Rng((seed,)))


def test_without_errors_hints_are_the_truth_of_one_size(many_crops: Crops) -> None:
    hints = of(many_crops, EXACT_HINTS)
    torch.testing.assert_close(hints[..., :3], normalised_places(true_hints(many_crops)))
    whole = torch.cat([hints[..., :3], torch.ones(len(hints), 12, 1)], dim=-1)
    torch.testing.assert_close(hint_sizes(whole), torch.ones(len(hints)))
    torch.testing.assert_close(hints[:, LEFT, :3], -hints[:, RIGHT, :3])


def test_the_truth_lies_where_the_crop_shows_it(many_crops: Crops) -> None:
    truth, joints = true_hints(many_crops), many_crops.joints30_px
    shown = joints[:, 16] - joints[:, 17]
    apart = (truth[:, 0] - truth[:, 1])[:, :2]
    is_wide = shown.norm(dim=-1) > 20.0
    assert is_wide.sum() > 10
    assert torch.nn.functional.cosine_similarity(apart, shown)[is_wide].min() > 0.9


class AlwaysHeads(Rng):
    """Throws a coin that falls on one side."""

    def coin(self, probability: object, *shape: int) -> Tensor:
        return torch.ones(shape, dtype=torch.bool)


def test_mirrored_people_have_mirrored_hints(many_crops: Crops) -> None:
    turned = mirrored(many_crops, AlwaysHeads((0,)), has_images=False)
    hints = torch.cat([true_hints(many_crops), torch.ones(len(many_crops), 12, 1)], dim=-1)
    torch.testing.assert_close(mirrored_hints(hints)[..., :3], true_hints(turned), atol=1e-4, rtol=1e-4)


def test_visibility_tells_hidden_joints_and_everybody_keeps_one(many_crops: Crops) -> None:
    told = of(many_crops, EXACT_HINTS)[..., 3]
    state = many_crops.visible30[:, HINT_OF_24]
    given = told > 0
    assert 0.5 < given.float().mean() < 1.0 and given.any(1).all()
    assert told[given & (state == 2)].min() > 0.8 and told[given & (state == 1)].max() <= 0.6


def test_hints_share_the_error_of_the_lift(many_crops: Crops) -> None:
    truth = normalised_places(true_hints(many_crops))
    lifted = truth + torch.tensor([0.0, 0.0, 0.1]) * torch.arange(12)[:, None] / 11
    lifted = normalised_places(lifted - 0.5 * (lifted[:, LEFT] + lifted[:, RIGHT])[:, None])
    hints = noisy_hints(many_crops, lifted, replace(EXACT_HINTS, shared=(0.5, 0.5, 0.5)), Rng((2,)))
    torch.testing.assert_close(hints[..., :3] - truth, 0.5 * (lifted - truth), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_errors_have_the_size_that_is_asked_for(many_crops: Crops, axis: int) -> None:
    own, scale = ((0.1, 0.1, 0.1),) * 12, [0.0, 0.0, 0.0]
    scale[axis] = 0.5
    noise = replace(EXACT_HINTS, own=own, amplitudes=(0.5, 1.0), scale=(scale[0], scale[1], scale[2]))
    error = of(many_crops, noise, 3)[..., :3] - normalised_places(true_hints(many_crops))
    expected = 0.1 * 0.5 * ((0.5**2 + 1.0) / 2) ** 0.5 * 1.5**0.5  # the hips, too, are elsewhere
    assert float(error[:, :6, axis].std()) == pytest.approx(expected, rel=0.1)
    assert error[..., [place for place in range(3) if place != axis]].abs().max() < 1e-5


def test_the_noise_that_was_measured_is_at_hand() -> None:
    measured = HintNoise.read()
    assert len(measured.common) == 36 and len(measured.bias) == 12
    assert all(0.0 < scale <= 1.0 for scale in measured.scale)
    assert measured.visibility_shares[2][-1] > measured.visibility_shares[0][-1]
    assert HintNoise(**measured.to_mapping()).to_mapping() == measured.to_mapping()
