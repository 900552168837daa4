"""How much likelier it is that two pieces are one person than two: logarithms of likelihood ratios."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackers.linking.pieces import Piece
from trackers.linking.usual import Usual, likeness

SCATTER_PRIOR = 20.0  # looks that the usual scatter counts as
DRIFT_PRIOR = 5.0  # pieces that the usual drift counts as
DRIFT_MIN = 0.5  # over the scatter
FLOOR = 0.1  # share of the mean variance that every number has at least

PLACE_SIGMA_M = 0.15  # of a place across the line of sight
DEPTH_SIGMA = 0.08  # along it, over the distance
CONTACT_NOISE = 3.0  # times as much where somebody else covers the person
OUTLIERS = 0.05  # share of places that are far off
DIRECTIONS, DIRECTIONS_LOOKS = 48, 4000  # kept of a network's vectors; looks of a clip that say which
SPEED_SIGMA = 0.8  # m/s by which somebody's speed changes while unseen
COAST_S = 0.5  # a speed is believed for so long
SPREAD_MIN_M = 1.0  # of people over the scene
PLACE_LIMIT = 4.0
TRUST_S = 4.0  # a place that speaks against counts for 1/e after this long: cameras move, people do


def main_directions(vectors: np.ndarray) -> np.ndarray:
    """Return the directions (D, K) in which a clip's looks (A, D) differ most, at most `DIRECTIONS`.

    A network's many numbers depend on each other: along these they do not, and all pairs of pieces are compared faster.
    """
    some = vectors[:: max(1, len(vectors) // DIRECTIONS_LOOKS)].astype(np.float64)
    some = some[np.isfinite(some).all(axis=1)]
    if len(some) < 2:
        return np.eye(vectors.shape[1])[:, :DIRECTIONS]
    _, directions = np.linalg.eigh(np.cov(some, rowvar=False))
    return np.asarray(directions[:, ::-1][:, :DIRECTIONS])


@dataclass(frozen=True, slots=True)
class Sample:
    """Mean values of one or several pieces that are one person."""

    mean: np.ndarray  # (D,), NaN where not known
    count: np.ndarray  # (D,)

    def joined(self, other: "Sample") -> "Sample":
        """Return both as one."""
        count = self.count + other.count
        total = np.nan_to_num(self.mean) * self.count + np.nan_to_num(other.mean) * other.count
        return Sample(np.where(count > 0, total / np.maximum(count, 1e-9), np.nan), count)


class Channel:
    """Values that are alike for one person: each is the person's own, normal over people, plus normal noise.

    Two samples are compared by probabilistic linear discriminant analysis with diagonal covariances, whose variances
    are those of the clip: noise from the scatter in pieces, people from those seen at one time, who differ for sure. In
    a clip of people in like clothes the second is small, and looks say little.

    Source: Prince and Elder, Probabilistic Linear Discriminant Analysis (ICCV 2007), equation for two observations.
    """

    def __init__(
        self,
        usual: Usual,
        samples: Sequence[Sample],
        scatters: np.ndarray,
        pairs: np.ndarray,
        drifts: np.ndarray | None = None,
    ) -> None:
        """
        Args:
            samples: of P pieces.
            scatters: (P, D) sums of squares about the means.
            pairs: (Q, 2) pieces that are different people.
            drifts: (P, D) variances of means within pieces, NaN where they are not known; None: of no piece.
        """
        self._usual = usual
        self._most = usual.limit if len(pairs) else min(usual.limit, usual.strangers_limit)
        counts = np.stack([sample.count for sample in samples])
        spare = np.maximum(counts - 1.0, 0.0)
        within = (scatters[counts.max(axis=1) > 1].sum(axis=0) + SCATTER_PRIOR * usual.within) / (
            spare.sum(axis=0) + SCATTER_PRIOR
        )
        self._within = (1 - FLOOR) * within + FLOOR * within.mean()
        self._drift = usual.drift * self._within
        if drifts is not None:
            is_drift = np.isfinite(drifts)
            total = np.where(is_drift, drifts, 0.0).sum(axis=0) + DRIFT_PRIOR * self._drift
            self._drift = np.maximum(total / (is_drift.sum(axis=0) + DRIFT_PRIOR), DRIFT_MIN * self._within)
        means = np.stack([sample.mean for sample in samples])
        between, total = np.broadcast_to(usual.between, within.shape).astype(np.float64), np.ones_like(within)
        if len(pairs):
            noise = self._noise(counts[pairs[:, 0]], counts[pairs[:, 1]])
            found = 0.5 * ((means[pairs[:, 0]] - means[pairs[:, 1]]) ** 2 - noise)
            is_known = np.isfinite(found)
            between = between + np.where(is_known, found, 0.0).sum(axis=0)
            total = total + is_known.sum(axis=0)
        self._between = np.maximum(between / total, 0.0)

    def score(self, first: Sample, second: Sample) -> float:
        """Return the evidence that two samples are one person."""
        return float(self.scores(first, second.mean[None], second.count[None])[0])

    def scores(self, first: Sample, means: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the evidence (B,) that a sample and others (B, D) are one person; 0 where they have nothing in common.

        What some of the numbers say counts for as much as their share of all numbers.
        """
        noise = self._noise(first.count[None], counts)
        found = likeness(self._usual, (first.mean[None] - means) ** 2, noise, self._between)
        return np.clip(found, -self._usual.limit, self._most)

    def _noise(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the variance of the difference of two means of one person."""
        with np.errstate(divide="ignore"):
            return np.asarray(2 * self._drift + self._within * (1.0 / first + 1.0 / second))


TWICE_MIN = 0.5  # IoU in most frames that two pieces share: one person, found twice
TWICE_NEAR = 3  # frames apart at which boxes of pieces that go on together are compared


def is_found_twice(one: Piece, two: Piece) -> bool:
    """Return whether pieces that go on at one time can be of one person: in most frames they are at one place."""
    shared, mine, theirs = np.intersect1d(one.frames, two.frames, assume_unique=True, return_indices=True)
    is_there = _overlaps(one.boxes_xyxy[mine], two.boxes_xyxy[theirs]) >= TWICE_MIN
    return 2 * int(is_there.sum()) >= len(shared)


def together_score(one: Piece, two: Piece) -> float:
    """Return the evidence of place that pieces that go on at one time are of one person: they share their boxes."""
    short, long = (one, two) if len(one.frames) < len(two.frames) else (two, one)
    after = np.minimum(np.searchsorted(long.frames, short.frames), len(long.frames) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(long.frames[before] - short.frames) < np.abs(long.frames[after] - short.frames)
    nearest = np.where(is_before, before, after)
    is_near = np.abs(long.frames[nearest] - short.frames) <= TWICE_NEAR
    if not is_near.any():
        return 0.0
    alike = _overlaps(short.boxes_xyxy[is_near], long.boxes_xyxy[nearest[is_near]])
    return float(np.clip(6.0 * (np.median(alike) - 0.4), -3.0, 2.5))


def _overlaps(one_xyxy: np.ndarray, two_xyxy: np.ndarray) -> np.ndarray:
    """Return the IoU of boxes (T, 4), row by row."""
    shared = np.maximum(np.minimum(one_xyxy[:, 2:], two_xyxy[:, 2:]) - np.maximum(one_xyxy[:, :2], two_xyxy[:, :2]), 0)
    areas = [np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1) for boxes in (one_xyxy, two_xyxy)]
    return np.asarray(shared.prod(axis=1) / np.maximum(sum(areas) - shared.prod(axis=1), 1e-9))


class Places:
    """Where pieces begin and end in the scene, for telling whether somebody can have come from there."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        axes = [0, 2]  # across and along the line of sight
        self._ends_m = np.stack([piece.places_m[:, axes] for piece in pieces])
        self._speeds_m_s = np.stack([piece.speeds_m_s[:, axes] for piece in pieces])
        self._contact = np.stack([piece.contact for piece in pieces])
        self._times_s = np.array([(piece.first_s, piece.last_s) for piece in pieces])
        self._shots = np.array([piece.shot for piece in pieces])
        self._spread_m = np.maximum(self._ends_m.reshape(-1, 2).std(axis=0), SPREAD_MIN_M)

    def scores(self, earlier: int, later: np.ndarray) -> np.ndarray:
        """Return the evidence (B,) that pieces (B,) go on where an earlier one ended; 0 across a cut."""
        gap_s = np.maximum(self._times_s[later, 0] - self._times_s[earlier, 1], 0.0)[:, None]
        last, first = self._ends_m[earlier, 1], self._ends_m[later, 0]
        half = 0.5 * np.minimum(gap_s, COAST_S)
        off = first - half * self._speeds_m_s[later, 0] - last - half * self._speeds_m_s[earlier, 1]
        depth = np.maximum(np.abs(last[1]), np.abs(first[:, 1]))
        noise = np.stack([np.full(len(later), PLACE_SIGMA_M), DEPTH_SIGMA * depth], axis=1)
        noise *= 1.0 + CONTACT_NOISE * np.maximum(self._contact[earlier, 1], self._contact[later, 0])[:, None]
        same = 2 * noise**2 + np.minimum(SPEED_SIGMA * gap_s, self._spread_m) ** 2
        other = 2 * noise**2 + 2 * self._spread_m**2
        terms = 0.5 * ((first - last) ** 2 / other - off**2 / same + np.log(other / same))
        score = np.minimum(np.logaddexp(terms.sum(axis=1), np.log(OUTLIERS)), PLACE_LIMIT)
        score = np.where(score > 0, score, score * np.exp(-gap_s[:, 0] / TRUST_S))
        return np.where(self._shots[later] == self._shots[earlier], score, 0.0)
