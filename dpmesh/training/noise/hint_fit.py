"""Fits the simulated errors of hints to what a source told of people whose joints are known."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from configs.checks import Shaped
from dpmesh.network.config import HINT_COUNT
from dpmesh.network.hints import MIRRORED_HINTS, normalised_places
from dpmesh.training.noise.hints import LEVELS, HintNoise, visibility_level

COMMON = 10
"""Errors that all joints share: main axes of the covariance."""
AMPLITUDES = 40
LEVEL_JOINTS_MIN = 50
"""Fewer joints of a step of visibility tell nothing of their errors."""


@dataclass(frozen=True, slots=True)
class HintSightings(Shaped):
    """Hints of people beside the truth."""

    places: Annotated[Tensor, "N", 12, 3]  # metres
    visibility: Annotated[Tensor, "N", 12]
    lifted: Annotated[Tensor, "N", 12, 3]  # metres, of the lift from the detector's keypoints
    truth: Annotated[Tensor, "N", 12, 3]  # metres
    state: Annotated[Tensor, "N", 12]  # 0 outside the crop, 1 hidden, 2 visible


def fit_hint_noise(seen: HintSightings) -> HintNoise:
    """Return noise as large as the errors of the sightings, of which mirror images count as well."""
    places, lifted, truth = (
        torch.cat([values, values[:, list(MIRRORED_HINTS)] * values.new_tensor([-1.0, 1.0, 1.0])])
        for values in map(normalised_places, (seen.places, seen.lifted, seen.truth))
    )
    visibility = torch.cat([seen.visibility, seen.visibility[:, list(MIRRORED_HINTS)]])
    told, shared = [], []
    for axis in range(3):
        causes = torch.stack([truth[..., axis].flatten(), (lifted - truth)[..., axis].flatten()], dim=1)
        both = torch.linalg.lstsq(causes, places[..., axis].flatten()[:, None]).solution[:, 0]
        told.append(float(both[0]))
        shared.append(float(both[1]))
    error = places - truth * truth.new_tensor(told) - (lifted - truth) * truth.new_tensor(shared)
    bias = error.mean(0)
    error = error - bias
    level = visibility_level(visibility)
    overall = error.square().mean().sqrt()
    factors = torch.ones(LEVELS)
    for place in range(LEVELS):
        here = error[level == place]
        if len(here) >= LEVEL_JOINTS_MIN:
            factors[place] = here.square().mean().sqrt() / overall
    even = error / factors[level][..., None]
    amplitude = even.square().mean(dim=(1, 2)).sqrt()
    typical = (even / amplitude[:, None, None]).flatten(1)
    covariance = typical.T @ typical / len(typical)
    values, axes = torch.linalg.eigh(covariance)
    common = axes[:, -COMMON:] * values[-COMMON:].clamp_min(0.0).sqrt()
    own = (covariance.diagonal() - common.square().sum(1)).clamp_min(0.0).sqrt().view(HINT_COUNT, 3)
    middles = (torch.arange(AMPLITUDES) + 0.5) / AMPLITUDES
    amplitudes = amplitude.quantile(middles)
    # Who errs much does so in other ways: the squares are to be right on every axis of every joint.
    simulated = own.square() + common.square().sum(1).view(HINT_COUNT, 3)
    simulated = simulated * amplitudes.square().mean() * factors[level].square().mean(0)[:, None]
    missing = (error.square().mean(0) / simulated).sqrt()
    own, common = own * missing, common * missing.flatten()[:, None]
    level = visibility_level(seen.visibility)
    counts = [torch.bincount(level[seen.state == state], minlength=LEVELS) for state in range(3)]
    return HintNoise(
        told=(told[0], told[1], told[2]),
        shared=(shared[0], shared[1], shared[2]),
        bias=_rows(bias),
        common=_rows(common),
        own=_rows(own),
        amplitudes=tuple(amplitudes.tolist()),
        visibility_factors=tuple(factors.tolist()),
        visibility_shares=tuple(tuple((count / count.sum().clamp_min(1)).tolist()) for count in counts),
    )


def _rows(values: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, values.tolist()))
