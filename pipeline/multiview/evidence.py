"""What says that tracks of different views are one person: rays that meet, as far away as the bodies are, and looks.

Rays alone cannot tell two people who stand in one plane with both cameras. Each view has recovered a body as well, and
with it a rough distance; where the rays of two people meet, at least one of them would be a giant or a dwarf.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.multiview.looks import LooksOfViews
from pipeline.multiview.triangulation import directions
from pipeline.multiview.views import Node, View

MEET_M = 0.15  # distance between rays of a joint at which two people are as likely one as not
RAYS_MIN = -4.0  # of one pair: far apart is no more impossible than that
JOINTS_MIN = 4  # both views have to see so many joints in a frame
FRAMES_MAX = 12  # of a segment that are compared
SPREAD_MIN = 0.05  # sine of the angle between two lines of sight that meet somewhere
TORSO = (5, 6, 11, 12)  # shoulders and hips of COCO-17
RANGE_SPREAD_MIN = 0.15  # the same, from which on where lines meet says how far away somebody is
RANGE_SIGMA = 0.1  # of the logarithm of a body's distance, where all joints are sure; grows with less trust
RANGE_SIGMA_MAX = 0.45  # of somebody else's
TRUST_POWER = 3.0
OUTLIERS = 0.05  # share of bodies whose distance says nothing
RANGE_FAR = 1.2  # logarithms count as no more than that
CHOICE_SHARE = 0.25  # of what bodies and looks say, beside the rays, where it is chosen whom to join first
JOIN_SHARE = 0.1  # the same, where it is decided whether to join at all


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of N nodes, how much says that each two are one person; 0 where nothing is known."""

    rays: np.ndarray  # (N, N), 1: they meet, 0: as likely one person as not; -inf: two people for sure
    bodies: np.ndarray  # (N, N) logarithm of a likelihood ratio: bodies are as far away as their rays meet
    looks: np.ndarray  # (N, N) likewise
    weight: np.ndarray  # (N, N) how much the rays count, 0: no frame is shared

    @property
    def choice(self) -> np.ndarray:
        """All of it (N, N): who is likelier to be whom."""
        return self.rays + CHOICE_SHARE * (self.bodies + self.looks)

    @property
    def join(self) -> np.ndarray:
        """All of it (N, N), positive where two nodes may be one person; rays say most."""
        return self.rays + JOIN_SHARE * (self.bodies + self.looks)


@dataclass(frozen=True, slots=True)
class _Seen:
    """N nodes in T frames; zeros where they are not there."""

    lines: np.ndarray  # (N, T, 17, 3) lines of sight in the world
    sure: np.ndarray  # (N, T, 17) confidence
    range_m: np.ndarray  # (N, T) distance of the recovered body from its camera
    sigma: np.ndarray  # (N, T) of its logarithm

    def take(self, nodes: np.ndarray | int) -> "_Seen":
        return _Seen(self.lines[nodes], self.sure[nodes], self.range_m[nodes], self.sigma[nodes])


def pair_evidence(views: Sequence[View], nodes: Sequence[Node], looks: LooksOfViews) -> Evidence:
    """Return the evidence that nodes are one person.

    Two nodes of one view that share a frame cannot be; others of one view may be a person whose number changed.

    Source: of rays, squared distance over squared scale, as a Gaussian's logarithm; of bodies, two Gaussians of the
    logarithm of the distance, of the same person and of others, with outliers. The median over frames of either.
    """
    count = len(nodes)
    every = np.unique(np.concatenate([views[node.view].rows.frame_index[node.rows] for node in nodes]))
    seen, is_there = _seen_of(views, nodes, every)
    step = -(-len(every) // FRAMES_MAX)
    seen = _Seen(*(part[:, ::step] for part in (seen.lines, seen.sure, seen.range_m, seen.sigma)))
    centres = np.array([views[node.view].camera.centre_m for node in nodes])
    view = np.array([node.view for node in nodes])
    is_at_once = (view[:, None] == view) & (is_there.astype(int) @ is_there.T.astype(int) > 0)
    rays, weight = np.where(is_at_once, -np.inf, 0.0), is_at_once.astype(float)
    bodies = np.zeros_like(rays)
    for one in range(count - 1):
        others = one + 1 + np.flatnonzero(view[one + 1 :] != view[one])
        if not len(others):
            continue
        met, near, told = _evidence_with(seen.take(one), seen.take(others), centres[others] - centres[one])
        rays[one, others] = rays[others, one] = met
        bodies[one, others] = bodies[others, one] = near
        weight[one, others] = weight[others, one] = told
    samples = [looks.sample_of([node]) for node in nodes]
    alike = np.stack([looks.scores(sample, samples) for sample in samples])
    alike = np.where((view[:, None] != view) & (weight > 0), alike, 0.0)
    return Evidence(rays, bodies, alike, weight)


def _seen_of(views: Sequence[View], nodes: Sequence[Node], frames: np.ndarray) -> tuple[_Seen, np.ndarray]:
    """Return what nodes look like at frames (T,), and at which of them they are there (N, T)."""
    shape = len(nodes), len(frames)
    lines, sure, is_there = np.zeros((*shape, 17, 3)), np.zeros((*shape, 17)), np.zeros(shape, bool)
    range_m, sigma = np.zeros(shape), np.full(shape, RANGE_SIGMA_MAX)
    for number, node in enumerate(nodes):
        view = views[node.view]
        at = np.searchsorted(frames, view.rows.frame_index[node.rows])
        toward = directions(view.camera, view.rays[node.rows])
        known = np.isfinite(toward).all(axis=-1)
        lines[number, at] = np.where(known[..., None], toward, 0.0)
        sure[number, at] = np.where(known, view.rows.keypoints[node.rows, :, 2], 0.0)
        is_there[number, at] = True
        range_m[number, at] = np.linalg.norm(view.rows.trans[node.rows], axis=-1)
        sigma[number, at] = range_sigma(view.rows.joint_confidence[node.rows])
    return _Seen(lines, sure, range_m, sigma), is_there


def range_sigma(joint_confidence: np.ndarray) -> np.ndarray:
    """Return the standard deviation (R,) of the logarithm of bodies' distances; joint_confidence (R, 24)."""
    trust = joint_confidence.mean(axis=-1).clip(0.05, 1.0)
    return np.asarray(np.minimum(RANGE_SIGMA / trust**TRUST_POWER, RANGE_SIGMA_MAX))


def _evidence_with(one: _Seen, others: _Seen, apart_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the evidence of rays (M,) and bodies (M,) that one node is each of M others, and how much it counts (M,).

    Args:
        apart_m: (M, 3) from its camera to theirs.
    """
    lines = line_distances(one.lines, others.lines, apart_m[:, None, None])
    sure = np.where(np.isfinite(lines.distance_m), one.sure * others.sure, 0.0)
    seen = (sure > 0).sum(axis=-1) >= JOINTS_MIN
    total = np.where(seen, sure.sum(axis=-1), 1.0)
    mean = (np.nan_to_num(lines.distance_m) * sure).sum(axis=-1) / total
    ahead = (lines.is_ahead * sure).sum(axis=-1) / total
    met = np.where(ahead > 0.5, np.maximum(1.0 - (mean / MEET_M) ** 2, RAYS_MIN), RAYS_MIN)
    told = np.minimum(seen.sum(axis=-1), 3).astype(float)
    near = _range_evidence(one, others, lines, sure)
    return _median(met, seen), _median(np.nan_to_num(near), np.isfinite(near)), told


def _range_evidence(one: _Seen, others: _Seen, lines: "LineMeeting", sure: np.ndarray) -> np.ndarray:
    """Return the evidence (M, T) that bodies are as far away as their torsos' lines meet; NaN where nothing tells."""
    torso = np.where(lines.is_ahead & (lines.sine > RANGE_SPREAD_MIN), sure, 0.0)[..., TORSO]
    total = torso.sum(axis=-1)
    found = np.zeros(total.shape)
    is_told = (total > 0) & (one.range_m > 0) & (others.range_m > 0)
    for along, body in ((lines.along_one_m, one), (lines.along_other_m, others)):
        met_m = (np.nan_to_num(along[..., TORSO]) * torso).sum(axis=-1) / np.where(total > 0, total, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.clip(np.log(body.range_m / met_m), -RANGE_FAR, RANGE_FAR)
        wide = RANGE_SIGMA_MAX / body.sigma * np.exp(0.5 * off**2 * (RANGE_SIGMA_MAX**-2 - body.sigma**-2))
        found += np.log(OUTLIERS + (1 - OUTLIERS) * wide)
    return np.where(is_told, found, np.nan)


def _median(values: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Return the medians (M,) of what is known of values (M, T); 0 where nothing is."""
    ordered = np.sort(np.where(is_known, values, np.inf), axis=-1)  # what is not known comes last
    count = is_known.sum(axis=-1)
    last = np.maximum(count - 1, 0)
    middles = (np.take_along_axis(ordered, index[:, None], axis=-1)[:, 0] for index in (last // 2, (last + 1) // 2))
    return np.where(count > 0, 0.5 * sum(middles), 0.0)


@dataclass(frozen=True, slots=True)
class LineMeeting:
    """Where pairs of lines of sight come nearest to each other."""

    distance_m: np.ndarray  # by which they pass each other; NaN: nearly parallel, they meet anywhere
    along_one_m: np.ndarray  # how far that is from the first camera; negative: behind it
    along_other_m: np.ndarray
    sine: np.ndarray  # of the angle between them

    @property
    def is_ahead(self) -> np.ndarray:
        """Whether it is before both cameras."""
        return (self.along_one_m > 0) & (self.along_other_m > 0)


def line_distances(line: np.ndarray, others: np.ndarray, apart_m: np.ndarray) -> LineMeeting:
    """Return where lines of sight (..., 3) and others, all of length 1 or 0, come nearest to each other.

    Args:
        apart_m: (..., 3) from the first camera to the other.
    """
    normal = np.cross(line, others)
    squared = (normal**2).sum(axis=-1)
    is_spread = squared > SPREAD_MIN**2
    safe = np.where(is_spread, squared, 1.0)
    distance = np.where(is_spread, np.abs((normal * apart_m).sum(axis=-1)) / np.sqrt(safe), np.nan)
    along_one = (np.cross(apart_m, others) * normal).sum(axis=-1) / safe
    along_other = (np.cross(apart_m, line) * normal).sum(axis=-1) / safe
    return LineMeeting(distance, along_one, along_other, np.sqrt(squared))
