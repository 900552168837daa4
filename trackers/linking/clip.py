"""The pieces of a clip, and what speaks for some of them being one person."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trackers.linking.evidence import Channel, Places, Sample, is_found_twice, together_score
from trackers.linking.pieces import Piece
from trackers.linking.usual import SHAPES, usual_looks

PAIRS_MAX = 5000  # of people seen at one time, from which it is learned how much people differ
# How much of `split_min` the tracker's own continuation is worth, and between what limits the place counts beside it,
# by which the tracker has judged already.
TIES = {
    "contact": (1.5, -1.0, 0.5),
    "looks": (1.5, -1.0, 0.5),
    "unseen": (0.75, -0.75, 1.0),
    "jump": (0.75, -3.0, 0.5),
}
CLOSE_S = 10.0  # farther apart in time, only the pieces of a track that were looked at most are compared
CONTACT_DOUBT = 0.5  # less where somebody else is in the same place: there tracks are exchanged


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for two chains being one person: logarithms of likelihood ratios."""

    appearance: float
    shape: float
    place: float

    @property
    def total(self) -> float:
        """All together."""
        return self.appearance + self.shape + self.place


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a person, whoever it is."""

    look: Sample
    shape: Sample

    def joined(self, other: "Look") -> "Look":
        """Return both as one person's."""
        return Look(self.look.joined(other.look), self.shape.joined(other.shape))


class Clip:
    """The pieces of a clip, in order of their first frames, and what the clip says of people in general."""

    def __init__(self, pieces: Sequence[Piece], join_min: float, split_min: float, join_max_s: float | None) -> None:
        """
        Args:
            join_min: evidence that makes one person of two tracks.
            split_min: evidence that makes two people of one track.
            join_max_s: longest absence within a person; None: any.
        """
        self.pieces = pieces
        self.join_min, self._split_min = join_min, split_min
        self._join_max_s = np.inf if join_max_s is None else join_max_s
        self._first = np.array([piece.first_frame for piece in pieces])
        self._last = np.array([piece.last_frame for piece in pieces])
        self.looks = [Sample(piece.look, piece.look_count) for piece in pieces]
        self.shapes = [Sample(piece.shape, np.full(10, piece.shape_count)) for piece in pieces]
        pairs = self._different_people()
        scatters = np.stack([piece.look_scatter for piece in pieces])
        drifts = np.stack([piece.look_drift for piece in pieces])
        size = scatters.shape[1]
        self._looks = Channel(usual_looks(size), self.looks, scatters, pairs, drifts) if size else None
        self._shapes = Channel(SHAPES, self.shapes, np.stack([piece.shape_scatter for piece in pieces]), pairs)
        self._places = Places(pieces)
        self.beside = self._pieces_beside()
        self.apart = self._pieces_apart()
        self._place_of: dict[tuple[int, int], float] = {}
        self.follows: dict[int, int] = {}  # the piece before in the same track
        latest: dict[int, int] = {}
        for number, piece in enumerate(pieces):
            if piece.track_id in latest:
                self.follows[number] = latest[piece.track_id]
            latest[piece.track_id] = number

    def _different_people(self) -> np.ndarray:
        """Return pairs of pieces (Q, 2) that were seen at one time and looked at."""
        found = []
        looked = [number for number, sample in enumerate(self.looks) if sample.count.any()]
        for place, number in enumerate(looked):
            for other in looked[place + 1 :]:
                if self._first[other] > self._last[number]:
                    break
                found.append((number, other))
            if len(found) >= PAIRS_MAX:
                break
        return np.array(found, np.int64).reshape(-1, 2)

    def candidates(self) -> Iterator[tuple[int, list[int]]]:
        """Yield every piece with those after it that may be the same person: alike, near, or next in its track."""
        starts = np.array([piece.first_s for piece in self.pieces])
        looks, shapes = _stacked(self.looks), _stacked(self.shapes)
        next_of = {before: number for number, before in self.follows.items()}
        is_anchor = self._anchors()
        for number, piece in enumerate(self.pieces):
            later = self._possible(number)
            later = later[starts[later] - piece.last_s <= self._join_max_s]
            is_close = starts[later] - piece.last_s <= CLOSE_S
            later = later[is_close | (is_anchor[later] & is_anchor[number])]
            likely = self._shapes.scores(self.shapes[number], *(values[later] for values in shapes))
            if self._looks is not None:
                likely += self._looks.scores(self.looks[number], *(values[later] for values in looks))
            places = self._places.scores(number, later)
            is_together = self._first[later] <= self._last[number]
            places[is_together] = [self._place(number, other) for other in later[is_together].tolist()]
            is_likely = likely + places > self.join_min
            found = later[is_likely].tolist()
            self._place_of |= zip(((number, other) for other in found), places[is_likely].tolist())
            if number in next_of and next_of[number] not in found:
                found.append(next_of[number])
            yield number, found

    def _anchors(self) -> np.ndarray:
        """Return which pieces (P,) stand for their track for so long when others are far away: those looked at most."""
        best: dict[tuple[int, int], tuple[float, int]] = {}
        for number, piece in enumerate(self.pieces):
            key, looked = (piece.track_id, int(piece.first_s // CLOSE_S)), float(piece.look_count.sum())
            if looked > best.get(key, (0.0, 0))[0]:
                best[key] = (looked, number)
        found = np.zeros(len(self.pieces), bool)
        found[np.array([number for _, number in best.values()], np.int64)] = True
        return found

    def _possible(self, number: int) -> np.ndarray:
        """Return the pieces (B,) that begin after one, or with it where both can be of one person."""
        stop = int(np.searchsorted(self._first, self._last[number], side="right"))
        near = [other for other in range(number + 1, stop) if other not in self.apart[number]]
        return np.concatenate([np.array(near, np.int64), np.arange(stop, len(self.pieces))])

    def _pieces_beside(self) -> list[dict[int, int]]:
        """Return for every piece those that go on at the same time, and over how many frames both do."""
        found: list[dict[int, int]] = [{} for _ in self.pieces]
        for number in range(len(self.pieces)):
            stop = int(np.searchsorted(self._first, self._last[number], side="right"))
            for other in range(number + 1, stop):
                shared = int(min(self._last[number], self._last[other]) - self._first[other]) + 1
                found[number][other] = found[other][number] = shared
        return found

    def _pieces_apart(self) -> list[set[int]]:
        """Return for every piece those that share its time and are other people."""
        found: list[set[int]] = [set() for _ in self.pieces]
        for number, piece in enumerate(self.pieces):
            for other in self.beside[number]:
                if other > number and not is_found_twice(piece, self.pieces[other]):
                    found[number].add(other)
                    found[other].add(number)
        return found

    def alike(self, one: Look, others: Sequence[Look]) -> tuple[np.ndarray, np.ndarray]:
        """Return the evidence of looks and of build (B,) that others are the same person."""
        shapes = self._shapes.scores(one.shape, *_stacked([other.shape for other in others]))
        if self._looks is None:
            return np.zeros_like(shapes), shapes
        return self._looks.scores(one.look, *_stacked([other.look for other in others])), shapes

    def look_of(self, number: int) -> Look:
        """Return what is known of the person of a piece."""
        return Look(self.looks[number], self.shapes[number])

    def links_gained(self, one: list[int], two: list[int]) -> float:
        """Return how much likelier joining two chains makes their links; minus infinity for too long an absence.

        Pieces are numbered by their first frames, so that the order of numbers is that of time.
        """
        pieces, owners = sorted(one + two), set(one)
        gain = 0.0
        for earlier, later in pairwise(pieces):
            if (earlier in owners) != (later in owners):
                if self.pieces[later].first_s - self.pieces[earlier].last_s > self._join_max_s:
                    return -np.inf
                gain += self._link(earlier, later)
        kept = set(pairwise(pieces))
        for chain in (one, two):  # links that the other chain's pieces come between
            gain -= sum(self._link(*pair) for pair in pairwise(chain) if pair not in kept)
        return gain if self.is_tied(one, two) else gain - self.join_min

    def is_tied(self, one: Sequence[int], two: Sequence[int]) -> bool:
        """Return whether the tracker went on from a piece of one chain to a piece of the other."""
        return any(self.follows.get(n) in two for n in one) or any(self.follows.get(n) in one for n in two)

    def _link(self, earlier: int, later: int) -> float:
        place = self._place(earlier, later)
        if self.follows.get(later) != earlier:
            return place
        share, low, high = TIES[self.pieces[later].begins]
        share -= CONTACT_DOUBT * self.pieces[later].first_contact
        return min(max(place, low), high) + share * self._split_min

    def evidence(self, earlier: Sequence[int], later: Sequence[int]) -> Evidence:
        """Return what says that earlier pieces and later ones are one person, the place by the two that meet."""
        looks = self._looks.score(_pooled(self.looks, earlier), _pooled(self.looks, later)) if self._looks else 0.0
        shape = self._shapes.score(_pooled(self.shapes, earlier), _pooled(self.shapes, later))
        return Evidence(looks, shape, self._place(earlier[-1], later[0]))

    def _place(self, earlier: int, later: int) -> float:
        if (earlier, later) not in self._place_of and self._first[later] <= self._last[earlier]:
            self._place_of[earlier, later] = together_score(self.pieces[earlier], self.pieces[later])
        elif (earlier, later) not in self._place_of:
            self._place_of[earlier, later] = float(self._places.scores(earlier, np.array([later]))[0])
        return self._place_of[earlier, later]


def _stacked(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([sample.mean for sample in samples]), np.stack([sample.count for sample in samples])


def _pooled(samples: Sequence[Sample], numbers: Sequence[int]) -> Sample:
    found = samples[numbers[0]]
    for number in numbers[1:]:
        found = found.joined(samples[number])
    return found
