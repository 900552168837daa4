"""Which pieces are one person: chains of pieces, joined where the evidence is strongest first."""

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from trackers.linking.clip import Clip, Look

EJECTED_SHARE = 0.3  # of the frames of the shorter of two chains, that others of the same time may take away
EJECTED_COST = 0.5  # of each piece that is taken out of a chain
RIVAL_LEAD = 1.0  # evidence by which somebody must be likelier than a rival
RIVAL_FRAMES_MIN = 5  # seen together for so long, two chains are two people, and not one who was found twice


@dataclass(slots=True)
class _Chain:
    """Pieces of one person, in order of time."""

    pieces: list[int]
    look: Look
    apart: set[int]  # pieces of other people
    looks_of: dict[int, float] = field(default_factory=dict)  # evidence of looks, by the chain it may be joined with
    shape_of: dict[int, float] = field(default_factory=dict)  # of build, likewise
    beside: dict[int, int] = field(default_factory=dict)  # frames over which another chain goes on as well, by chain


def find_chains(clip: Clip) -> list[list[int]]:
    """Return the pieces of every person in order of time; people in order of first appearance.

    Greedy contraction of the strongest positive edge, as in correlation clustering; two pieces of one frame are never
    of one person.
    Source: Keuper et al., Efficient Decomposition of Image and Mesh Graphs by Lifted Multicuts (ICCV 2015), GAEC.
    """
    return _Contraction(clip).run()


class _Contraction:
    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._chains = {
            number: _Chain([number], clip.look_of(number), clip.apart[number]) for number in range(len(clip.pieces))
        }
        self._queue: list[tuple[float, int, int]] = []
        self._owner = {number: number for number in self._chains}  # the chain of every piece
        for number, chain in self._chains.items():
            chain.beside = dict(clip.beside[number])
        self._next = len(self._chains)
        for number, others in clip.candidates():
            self._compare(number, others)
        self._near = {number: set(chain.looks_of) for number, chain in self._chains.items()}  # of pieces

    def run(self) -> list[list[int]]:
        # Gains change as rivals are joined, so that everybody is asked again until nothing is left to join.
        while self._fill() or self._join_without_few():
            while self._queue:
                gain, first, second = heapq.heappop(self._queue)
                if first not in self._chains or second not in self._chains:
                    continue
                now = self._gain(first, second)
                if now < -gain:
                    if now > 0:
                        heapq.heappush(self._queue, (-now, first, second))
                    continue
                self._join(first, second)
        return sorted(chain.pieces for chain in self._chains.values())

    def _fill(self) -> bool:
        """Put every pair that is worth joining into the queue; return whether there is one."""
        for number, chain in self._chains.items():
            self._push(number, (other for other in chain.looks_of if other > number))
        return bool(self._queue)

    def _push(self, number: int, others: Iterable[int]) -> None:
        for other in others:
            if (gain := self._gain(number, other)) > 0:
                heapq.heappush(self._queue, (-gain, min(number, other), max(number, other)))

    def _compare(self, number: int, others: list[int]) -> None:
        """Note how alike a chain and others are."""
        if not others:
            return
        chain, rest = self._chains[number], [self._chains[other] for other in others]
        looks, shapes = self._clip.alike(chain.look, [other.look for other in rest])
        for other, one, look, shape in zip(others, rest, looks.tolist(), shapes.tolist(), strict=True):
            chain.looks_of[other] = one.looks_of[number] = look
            chain.shape_of[other] = one.shape_of[number] = shape

    def _join_without_few(self) -> bool:
        """Join the two chains that gain most by it once few pieces, which say they are two, are taken out of them."""
        best: tuple[float, int, int, set[int]] | None = None
        for first, one in self._chains.items():
            for second, look in one.looks_of.items():
                if second < first or look <= 0 or one.apart.isdisjoint(self._chains[second].pieces):
                    continue
                ejected = self._in_the_way(one, self._chains[second])
                gain = -np.inf if ejected is None else self._gain(first, second, ejected)
                if ejected is not None and gain > 0 and (best is None or gain > best[0]):
                    best = (gain, first, second, ejected)
        if best is None:
            return False
        _, first, second, ejected = best
        kept = [self._without(number, ejected) for number in (first, second)]
        for number, chain in zip((first, second), kept, strict=True):
            chain.looks_of, chain.shape_of = self._chains[number].looks_of, self._chains[number].shape_of
            self._chains[number] = chain
        self._join(first, second)
        for piece in sorted(ejected):
            label, self._next = self._next, self._next + 1
            self._chains[label] = _Chain([piece], self._clip.look_of(piece), self._clip.apart[piece])
            self._note_beside(label)
            owners = [n for n, chain in self._chains.items() if not self._near[piece].isdisjoint(chain.pieces)]
            self._compare(label, sorted(owners))
        return True

    def _in_the_way(self, one: _Chain, two: _Chain) -> set[int] | None:
        """Return the pieces by which two chains are two people, the lighter of every two; None: they are too many."""
        ejected: set[int] = set()
        others, pieces = set(two.pieces), self._clip.pieces
        for number in one.pieces:
            for other in self._clip.apart[number] & others:
                if number not in ejected and other not in ejected:
                    ejected.add(
                        min(number, other, key=lambda n: (pieces[n].look_count.sum(), len(pieces[n].frames), n))
                    )
        lost = sum(len(pieces[n].frames) for n in ejected)
        whole = min(sum(len(pieces[n].frames) for n in chain.pieces) for chain in (one, two))
        return ejected if lost <= EJECTED_SHARE * whole else None

    def _without(self, number: int, ejected: set[int]) -> _Chain:
        left = [piece for piece in self._chains[number].pieces if piece not in ejected]
        look, apart = self._clip.look_of(left[0]), set(self._clip.apart[left[0]])
        for piece in left[1:]:
            look = look.joined(self._clip.look_of(piece))
            apart |= self._clip.apart[piece]
        return _Chain(left, look, apart)

    def _join(self, first: int, second: int) -> None:
        one, two, label = self._chains.pop(first), self._chains.pop(second), self._next
        self._next += 1
        self._chains[label] = _Chain(sorted(one.pieces + two.pieces), one.look.joined(two.look), one.apart | two.apart)
        self._note_beside(label, first, second)
        near = sorted((one.looks_of.keys() | two.looks_of.keys()) & self._chains.keys())
        for other in near:
            for known in (self._chains[other].looks_of, self._chains[other].shape_of):
                known.pop(first, None)
                known.pop(second, None)
        self._compare(label, near)
        self._push(label, near)

    def _note_beside(self, number: int, *gone: int) -> None:
        """Note which chains go on beside a new one, which stands for those that are gone."""
        chain = self._chains[number]
        self._owner |= dict.fromkeys(chain.pieces, number)
        for piece in chain.pieces:
            for other, frames in self._clip.beside[piece].items():
                owner = self._owner[other]
                if owner != number and owner in self._chains:
                    chain.beside[owner] = chain.beside.get(owner, 0) + frames
        for owner, frames in chain.beside.items():
            theirs = self._chains[owner].beside
            for label in gone:
                theirs.pop(label, None)
            theirs[number] = frames

    def _gain(self, first: int, second: int, ejected: Collection[int] = ()) -> float:
        """Return how much likelier joining two chains makes the whole, once pieces are taken out of them."""
        one, two = self._chains[first], self._chains[second]
        if not ejected and not one.apart.isdisjoint(two.pieces):
            return -np.inf
        mine, theirs = ([piece for piece in chain.pieces if piece not in ejected] for chain in (one, two))
        if not mine or not theirs:
            return -np.inf
        gain = self._clip.links_gained(mine, theirs) + one.shape_of[second] - EJECTED_COST * len(ejected)
        look = one.looks_of[second]
        if look <= 0 or gain + look <= 0:
            return gain + look
        # Either may be somebody else who was there together with the other one, besides nobody who was seen.
        rival = max(self._rival(first, second), self._rival(second, first))
        nobody = 0.0 if self._clip.is_tied(one.pieces, two.pieces) else self._clip.join_min
        return gain + max(look - float(np.logaddexp(rival + RIVAL_LEAD - nobody, 0.0)) * (rival > 0), 0.0)

    def _rival(self, first: int, second: int) -> float:
        """Return the evidence that the second is rather somebody who is there together with the first."""
        looks, found = self._chains[second].looks_of, 0.0
        for other, frames in self._chains[first].beside.items():
            if frames >= RIVAL_FRAMES_MIN and other in looks:
                found = max(found, looks[other])
        return found
