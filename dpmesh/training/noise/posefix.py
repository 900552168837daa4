"""The keypoint errors of the released training: for each joint one of five outcomes, after PoseFix.

Two slips of the published code are not repeated: a joint's mirror joint is looked up where it truly is, not where its
own error has already moved it, and no neighbour is left out where the mirror joint is invalid.

Source: Moon et al. 2019, "PoseFix", section 4; numbers from common/utils/posefix.py of github.com/EternalEvan/DPMesh.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from configs.skeletons import MIRRORED_17
from dpmesh.keypoints import DPMESH30_FROM_COCO, DPMESH30_GIVEN, DPMESH30_NECK, DPMESH30_PELVIS
from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.crops import Crops

OUTCOMES = ("jitter", "miss", "inversion", "swap", "good")
JITTER, MISS, INVERSION, SWAP, GOOD = range(5)

# COCO's falloff per keypoint; a similarity of s lies at sqrt(-2 area (2 sigma)^2 ln s).
_FALLOFF = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)  # thousandths
_SIMILARITIES = (0.85, 0.5, 0.1)
# Rates per keypoint, COCO order: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
_JITTER = (0.10, *[0.15] * 10, *[0.20] * 2, *[0.10] * 4)
_JITTER_FEW = 0.05  # added where at most ten joints are valid
_MISS_FACE, _MISS_ENDS, _MISS_REST = (0.15, 0.10, 0.02), (0.20, 0.13, 0.05), (0.25, 0.15, 0.10)  # V <= 5, <= 10, else
_INVERSION = (*[0.01] * 5, *[0.03] * 6, *[0.06] * 6)
_SWAP = (*[0.01] * 5, *[0.06] * 6, *[0.03] * 6)
_SWAP_CROWDED = (*[0.02] * 5, *[0.15] * 6, *[0.10] * 6)
_FACE, _ENDS = range(5), (5, 6, 15, 16)
_OTHERS_KEPT = 0.25  # of the misses about somebody else's or the mirror joint
TRIALS = (12, 180)
"""Places tried per joint and outcome, at first and where none of these had room. The release tries 125 to 2,000: an
outcome with less room than 1 in 192 is sometimes taken for impossible here."""

_IOU_MIN = 0.1


@dataclass(frozen=True, slots=True)
class PoseFixNoise:
    """Chooses the published error model; it has no settings."""


@dataclass(frozen=True, slots=True)
class SeenKeypoints:
    """Keypoints of people and of who stands near; lengths in pixels of the crop."""

    joints: Tensor  # (R, 17, 2) COCO order
    is_valid: Tensor  # (R, 17) bool
    neighbours: Tensor  # (R, N, 17, 2)
    is_neighbour_valid: Tensor  # (R, N, 17) bool
    overlaps: Tensor  # (R,) how many neighbours there are
    area: Tensor  # (R,) of the person's tight box


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a joint may be looked for: itself, its mirror, the neighbours' same joint and mirror, in this order."""

    centres: Tensor  # (M, C, 2)
    exists: Tensor  # (M, C) bool
    is_swap: Tensor  # (C,) bool, belongs to a neighbour

    def take(self, chosen: Tensor) -> "_Places":
        return _Places(self.centres[chosen], self.exists[chosen], self.is_swap)


def similarity_distances(area: Tensor) -> Tensor:
    """Return the distances (3, R, 17) at which keypoint similarity is 0.85, 0.5 and 0.1, for areas (R,)."""
    falloff = 2e-3 * torch.tensor(_FALLOFF, dtype=area.dtype, device=area.device)
    logs = torch.tensor([-2.0 * math.log(s) for s in _SIMILARITIES], dtype=area.dtype, device=area.device)
    return (logs[:, None, None] * area[:, None]).sqrt() * falloff


def outcome_rates(valid_count: Tensor, overlaps: Tensor) -> Tensor:
    """Return how likely each outcome is (R, 17, 5), in the order of `OUTCOMES`.

    Args:
        valid_count: (R,) valid joints of the person.
        overlaps: (R,) neighbours.
    """
    device = valid_count.device

    def row(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, device=device)

    miss = torch.empty(3, 17, device=device)
    for row_of_miss, face, ends, rest in zip(miss, _MISS_FACE, _MISS_ENDS, _MISS_REST, strict=True):
        row_of_miss[:] = rest
        row_of_miss[list(_FACE)], row_of_miss[list(_ENDS)] = face, ends
    few = (valid_count <= 10)[:, None]
    crowded = (((valid_count <= 10) & (overlaps > 0)) | ((valid_count <= 15) & (overlaps >= 3)))[:, None]
    level = (valid_count > 5).long() + (valid_count > 10).long()
    wrong = [
        row(_JITTER) + _JITTER_FEW * few,
        miss[level],
        row(_INVERSION).expand(len(level), -1),
        torch.where(crowded, row(_SWAP_CROWDED), row(_SWAP)),
    ]
    rates = torch.stack(wrong, dim=-1)
    return torch.cat([rates, 1.0 - rates.sum(-1, keepdim=True)], dim=-1)


def disturb(seen: SeenKeypoints, rng: Rng) -> Tensor:
    """Return the keypoints (R, 17, 2) with errors; a joint no outcome has room for is put at (0, 0).

    Outcomes are tried in a random order, likelier ones first more often, until one has room: the same as leaving out
    those without room and scaling up the rest.
    """
    places, rates, limits = _flatten(seen)
    gumbel = -(-rng.uniform(1e-9, 1.0, *rates.shape).log()).log()
    order = (rates.log() + gumbel).argsort(dim=-1, descending=True)
    out = torch.zeros_like(places.centres[:, 0])
    open_rows = torch.arange(len(out), device=out.device)
    for rank in range(len(OUTCOMES)):
        for trials in TRIALS:
            if len(open_rows):
                outcome = order[open_rows, rank]
                found, is_found = _try(places.take(open_rows), outcome, limits[:, open_rows], trials, rng)
                out[open_rows[is_found]] = found[is_found]
                open_rows = open_rows[~is_found]
    return out.view(seen.joints.shape)


def posefix_joints(crops: Crops, joints_px: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """Return joints (R, 30, 2) in crop pixels with errors, and which are given (R, 30) bool, as the release does.

    A joint is given where the true one lies in the crop, however wrong its place is.

    Args:
        crops: what is seen.
        joints_px: (R, 30, 2) true places in the crop.
        rng: what draws.
    """
    crop_px = crops.image.shape[-1]
    inside = ((joints_px >= 0) & (joints_px < crop_px)).all(-1) & (crops.visible30 > 0)
    targets, sources = list(DPMESH30_FROM_COCO), list(DPMESH30_FROM_COCO.values())
    joints = joints_px.new_zeros(len(joints_px), 17, 2)
    joints[:, sources] = joints_px[:, targets]
    is_valid = torch.zeros(joints.shape[:2], dtype=torch.bool, device=joints.device)
    is_valid[:, sources] = inside[:, targets]
    neighbours = crops.neighbour_joints17_px
    is_near = _overlap(joints, neighbours) >= _IOU_MIN
    is_neighbour_valid = neighbours.isfinite().all(-1) & is_near[..., None]
    extent = (joints.amax(1) - joints.amin(1)).clamp_min(1.0)
    seen = SeenKeypoints(joints, is_valid, neighbours.nan_to_num(), is_neighbour_valid, is_near.sum(1), extent.prod(-1))
    out = torch.zeros_like(joints_px)
    out[:, targets] = disturb(seen, rng)[:, sources]
    out[:, DPMESH30_PELVIS], out[:, DPMESH30_NECK] = joints_px[:, DPMESH30_PELVIS], joints_px[:, DPMESH30_NECK]
    known = torch.zeros(30, dtype=torch.bool, device=out.device)
    known[list(DPMESH30_GIVEN)] = True
    return out * known[:, None], inside & known


def _overlap(joints: Tensor, neighbours: Tensor) -> Tensor:
    """Return intersection over union (R, N) of boxes around joints (R, 17, 2) and round neighbours (R, N, 17, 2)."""
    low = torch.maximum(joints.amin(1)[:, None], neighbours.amin(2))
    high = torch.minimum(joints.amax(1)[:, None], neighbours.amax(2))
    shared = (high - low).clamp_min(0.0).prod(-1)
    areas = (joints.amax(1) - joints.amin(1)).prod(-1)[:, None] + (neighbours.amax(2) - neighbours.amin(2)).prod(-1)
    return (shared / (areas - shared)).nan_to_num()


def _flatten(seen: SeenKeypoints) -> tuple[_Places, Tensor, Tensor]:
    """Return per joint of each person (M = 17 R) its places, rates (M, 5) and distances (3, M)."""
    count = seen.neighbours.shape[1]
    mirror = list(MIRRORED_17)
    paired = torch.tensor(MIRRORED_17, device=seen.joints.device) != torch.arange(17, device=seen.joints.device)
    near, is_near = seen.neighbours.transpose(1, 2), seen.is_neighbour_valid.transpose(1, 2)
    centres = torch.cat([seen.joints[:, :, None], seen.joints[:, mirror, None], near, near[:, mirror]], dim=2)
    exists = torch.cat(
        [
            torch.ones_like(seen.is_valid)[..., None],
            (seen.is_valid[:, mirror] & paired)[..., None],
            is_near,
            is_near[:, mirror] & paired[:, None],
        ],
        dim=2,
    )
    is_swap = torch.arange(2 + 2 * count, device=exists.device) >= 2
    rates = outcome_rates(seen.is_valid.sum(1), seen.overlaps)
    places = _Places(centres.flatten(0, 1), exists.flatten(0, 1), is_swap)
    return places, rates.flatten(0, 1), similarity_distances(seen.area).flatten(1)


def _try(places: _Places, outcome: Tensor, limits: Tensor, trials: int, rng: Rng) -> tuple[Tensor, Tensor]:
    """Return the first place (M, 2) with room for each joint's outcome (M,), and whether there is one (M,) bool."""
    count = len(outcome)
    near, middle, far = limits
    weight = _centre_weights(places, outcome)
    has_centre = weight.sum(-1) > 0
    safe = torch.where(has_centre[:, None], weight, torch.ones_like(weight))
    which = torch.multinomial(safe, trials, replacement=True, generator=rng.generator)  # (M, K)
    zero = torch.zeros_like(near)
    low = torch.stack([near, middle, zero, zero, zero])[outcome, torch.arange(count, device=near.device)]
    high = torch.stack([middle, far, middle, middle, near])[outcome, torch.arange(count, device=near.device)]
    radius = low[:, None] + (high - low)[:, None] * rng.uniform(0.0, 1.0, count, trials)
    angle = rng.uniform(0.0, 2.0 * math.pi, count, trials)
    start = places.centres.gather(1, which[..., None].expand(-1, -1, 2))
    tried = start + radius[..., None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
    distance = (tried[:, :, None] - places.centres[:, None]).norm(dim=-1)  # (M, K, C)
    # What must stay away: everybody else, but for a swap only the person's own two joints.
    others = places.exists[:, None] & (which[..., None] != torch.arange(distance.shape[-1], device=near.device))
    others &= ~((outcome == SWAP)[:, None] & places.is_swap)[:, None]
    clear = torch.where(outcome == MISS, middle, torch.inf)[:, None].minimum(
        torch.where((outcome == MISS)[:, None], torch.inf, radius)
    )
    has_room = ((distance > clear[..., None]) | ~others).all(-1) & has_centre[:, None]
    first = has_room.float().argmax(1)
    return tried[torch.arange(count, device=near.device), first], has_room.any(1)


def _centre_weights(places: _Places, outcome: Tensor) -> Tensor:
    """Return how likely each place (M, C) is the centre of an outcome (M,)."""
    place = torch.arange(places.exists.shape[1], device=outcome.device)
    own, mirror = (place == 0).float(), (place == 1).float()
    swap = places.is_swap.float()
    by_outcome = torch.stack([own, own + _OTHERS_KEPT * (1.0 - own), mirror, swap, own])
    return by_outcome[outcome] * places.exists
