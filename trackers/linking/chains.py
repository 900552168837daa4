"""Which pieces are one person: chains of pieces, joined where the evidence is strongest first."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from trackers.linking.clip import Clip, Look

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
        self._next = len(self._chains)
        for number, others in clip.candidates():
            self._compare(number, others)

    def run(self) -> list[list[int]]:
        # Gains change as rivals are joined, so that everybody is asked again until nothing is left to join.
        while self._fill():
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
                heapq.heappush(self._queue, (-gain, *sorted((number, other))))

    def _compare(self, number: int, others: list[int]) -> None:
        """Note how alike a chain and others are."""
        if not others:
            return
        chain, rest = self._chains[number], [self._chains[other] for other in others]
        looks, shapes = self._clip.alike(chain.look, [other.look for other in rest])
        for other, one, look, shape in zip(others, rest, looks.tolist(), shapes.tolist(), strict=True):
            chain.looks_of[other] = one.looks_of[number] = look
            chain.shape_of[other] = one.shape_of[number] = shape

    def _join(self, first: int, second: int) -> None:
        one, two, label = self._chains.pop(first), self._chains.pop(second), self._next
        self._next += 1
        self._chains[label] = _Chain(sorted(one.pieces + two.pieces), one.look.joined(two.look), one.apart | two.apart)
        near = sorted((one.looks_of.keys() | two.looks_of.keys()) & self._chains.keys())
        for other in near:
            for known in (self._chains[other].looks_of, self._chains[other].shape_of):
                known.pop(first, None)
                known.pop(second, None)
        self._compare(label, near)
        self._push(label, near)

    def _gain(self, first: int, second: int) -> float:
        one, two = self._chains[first], self._chains[second]
        if not one.apart.isdisjoint(two.pieces):
            return -np.inf
        gain = self._clip.links_gained(one.pieces, two.pieces) + one.shape_of[second]
        look = one.looks_of[second]
        if look <= 0 or gain + look <= 0:
            return gain + look
        # Either may be somebody else who was there together with the other one, besides nobody who was seen.
        rival = max(self._rival(first, second), self._rival(second, first))
        nobody = 0.0 if self._clip.is_tied(one.pieces, two.pieces) else self._clip.join_min
        return gain + max(look - float(np.logaddexp(rival + RIVAL_LEAD - nobody, 0.0)) * (rival > 0), 0.0)

    def _rival(self, first: int, second: int) -> float:
        """Return the evidence that the second is rather somebody who is there together with the first."""
        pieces, found = self._chains[first].pieces, 0.0
        for other, look in self._chains[second].looks_of.items():
            if other == first or look <= found:
                continue
            if self._clip.shared_frames(pieces, self._chains[other].pieces) >= RIVAL_FRAMES_MIN:
                found = look
        return found
