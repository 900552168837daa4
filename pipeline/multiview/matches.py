"""Why the rows of each view are taken for a person's: how near their rays pass those of the other views."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.multiview.association import SEGMENT_S, Node, Person, pair_evidence
from pipeline.multiview.returns import returns_as_json
from pipeline.multiview.views import View


@dataclass(frozen=True, slots=True)
class Match:
    """What says that somebody in one view is a person whom other views see, the mean over half seconds."""

    person: int  # their id
    camera: str
    frames: int  # in which it sees them
    score: float | None  # evidence, 1: all rays meet, 0: as likely one as not; None: no other view tells
    margin: float | None  # by how much it is more than that for the next best person; None: nobody else can be told

    @property
    def reason(self) -> str:
        """In words."""
        if self.score is None:
            return "no other camera tells"
        says = "rays meet those of the other cameras" if self.score > 0 else "rays miss those of the other cameras"
        if self.margin is None:
            return f"{says} ({self.score:+.2f}), nobody else comes into question"
        more = "more" if self.margin >= 0 else "less"
        return f"{says} ({self.score:+.2f}), {abs(self.margin):.2f} {more} than those of the next best"


def find_matches(people: Sequence[Person], views: Sequence[View], rate_hz: float) -> list[Match]:
    """Return a match for each person and each view that sees them.

    The evidence is that of `pair_evidence`, for the rows that people have in the end.
    """
    length = max(1, round(SEGMENT_S * rate_hz))
    segments: dict[int, list[tuple[int, Node]]] = {}
    frames = np.zeros((len(people), len(views)), np.int64)
    for who, person in enumerate(people):
        for number, view in enumerate(views):
            rows = np.sort(np.concatenate([np.zeros(0, int), *(n.rows for n in person.nodes if n.view == number)]))
            frames[who, number] = len(rows)
            parts = view.rows.frame_index[rows] // length
            for segment in np.unique(parts).tolist():
                segments.setdefault(segment, []).append((who, Node(number, who, rows[parts == segment])))
    sums = np.zeros((2, 2, len(people), len(views)))  # score and margin: their sums, and over how many half seconds
    for nodes in segments.values():
        _add(sums, views, nodes, len(people))
    with np.errstate(invalid="ignore"):
        score, margin = sums[:, 0] / sums[:, 1]
    return [
        Match(
            people[who].id,
            views[number].camera.name,
            int(frames[who, number]),
            *(float(each[who, number]) if np.isfinite(each[who, number]) else None for each in (score, margin)),
        )
        for who, number in np.argwhere(frames > 0).tolist()
    ]


def _add(sums: np.ndarray, views: Sequence[View], nodes: Sequence[tuple[int, Node]], count: int) -> None:
    """Add what a segment tells to sums (2, 2, P, V)."""
    owners, view = np.array([who for who, _ in nodes]), np.array([node.view for _, node in nodes])
    evidence, weight = pair_evidence(views, [node for _, node in nodes])
    weight = np.where(view[:, None] == view, 0.0, weight)
    of_whom = (owners[:, None] == np.arange(count)).astype(float)
    told = weight @ of_whom
    with np.errstate(invalid="ignore"):
        mean = np.where(told > 0, (np.where(weight > 0, evidence, 0.0) * weight) @ of_whom / told, np.nan)  # (N, P)
    at = np.arange(len(nodes))
    own = mean[at, owners]
    others = np.where(of_whom > 0, -np.inf, np.nan_to_num(mean, nan=-np.inf)).max(axis=1)
    for kind, values in enumerate((own, own - others)):
        known = np.isfinite(values)
        np.add.at(sums[kind, 0], (owners[known], view[known]), values[known])
        np.add.at(sums[kind, 1], (owners[known], view[known]), 1.0)


def links_as_json(people: Sequence[Person], views: Sequence[View], rate_hz: float) -> dict[str, Any]:
    """Return what `links.json` of a capture holds: who came back, and why views are taken to see whom."""
    matches = [
        {
            "person": match.person,
            "camera": match.camera,
            "frames": match.frames,
            "score": None if match.score is None else round(match.score, 3),
            "margin": None if match.margin is None else round(match.margin, 3),
            "reason": match.reason,
        }
        for match in find_matches(people, views, rate_hz)
    ]
    return {**returns_as_json(people), "matches": matches}
