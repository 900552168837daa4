"""A noise that is fitted to simulated hints is the one that they were simulated with."""

from dataclasses import replace

import pytest
import torch
from exact_hints import EXACT_HINTS

from dpmesh.network.hints import HINT_OF_24, normalised_places
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.hint_fit import HintSightings, fit_hint_noise
from dpmesh.training.noise.hints import HintNoise, noisy_hints, true_hints
from dpmesh.training.people.crops import Crops

UNEQUAL = replace(
    EXACT_HINTS,
    told=(1.0, 1.0, 0.8),
    shared=(0.2, 0.4, 0.6),
    common=tuple((0.5, 0.0) if row % 3 == 2 else (0.0, 0.3) for row in range(36)),
    own=((0.4, 0.4, 0.8),) * 12,
    amplitudes=(0.05, 0.1, 0.2),
    visibility_factors=(2.0, 1.0, 1.0, 1.0, 0.8),
)


@pytest.fixture
def sightings(many_crops: Crops) -> HintSightings:
    everybody = Crops.join([many_crops] * 10)
    rng = Rng((0,))
    truth = true_hints(everybody)
    lifted = normalised_places(truth) + rng.normal(0.05, len(truth), 12, 3)
    hints = noisy_hints(everybody, lifted, UNEQUAL, rng)
    state = everybody.visible30[:, HINT_OF_24]
    return HintSightings(hints[..., :3], hints[..., 3], lifted, truth, state)


def test_the_fit_finds_what_is_shared_and_how_large_the_rest_is(sightings: HintSightings) -> None:
    found = fit_hint_noise(sightings)
    assert found.told == pytest.approx((1.0, 1.0, 0.8), abs=0.1)
    assert found.shared == pytest.approx((0.2, 0.4, 0.6), abs=0.1)
    assert torch.tensor(found.bias).abs().max() < 0.02
    assert 1.5 < found.amplitudes[-2] / found.amplitudes[len(found.amplitudes) // 2] < 3.0
    assert found.scale == (1.0, 1.0, 1.0)


def test_people_with_the_fitted_noise_err_as_those_before(sightings: HintSightings, many_crops: Crops) -> None:
    def spread(noise: HintNoise) -> torch.Tensor:
        people, lifted = Crops.join([many_crops] * 10), sightings.lifted
        truth = normalised_places(true_hints(people))
        return (noisy_hints(people, lifted, noise, Rng((1,)))[..., :3] - truth).square().mean((0, 1)).sqrt()

    torch.testing.assert_close(spread(fit_hint_noise(sightings)), spread(UNEQUAL), rtol=0.3, atol=0.0)
