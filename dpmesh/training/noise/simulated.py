"""Keypoints as a detector would give them: jitter, misses, left-right inversion and swaps with neighbours.

The kinds of error follow PoseFix (Moon et al. 2019); the rates are simplified to one number per kind.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from dpmesh.keypoints import DPMESH30_FROM_COCO, DPMESH30_GIVEN, DPMESH30_NECK, DPMESH30_PELVIS
from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.crops import Crops

MIRROR_PAIRS = ((1, 2), (4, 5), (7, 8), (16, 17), (18, 19), (20, 21), (25, 26), (27, 28))
CONFIDENCE_MIN = 0.3  # what a run drops for being less sure (`recover.keypoint_score_min`)
DATA = Path(__file__).parents[2] / "data"
HIP_INDICES, SHOULDER_INDICES = (1, 2), (16, 17)


@dataclass(frozen=True, slots=True)
class KeypointNoise:
    """Rates and magnitudes of keypoint errors; lengths are fractions of the crop's side."""

    jitter: float = 0.012
    hidden_jitter: float = 0.035
    miss_rate: float = 0.03
    miss_length: float = 0.12
    inversion_rate: float = 0.03
    whole_inversion_rate: float = 0.015  # share of crops in which every left is taken for a right
    swap_rate: float = 0.04
    drop_visible: float = 0.04
    drop_hidden: float = 0.45
    weak_rate: float = 0.3  # share of crops whose detector is a weak one, with up to this many times the jitter
    weak_factor: float = 4.0
    blackout_rate: float = 0.1  # share of crops in which a random half loses all its keypoints
    blind_rate: float = 0.0  # share of crops that lose all keypoints, so that the image has to speak
    scatter_unsure: float = 0.05  # scatter of joints that a detector is about 0.4 sure of
    joint_factors: tuple[float, ...] = ()  # 30, on the jitter of each joint; all 1 if none are given


CLEAN = KeypointNoise(
    jitter=0.0,
    hidden_jitter=0.0,
    miss_rate=0.0,
    inversion_rate=0.0,
    whole_inversion_rate=0.0,
    swap_rate=0.0,
    drop_visible=0.0,
    drop_hidden=0.0,
    blackout_rate=0.0,
)
"""Every keypoint inside the crop, where it truly is."""


def measured_noise(source: Literal["detector", "reader"] = "detector") -> KeypointNoise:
    """Return the noise that was fitted to the errors of YOLOv8n-pose ("detector") or of a weak network ("reader").

    The reader estimated keypoints in crops, was trained on rendered people alone, and came with earlier versions. Its
    errors stand for those of a weak keypoint source.

    `dpmesh-video data keypoint-errors` makes the files, `dpmesh/data/SOURCE_noise.json`.
    """
    fitted = json.loads((DATA / f"{source}_noise.json").read_text())["noise"]
    return KeypointNoise(**fitted | {"joint_factors": tuple(fitted["joint_factors"])})


@dataclass(frozen=True, slots=True)
class NoiseMix:
    """Errors of several sources; every batch has those of one."""

    noises: tuple[KeypointNoise, ...]
    shares: tuple[float, ...]

    def draw(self, rng: Rng) -> KeypointNoise:
        """Return the noise of one batch."""
        return self.noises[int(rng.pick(self.shares, 1))]


def mixed_noise(own: KeypointNoise) -> NoiseMix:
    """Return a mix of one half `own` errors and one half errors measured on YOLOv8n-pose and on a weak network."""
    return NoiseMix((own, measured_noise("detector"), measured_noise("reader")), (0.5, 0.25, 0.25))


def noisy_joints(crops: Crops, joints_px: Tensor, noise: KeypointNoise, rng: Rng) -> tuple[Tensor, Tensor]:
    """Return joints (R, 30, 2) in crop pixels as a detector would place them, and how sure it is of each (R, 30).

    A joint that is not given has confidence 0; the others have at least `CONFIDENCE_MIN`.

    Args:
        crops: what is seen.
        joints_px: (R, 30, 2) true places in the crop.
        noise: how wrong the detector is.
        rng: what draws.
    """
    rows, crop_px = len(joints_px), crops.image.shape[-1]
    visible = crops.visible30
    out = joints_px.clone()
    is_wrong = torch.zeros_like(visible, dtype=torch.bool)
    whole = rng.coin(noise.whole_inversion_rate, rows)
    for left, right in MIRROR_PAIRS:
        inverted = rng.coin(noise.inversion_rate, rows)
        is_wrong[:, left] |= inverted
        is_wrong[:, right] |= inverted
        turned = (inverted | whole)[:, None]
        out[:, left] = torch.where(turned, joints_px[:, right], joints_px[:, left])
        out[:, right] = torch.where(turned, joints_px[:, left], joints_px[:, right])
    neighbours = crops.neighbour_joints17_px
    targets, sources = list(DPMESH30_FROM_COCO), list(DPMESH30_FROM_COCO.values())
    who = rng.integers(neighbours.shape[1], rows, len(sources))
    other = neighbours[:, :, sources].gather(1, who[:, None, :, None].expand(-1, -1, -1, 2))[:, 0]
    near = (other - joints_px[:, targets]).norm(dim=-1) < 0.35 * crop_px
    # A hidden joint is the one a detector takes from the person in front.
    rate = torch.where(visible[:, targets] == 1, 4.0, 1.0) * noise.swap_rate
    taken = near & rng.coin(rate, rows, len(targets))
    out[:, targets] = torch.where(taken[..., None], other, out[:, targets])
    is_wrong[:, targets] |= taken
    sigma = torch.where(visible == 1, noise.hidden_jitter, noise.jitter) * rng.uniform(0.3, 1.7, rows, 1)
    weak = rng.coin(noise.weak_rate, rows, 1)
    sigma = sigma * torch.where(weak, rng.uniform(1.0, noise.weak_factor, rows, 1), 1.0)
    if noise.joint_factors:
        sigma = sigma * sigma.new_tensor(noise.joint_factors)
    missed = rng.coin(noise.miss_rate, rows, 30)
    confidence = _confidence(sigma / noise.scatter_unsure, is_wrong | missed, rng)
    sigma = torch.where(missed, noise.miss_length, sigma) * crop_px
    out = out + rng.normal(1.0, *out.shape) * sigma[..., None]
    for target, pair in ((DPMESH30_PELVIS, HIP_INDICES), (DPMESH30_NECK, SHOULDER_INDICES)):
        out[:, target] = out[:, list(pair)].mean(1)
        confidence[:, target] = confidence[:, list(pair)].prod(1)
    drop = torch.where(visible == 1, noise.drop_hidden * rng.uniform(0, 2, rows, 1), noise.drop_visible)
    given = (visible > 0) & ~rng.coin(drop, rows, 30)
    given &= ~_blackout(joints_px, crop_px, noise.blackout_rate, rng)
    given &= ~rng.coin(noise.blind_rate, rows, 1)
    given &= ((out >= 0) & (out < crop_px)).all(-1)
    known = torch.zeros(30, dtype=torch.bool, device=out.device)
    known[list(DPMESH30_GIVEN)] = True
    given &= known & (confidence >= CONFIDENCE_MIN)
    return torch.where(given[..., None], out, 0.0), confidence * given


def _confidence(scatter: Tensor, is_wrong: Tensor, rng: Rng) -> Tensor:
    """Return (R, 30) how sure a detector is of joints by their scatter (R, 30), 1 for `scatter_unsure`.

    Roughly right at most: it varies from joint to joint, and says nothing of joints taken for others.
    """
    told = torch.exp(-rng.uniform(0.4, 1.6, *scatter.shape) * scatter**1.5)
    return torch.where(is_wrong, rng.uniform(0.0, 1.0, *scatter.shape), told).clamp_min(CONFIDENCE_MIN)


def _blackout(joints_px: Tensor, crop_px: int, rate: float, rng: Rng) -> Tensor:
    """Return which joints (R, 30) lie on the lost side of a random line, for a random share of the rows."""
    rows = len(joints_px)
    angle = rng.uniform(0, 2 * torch.pi, rows, 1)
    offset = rng.uniform(-0.1, 0.3, rows, 1) * crop_px
    x, y = (joints_px - crop_px / 2).unbind(-1)
    return (x * angle.cos() + y * angle.sin() > offset) & rng.coin(rate, rows, 1)
