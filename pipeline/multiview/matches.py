"""Why the rows of each view are taken for a person's: rays, bodies and looks beside those of the other views."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.multiview.association import SEGMENT_S, Person
from pipeline.multiview.evidence import pair_evidence
from pipeline.multiview.looks import LooksOfViews
from pipeline.multiview.returns import returns_as_json
from pipeline.multiview.views import Node, View

KINDS = ("score", "bodies", "looks", "margin")


@dataclass(frozen=True, slots=True)
class Match:
    """What says that somebody in one view is a person whom other views see, the mean over half seconds."""

    person: int  # their id
    camera: str
    frames: int  # in which it sees them
    score: float | None  # evidence of rays, 1: all meet, 0: as likely one as not; None: no other view tells
    bodies: float | None  # that the bodies are as far away as the rays meet, the logarithm of a likelihood ratio
    looks: float | None  # that they look alike, likewise
    margin: float | None  # by how much all evidence is more than for the next best; None: nobody else can be told

    @property
    def reason(self) -> str:
        """In words."""
        if self.score is None:
            return "no other camera tells"
        parts = (
            (self.score, "rays meet those of the other cameras", "rays miss those of the other cameras"),
            (self.bodies, "bodies are as far as that", "bodies are not as far as that"),
            (self.looks, "looks alike", "looks different"),
        )
        says = ", ".join(
            f"{against if value < 0 else speaks} ({value:+.2f})" for value, speaks, against in parts if value
        )
        if self.margin is None:
            return f"{says}; nobody else comes into question"
        more = "more" if self.margin >= 0 else "less"
        return f"{says}; {abs(self.margin):.2f} {more} than the next best"


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
    sums = np.zeros((len(KINDS), 2, len(people), len(views)))  # their sums, and over how many half seconds
    looks = LooksOfViews(views)
    for nodes in segments.values():
        _add(sums, views, nodes, looks, len(people))
    with np.errstate(invalid="ignore"):
        means = sums[:, 0] / sums[:, 1]
    found = []
    for who, number in np.argwhere(frames > 0).tolist():
        told = (float(mean) if np.isfinite(mean) else None for mean in means[:, who, number])
        found.append(Match(people[who].id, views[number].camera.name, int(frames[who, number]), *told))
    return found


def _add(
    sums: np.ndarray, views: Sequence[View], nodes: Sequence[tuple[int, Node]], looks: LooksOfViews, count: int
) -> None:
    """Add what a segment tells to sums (4, 2, P, V)."""
    owners, view = np.array([who for who, _ in nodes]), np.array([node.view for _, node in nodes])
    evidence = pair_evidence(views, [node for _, node in nodes], looks)
    weight = np.where(view[:, None] == view, 0.0, evidence.weight)
    of_whom = (owners[:, None] == np.arange(count)).astype(float)
    told = weight @ of_whom
    at = np.arange(len(nodes))
    means = []
    for values in (evidence.rays, evidence.bodies, evidence.looks, evidence.choice):
        with np.errstate(invalid="ignore"):
            means.append(np.where(told > 0, (np.where(weight > 0, values, 0.0) * weight) @ of_whom / told, np.nan))
    *parts, choice = means  # (N, P) each
    others = np.where(of_whom > 0, -np.inf, np.nan_to_num(choice, nan=-np.inf)).max(axis=1)
    for kind, values in enumerate((*(part[at, owners] for part in parts), choice[at, owners] - others)):
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
            **{kind: None if (value := getattr(match, kind)) is None else round(value, 3) for kind in KINDS},
            "reason": match.reason,
        }
        for match in find_matches(people, views, rate_hz)
    ]
    return {**returns_as_json(people), "matches": matches}
