"""People who left and came back: never seen together, alike in the same cameras, and near enough to have walked.

Looks are compared within each camera, as its colours and its light are its own, and the mean of the cameras counts.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from configs.schema import LinkSettings
from pipeline.multiview.association import Person, Return
from pipeline.multiview.views import View
from trackers.linking.evidence import Channel, Sample
from trackers.linking.pieces import summary
from trackers.linking.usual import usual_looks

SPEED_MAX_M_S = 3.0  # of somebody whom nobody sees
NEAR_M = 1.0  # that a place told by one camera may be off


def join_returns(
    people: Sequence[Person], views: Sequence[View], rate_hz: float, settings: LinkSettings
) -> list[Person]:
    """Return the people with those who came back joined to who they were; ids start at 1, in order of appearance."""
    if settings.mode == "off" or len(people) < 2:
        return list(people)
    spans = [person.frames(views)[[0, -1]] for person in people]
    looks = _Looks(people, views, spans)
    ends = [[_place(person, views, int(frame)) for frame in span] for person, span in zip(people, spans, strict=True)]
    chains = [[number] for number in range(len(people))]
    returns: dict[int, list[Return]] = {}
    while True:
        best: tuple[float, int, int] | None = None
        for one, two in combinations(range(len(chains)), 2):
            earlier, later = sorted((chains[one], chains[two]), key=lambda chain: spans[chain[0]][0])
            gap_s = (spans[later[0]][0] - spans[earlier[-1]][1]) / rate_hz
            if gap_s <= 0 or (settings.join_max_s is not None and gap_s > settings.join_max_s):
                continue
            if np.linalg.norm(ends[later[0]][0] - ends[earlier[-1]][1]) > NEAR_M + SPEED_MAX_M_S * gap_s:
                continue
            score = looks.score(earlier, later)
            if score >= settings.score_min and (best is None or score > best[0]):
                best = score, chains.index(earlier), chains.index(later)
        if best is None:
            break
        score, one, two = best
        earlier, later = chains[one], chains[two]
        left, back = int(spans[earlier[-1]][1]), int(spans[later[0]][0])
        returns.setdefault(later[0], []).append(Return(left, back, (back - left) / rate_hz, score))
        chains[one] = earlier + later
        del chains[two]
    chains.sort(key=lambda chain: spans[chain[0]][0])
    return [
        Person(
            number,
            [node for who in chain for node in people[who].nodes],
            tuple(sorted((each for who in chain for each in returns.get(who, ())), key=lambda each: each.back_frame)),
        )
        for number, chain in enumerate(chains, start=1)
    ]


def returns_as_json(people: Sequence[Person]) -> dict[str, Any]:
    """Return what `links.json` of a capture says of who came back, and why they are taken for who had left."""
    return {
        "decisions": [
            {
                "kind": "return",
                "people": [person.id],
                "frames": [each.left_frame, each.back_frame],
                "gap_s": round(each.gap_s, 3),
                "score": round(each.score, 2),
                "reason": f"person {person.id} is back after {each.gap_s:.1f} s: looks alike ({each.score:+.1f})",
            }
            for person in people
            for each in person.returns
        ],
        "assigned": [],
    }


class _Looks:
    """What people look like in every camera."""

    def __init__(self, people: Sequence[Person], views: Sequence[View], spans: Sequence[np.ndarray]) -> None:
        self._samples: list[list[Sample]] = []
        self._channels: list[Channel] = []
        together = [
            pair for pair in combinations(range(len(people)), 2)
            if max(spans[who][0] for who in pair) <= min(spans[who][1] for who in pair)
        ]  # fmt: skip
        for number, view in enumerate(views):
            if not len(view.looks):
                continue
            owner = np.full(len(view.rows.frame_index), -1)
            for who, person in enumerate(people):
                for node in person.nodes:
                    if node.view == number:
                        owner[node.rows] = who
            of = owner[view.look_rows]
            mine = [view.looks[of == who] for who in range(len(people))]
            found = [summary(looks, np.ones(len(looks))) for looks in mine]
            samples = [Sample(mean, count) for mean, count, _ in found]
            pairs = [pair for pair in together if all(samples[who].count.any() for who in pair)]
            scatters = np.stack([scatter for *_, scatter in found])
            usual = usual_looks(view.looks.shape[1])
            self._samples.append(samples)
            self._channels.append(Channel(usual, samples, scatters, np.array(pairs, np.int64).reshape(-1, 2)))

    def score(self, earlier: Sequence[int], later: Sequence[int]) -> float:
        """Return the evidence that two chains of people are one, the mean of the cameras that know both; 0: none."""
        found = []
        for samples, channel in zip(self._samples, self._channels, strict=True):
            one, two = (_joined([samples[who] for who in chain]) for chain in (earlier, later))
            if ((one.count > 0) & (two.count > 0)).any():
                found.append(channel.score(one, two))
        return float(np.mean(found)) if found else 0.0


def _joined(samples: Sequence[Sample]) -> Sample:
    found = samples[0]
    for sample in samples[1:]:
        found = found.joined(sample)
    return found


def _place(person: Person, views: Sequence[View], frame: int) -> np.ndarray:
    """Return where a person is (3,) in the world, the mean of the places that the views recovered."""
    found = []
    for node in person.nodes:
        view = views[node.view]
        for row in node.rows[view.rows.frame_index[node.rows] == frame]:
            found.append(view.camera.to_world(view.rows.trans[row]))
    return np.asarray(np.mean(found, axis=0))
