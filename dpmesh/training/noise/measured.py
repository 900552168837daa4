"""How wrong keypoints are: a detector's or simulated ones, in the same numbers, so that one can be fitted to the other.

Lengths are shares of the crop's side. The kinds of error are PoseFix's (Moon et al. 2019).
"""

import itertools
from dataclasses import asdict, dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from configs.checks import Shaped
from configs.skeletons import COCO_OF_30, MIRRORED_17
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.simulated import CONFIDENCE_MIN, KeypointNoise, noisy_joints
from dpmesh.training.people.annotated import as_annotated
from dpmesh.training.people.crops import Crops
from dpmesh.training.render.visibility import HIDDEN, VISIBLE

NEAR = 0.08
"""A keypoint farther away than this is no scatter but another kind of error; about a tenth of a person's height."""
KINDS = {
    "nose": (0,),
    "eye": (1, 2),
    "ear": (3, 4),
    "shoulder": (5, 6),
    "elbow": (7, 8),
    "wrist": (9, 10),
    "hip": (11, 12),
    "knee": (13, 14),
    "ankle": (15, 16),
}
BONES = ((5, 7), (6, 8), (7, 9), (8, 10), (11, 13), (12, 14), (13, 15), (14, 16))
ERROR_BINS = (0.0, 0.01, 0.02, 0.04, NEAR, 2.0)
SWAP_RATE_MAX = 0.25  # hidden joints are taken from others four times as often
_RAYLEIGH_MEDIAN = 1.1774  # median length of a 2D normal error of deviation 1


@dataclass(frozen=True, slots=True)
class Sighting(Shaped):
    """Keypoints that were found on crops, and where they are."""

    found: Annotated[Tensor, "R", 17, 2]  # shares of the crop's side
    confidence: Annotated[Tensor, "R", 17]
    truth: Annotated[Tensor, "R", 17, 2]
    visible: Annotated[Tensor, "R", 17]  # 0 outside the crop, 1 hidden, 2 visible
    neighbours: Annotated[Tensor, "R", "N", 17, 2]  # NaN where there is nobody


@dataclass(frozen=True, slots=True)
class JointStatistics:
    """Errors of one kind of joint in one state. Shares are of the joints in the crop (missing) or of those given."""

    count: int
    missing: float  # share with a confidence below `CONFIDENCE_MIN`
    spread: float  # deviation per axis of what is no inversion and no swap, from the median error
    inverted: float  # share at the mirror joint
    swapped: float  # share at a joint of another person
    wild: float  # share near none of them
    bias_out: float  # mean error of near ones, away from the mirror joint; 0 for the nose
    bias_down: float  # the same, down the image
    confidence: float  # mean of those given


@dataclass(frozen=True, slots=True)
class ErrorStatistics:
    """Errors of a detector or of a simulation."""

    visible: dict[str, JointStatistics]  # by kind, "all" among them
    hidden: dict[str, JointStatistics]
    whole_inversions: float  # share of people most of whose left and right joints are exchanged
    person_scatter: float  # deviation of the logarithm of a person's median error
    bone_correlation: float  # of the errors of near joints at the two ends of a limb bone
    confidence_by_error: list[float]  # mean confidence of given joints in `ERROR_BINS`

    def to_mapping(self) -> dict[str, object]:
        """Return what is written to a file, rounded."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def error_statistics(seen: Sighting) -> ErrorStatistics:
    """Return the statistics of some people."""
    error = seen.found - seen.truth
    length = error.norm(dim=-1)
    mirror = list(MIRRORED_17)
    to_mirror = (seen.found - seen.truth[:, mirror]).norm(dim=-1)
    to_mirror[:, 0] = torch.inf
    near_others = torch.cat([seen.neighbours, seen.neighbours[:, :, mirror]], dim=1)
    to_other = (seen.found[:, None] - near_others).norm(dim=-1).nan_to_num(torch.inf).amin(1)
    inside = seen.visible > 0
    given = inside & (seen.confidence >= CONFIDENCE_MIN)
    near = given & (length < NEAR)
    inverted = given & ~near & (to_mirror < NEAR) & (to_mirror <= to_other)
    swapped = given & ~near & ~inverted & (to_other < NEAR)
    wild = given & ~near & ~inverted & ~swapped
    outward = torch.nn.functional.normalize(seen.truth - seen.truth[:, mirror], dim=-1)
    bias = torch.stack([(error * outward).sum(-1), error[..., 1]])

    def of(joints: tuple[int, ...], state: int) -> JointStatistics:
        mask = torch.zeros_like(inside)
        mask[:, list(joints)] = True
        mask &= seen.visible == state
        here = mask & given
        middle = length[here & (near | wild)]
        out, down = (_mean(part[mask & near]) for part in bias)
        return JointStatistics(
            count=int(mask.sum()),
            missing=1.0 - _mean(given[mask].float()),
            spread=float(middle.median()) / _RAYLEIGH_MEDIAN if len(middle) else 0.0,
            inverted=_mean(inverted[here].float()),
            swapped=_mean(swapped[here].float()),
            wild=_mean(wild[here].float()),
            bias_out=out,
            bias_down=down,
            confidence=_mean(seen.confidence[here]),
        )

    kinds = KINDS | {"all": tuple(range(17))}
    scatter = torch.where(near | wild, length.clamp_min(1e-4), torch.nan).nanmedian(1).values
    scatter = scatter[scatter.isfinite()].log()
    own, other = (error[:, [bone[end] for bone in BONES]] for end in (0, 1))
    both = near[:, [bone[0] for bone in BONES]] & near[:, [bone[1] for bone in BONES]]
    pairs = torch.stack([own[both].flatten(), other[both].flatten()])
    paired = inverted[:, 5:].sum(1), given[:, 5:].sum(1)
    edges = itertools.pairwise(ERROR_BINS)
    return ErrorStatistics(
        visible={name: of(joints, VISIBLE) for name, joints in kinds.items()},
        hidden={name: of(joints, HIDDEN) for name, joints in kinds.items()},
        whole_inversions=_mean(((paired[0] >= 4) & (2 * paired[0] > paired[1])).float()),
        person_scatter=float(scatter.std()) if len(scatter) > 1 else 0.0,
        bone_correlation=float(torch.corrcoef(pairs)[0, 1]) if pairs.shape[1] > 2 else 0.0,
        confidence_by_error=[_mean(seen.confidence[given & (length >= low) & (length < high)]) for low, high in edges],
    )


def truth_of(crops: Crops, found: Tensor, confidence: Tensor) -> Sighting:
    """Return keypoints (R, 17, 2) in crop pixels with their confidence (R, 17) beside the truth of their crops."""
    side, joints = crops.image.shape[-1], list(COCO_OF_30)
    truth = as_annotated(crops)[:, joints]
    visible = torch.where(truth.isfinite().all(-1), crops.visible30[:, joints], 0)
    return Sighting(found / side, confidence, truth.nan_to_num() / side, visible, crops.neighbour_joints17_px / side)


def simulate(crops: Crops, noise: KeypointNoise, rng: Rng) -> Sighting:
    """Return keypoints with simulated errors."""
    joints, confidence = noisy_joints(crops, as_annotated(crops), noise, rng)
    chosen = list(COCO_OF_30)
    return truth_of(crops, joints[:, chosen], confidence[:, chosen])


def fit_noise(crops: Crops, wanted: ErrorStatistics, start: KeypointNoise, rounds: int = 8) -> KeypointNoise:
    """Return the noise whose simulation on these crops has about the statistics that are wanted.

    Every round moves each number by how far its own statistic is off; what cuts whole sides off is not a detector's
    error and left out, as its misses are counted.
    """
    noise = replace(start, blackout_rate=0.0, blind_rate=0.0)
    for number in range(rounds):
        found = error_statistics(simulate(crops, noise, Rng((number, 8))))
        seen, unseen = (wanted.visible["all"], found.visible["all"]), (wanted.hidden["all"], found.hidden["all"])
        factors = list(noise.joint_factors or (1.0,) * 30)
        for name, places in KINDS.items():
            ratio = _ratio(wanted.visible[name].spread, found.visible[name].spread)
            ratio /= _ratio(seen[0].spread, seen[1].spread)
            for place in places:
                factors[COCO_OF_30[place]] = round(factors[COCO_OF_30[place]] * ratio, 3)
        noise = replace(
            noise,
            jitter=noise.jitter * _ratio(seen[0].spread, seen[1].spread),
            hidden_jitter=noise.hidden_jitter * _ratio(unseen[0].spread, unseen[1].spread),
            miss_rate=noise.miss_rate * _ratio(seen[0].wild, seen[1].wild),
            inversion_rate=noise.inversion_rate * _ratio(seen[0].inverted, seen[1].inverted),
            whole_inversion_rate=noise.whole_inversion_rate * _ratio(wanted.whole_inversions, found.whole_inversions),
            swap_rate=min(noise.swap_rate * _ratio(unseen[0].swapped, unseen[1].swapped), SWAP_RATE_MAX),
            drop_visible=min(max(noise.drop_visible + seen[0].missing - seen[1].missing, 0.0), 1.0),
            drop_hidden=min(max(noise.drop_hidden + unseen[0].missing - unseen[1].missing, 0.0), 1.0),
            weak_factor=max(1.0, noise.weak_factor * _ratio(wanted.person_scatter, found.person_scatter) ** 2),
            scatter_unsure=noise.scatter_unsure
            * _ratio(1.0 - seen[1].confidence, 1.0 - seen[0].confidence) ** (1 / 1.5),
            joint_factors=tuple(factors),
        )
    return noise


def _ratio(wanted: float, found: float) -> float:
    """Return by what to multiply a number; at most halved or doubled, for counts are noisy."""
    return min(max((wanted + 1e-4) / (found + 1e-4), 0.5), 2.0)


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value
