"""The decisions of linking: who every piece of a track is, and why tracks were joined and split."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from trackers.linking.chains import find_chains
from trackers.linking.clip import Clip, Evidence
from trackers.linking.pieces import GAP_S, Piece

NOBODY = 0
# Somebody is certain who is clear of others, or looked at where nobody covers them, in so many frames or
# such a share of them.
CLEAR_MIN, CLEAR_SHARE = 5, 0.5
LOOKS_MIN, LOOKS_SHARE = 5, 0.3
WORDS_MIN = 0.5  # evidence that is worth a word


@dataclass(frozen=True, slots=True)
class Assigned:
    """A part of a track and the person it is of."""

    track_id: int
    first_frame: int
    last_frame: int
    person: int  # from 1, in order of first appearance; 0: left out


@dataclass(frozen=True, slots=True)
class Decision:
    """A join of two tracks to one person, a split of one track between two, or somebody who is left out."""

    kind: str  # "join", "split" or "drop"
    tracks: tuple[int, int]  # the earlier and the later one; of a split twice the same
    people: tuple[int, int]  # of a join twice the same; 0: nobody
    frames: tuple[int, int]  # the last one before and the first one after; of a drop the first one and the last one
    gap_s: float
    evidence: Evidence  # that both sides are one person
    reason: str


@dataclass(frozen=True, slots=True)
class Links:
    """Who is who after linking."""

    assigned: tuple[Assigned, ...]  # ordered by track and frame; neighbours of one person are one entry
    decisions: tuple[Decision, ...]  # ordered by time


def link_pieces(
    pieces: Sequence[Piece],
    join_min: float,
    split_min: float,
    join_max_s: float | None = None,
    hidden_max_s: float = 0.0,
) -> Links:
    """Return who is who of all pieces of a clip.

    Args:
        join_min, split_min, join_max_s: as of `Clip`.
        hidden_max_s: who is seen neither clear of others nor well enough to be looked at, and not for longer than
            this, is left out: where people hide each other a detector sees some who are not there.
    """
    pieces = sorted(pieces, key=lambda piece: (piece.first_frame, piece.track_id))
    if not pieces:
        return Links((), ())
    clip = Clip(pieces, join_min, split_min, join_max_s)
    found = find_chains(clip)
    chains = [chain for chain in found if not _is_hidden(clip, chain, hidden_max_s)]
    person_of = dict.fromkeys(range(len(pieces)), NOBODY)
    person_of |= {number: person for person, chain in enumerate(chains, start=1) for number in chain}
    left_out = [_drop(clip, chain) for chain in found if person_of[chain[0]] == NOBODY]
    decisions = [*_joins(clip, chains), *_splits(clip, chains, person_of), *left_out]
    return Links(
        _assigned(pieces, person_of), tuple(sorted(decisions, key=lambda d: (d.frames[1], d.kind, d.tracks, d.people)))
    )


def keep_tracks(spans: Sequence[tuple[int, int, int]]) -> Links:
    """Return the links that say what the tracker said.

    Args:
        spans: track, first and last frame of each, in order of first appearance.
    """
    return Links(tuple(sorted((Assigned(*span, span[0]) for span in spans), key=_place)), ())


def _place(part: Assigned) -> tuple[int, int]:
    return part.track_id, part.first_frame


def _joins(clip: Clip, chains: Sequence[Sequence[int]]) -> list[Decision]:
    found = []
    for person, chain in enumerate(chains, start=1):
        for place in range(1, len(chain)):
            earlier, later = clip.pieces[chain[place - 1]], clip.pieces[chain[place]]
            if earlier.track_id == later.track_id:
                continue
            evidence = clip.evidence(chain[:place], chain[place:])
            tracks = earlier.track_id, later.track_id
            found.append(_decision("join", tracks, (person, person), earlier, later, evidence))
    return found


def _splits(clip: Clip, chains: Sequence[Sequence[int]], person_of: dict[int, int]) -> list[Decision]:
    found = []
    for number, before in sorted(clip.follows.items()):
        people = person_of[before], person_of[number]
        if people[0] == people[1] or NOBODY in people:  # of who is left out, that is said
            continue
        earlier, later = clip.pieces[before], clip.pieces[number]
        mine = [[n for n in chains[person - 1] if clip.pieces[n].track_id == earlier.track_id] for person in people]
        before_it = [n for n in mine[0] if n <= before]
        after_it = [n for n in mine[1] if n >= number]
        evidence = clip.evidence(before_it, after_it)
        found.append(_decision("split", (earlier.track_id,) * 2, people, earlier, later, evidence))
    return found


def _is_hidden(clip: Clip, chain: Sequence[int], hidden_max_s: float) -> bool:
    pieces = [clip.pieces[number] for number in chain]
    frames = sum(len(piece.frames) for piece in pieces)
    clear, looked = (sum(counts) for counts in zip(*((p.clear_count, p.look_count.max(initial=0)) for p in pieces)))
    is_certain = clear >= min(CLEAR_MIN, CLEAR_SHARE * frames) or looked >= min(LOOKS_MIN, LOOKS_SHARE * frames)
    return _seen_s(pieces) <= hidden_max_s and not is_certain


def _seen_s(pieces: Sequence[Piece]) -> float:
    """Return how long somebody was seen, in order of time, without absences."""
    steps_s = [later.first_s - earlier.last_s for earlier, later in pairwise(pieces)]
    return sum(piece.last_s - piece.first_s for piece in pieces) + sum(s for s in steps_s if 0 < s <= GAP_S)


def _drop(clip: Clip, chain: Sequence[int]) -> Decision:
    pieces = [clip.pieces[number] for number in chain]
    first, last = pieces[0], max(pieces, key=lambda piece: piece.last_frame)
    frames, seen_s = sum(len(piece.frames) for piece in pieces), _seen_s(pieces)
    reason = (
        f"track {first.track_id} is nobody for certain: never clear of others, in {frames} frames, seen for "
        f"{seen_s:.1f} s (link.hidden_max_s)"
    )
    tracks, span = (first.track_id, last.track_id), (first.first_frame, last.last_frame)
    return Decision("drop", tracks, (NOBODY, NOBODY), span, seen_s, Evidence(0.0, 0.0, 0.0), reason)


def _decision(
    kind: str, tracks: tuple[int, int], people: tuple[int, int], earlier: Piece, later: Piece, evidence: Evidence
) -> Decision:
    gap_s = max(0.0, later.first_s - earlier.last_s)
    frames = earlier.last_frame, later.first_frame
    return Decision(kind, tracks, people, frames, gap_s, evidence, _reason(kind, earlier, later, gap_s, evidence))


def _reason(kind: str, earlier: Piece, later: Piece, gap_s: float, evidence: Evidence) -> str:
    """Return a sentence on what was decided, with the evidence that weighs."""
    if kind == "split":
        why = {
            "contact": "where somebody else is close",
            "unseen": f"after {gap_s:.1f} s unseen",
            "jump": "at a jump",
            "looks": "from where the looks change",
        }
        start = f"track {earlier.track_id} is somebody else {why[later.begins]}"
    else:
        seen = "across a cut" if earlier.shot != later.shot else f"after {gap_s:.1f} s"
        start = f"track {later.track_id} goes on with track {earlier.track_id} {seen}"
        if earlier.last_frame >= later.first_frame:
            start = f"tracks {earlier.track_id} and {later.track_id} find one person twice"
    words = []
    for value, alike, unlike in (
        (evidence.appearance, "looks alike", "looks different"),
        (evidence.place, "the place fits", "the place does not fit"),
        (evidence.shape, "the same build", "another build"),
    ):
        if abs(value) >= WORDS_MIN:
            words.append(f"{alike if value > 0 else unlike} ({value:+.1f})")
    return f"{start}: {', '.join(words)}" if words else f"{start}: it fits others better"


def _assigned(pieces: Sequence[Piece], person_of: dict[int, int]) -> tuple[Assigned, ...]:
    parts: list[Assigned] = []
    for number in sorted(range(len(pieces)), key=lambda n: (pieces[n].track_id, pieces[n].first_frame)):
        piece, person = pieces[number], person_of[number]
        last = parts[-1] if parts else None
        if last is not None and (last.track_id, last.person) == (piece.track_id, person):
            parts[-1] = Assigned(last.track_id, last.first_frame, piece.last_frame, person)
        else:
            parts.append(Assigned(piece.track_id, piece.first_frame, piece.last_frame, person))
    return tuple(parts)
