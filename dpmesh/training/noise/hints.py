"""Hints in 3D as another source would give them for simulated people; see `dpmesh.network.hints` for their axes."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from dpmesh.network.config import HINT_COUNT
from dpmesh.network.hints import HINT_OF_24, about_hips, hint_places, normalised_places
from dpmesh.training.engine.rng import Rng

DATA = Path(__file__).parents[2] / "data" / "hint_noise.json"
LEVELS = 5
"""Equal steps of visibility, 0 to 1, that errors are told apart by."""
MISSED_MAX_M = 0.4
"""Errors of the lift beyond this, on each axis, are keypoints of somebody else."""
STRAY_RATE, STRAY_KEPT = 0.15, (0.15, 0.9)
"""Share of people who lose joints at random, and which share of them then stays."""

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class HintNoise:
    """Errors of hints, of people of size 1 (`hint_sizes`), in metres; `scale` brings them to the size wanted.

    A hint is truth * told + (lifted - truth) * shared + bias and an error of its own, which is
    (common @ normal + own * normal) * amplitude of the person * factor of the joint's visibility.
    """

    told: tuple[float, float, float]  # share of the true x, y, z that is told, on average
    shared: tuple[float, float, float]  # share of the error of the lift from keypoints, which sees the same person
    bias: Matrix  # (12, 3) mean error
    common: Matrix  # (36, F) of all joints together
    own: Matrix  # (12, 3) deviation of what joints do not share
    amplitudes: tuple[float, ...]  # of people, each equally frequent
    visibility_factors: tuple[float, ...]  # (5,) on the error of joints, by steps of visibility
    visibility_shares: Matrix  # (3, 5) of joints outside the crop, hidden, visible
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of the errors of its own along x, y, z on real people
    drawn_share: float = 0.0  # of people whose errors are as large as on drawn ones, where they were measured

    @classmethod
    def read(cls, path: Path = DATA) -> "HintNoise":
        """Return the noise that was measured, as `dpmesh-video data hint-errors` wrote it."""
        found = json.loads(path.read_text())["noise"]
        return cls(**{field.name: _tuples(found[field.name]) for field in fields(cls)})

    def to_mapping(self) -> dict[str, Any]:
        """Return what is written to a file, rounded."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


class KnownPeople(Protocol):
    """People of whom is known where their joints are: `Crops`, or the truth of a batch."""

    @property
    def joints30_cam(self) -> Tensor:
        """(R, 30, 3) metres."""

    @property
    def camera_from_crop(self) -> Tensor:
        """(R, 3, 3)."""

    @property
    def visible30(self) -> Tensor:
        """(R, 30) 0 outside the crop, 1 hidden, 2 visible."""


def true_hints(people: KnownPeople) -> Tensor:
    """Return where the joints of hints (R, 12, 3) are, in metres."""
    return hint_places(people.joints30_cam @ people.camera_from_crop)


def noisy_hints(people: KnownPeople, lifted: Tensor, noise: HintNoise, rng: Rng) -> Tensor:
    """Return hints (R, 12, 4) of people as the source would give them.

    Args:
        people: who is seen.
        lifted: (R, 12, 3) where the lift takes the joints to be from keypoints alone, metres.
        noise: how wrong the source is.
        rng: what draws.
    """
    truth = normalised_places(true_hints(people))
    missed = (normalised_places(lifted) - truth).clamp(-MISSED_MAX_M, MISSED_MAX_M)
    rows = len(truth)
    visibility = _visibility(people.visible30[:, HINT_OF_24], noise, rng)
    level = visibility_level(visibility)
    common, own = truth.new_tensor(noise.common), truth.new_tensor(noise.own)
    error = (rng.normal(1.0, rows, common.shape[1]) @ common.T).unflatten(1, (HINT_COUNT, 3))
    error = error + own * rng.normal(1.0, rows, HINT_COUNT, 3)
    amplitude = truth.new_tensor(noise.amplitudes)[rng.integers(len(noise.amplitudes), rows)]
    error = error * amplitude[:, None, None] * truth.new_tensor(noise.visibility_factors)[level][..., None]
    out = truth * truth.new_tensor(noise.told) + missed * truth.new_tensor(noise.shared)
    is_drawn = rng.coin(noise.drawn_share, rows, 1, 1)
    error = error * torch.where(is_drawn, 1.0, truth.new_tensor(noise.scale))
    out = about_hips(out + truth.new_tensor(noise.bias) + error)
    return torch.cat([out, (visibility * _given(visibility, rng))[..., None]], dim=-1)


def visibility_level(visibility: Tensor) -> Tensor:
    """Return the step of visibility (...) int64, 0 to 4."""
    return (visibility * LEVELS).long().clamp_max(LEVELS - 1)


def _visibility(state: Tensor, noise: HintNoise, rng: Rng) -> Tensor:
    """Return how visible the source holds joints (R, 12) that are outside, hidden or visible."""
    shares = torch.tensor(noise.visibility_shares, device=state.device).cumsum(1)
    drawn = rng.uniform(0.0, 1.0, *state.shape)
    level = (drawn[..., None] > shares[state.long()]).sum(-1).clamp_max(LEVELS - 1)
    return ((level + rng.uniform(0.0, 1.0, *state.shape)) / LEVELS).clamp(0.01, 1.0)


def _given(visibility: Tensor, rng: Rng) -> Tensor:
    """Return which joints are given: of half of the people the less visible are left out, of some a random part."""
    rows, joints = visibility.shape
    left_out = rng.coin(0.5, rows, 1) & (visibility < rng.uniform(0.0, 0.6, rows, 1))
    kept = torch.where(rng.coin(STRAY_RATE, rows, 1), rng.uniform(*STRAY_KEPT, rows, 1), 1.0)
    most = visibility >= visibility.amax(1, keepdim=True)  # of nobody all are left out: such people are the lift's own
    return most | (~left_out & (rng.uniform(0.0, 1.0, rows, joints) < kept))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _rounded(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_rounded(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value
