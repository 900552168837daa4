"""Linking: rows in order of time become one sequence per person, in constant memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from configs.errors import SettingsError
from pipeline.types import Observations, concatenate_observations, select_rows
from trackers.edits import NOBODY, Edit, apply_edits

Shards = Callable[[], Iterator[Observations]]  # reads the rows of a video anew, in order of time, a part at a time


@dataclass(frozen=True, slots=True)
class Span:
    """Where a person lies in the video."""

    person: int
    first_frame: int
    last_frame: int
    row_count: int


def find_spans(shards: Shards) -> list[Span]:
    """Return the span of every `track_id`, in order of first appearance (then identity)."""
    spans: dict[int, Span] = {}
    for shard in shards():
        for person in np.unique(shard.track_id).tolist():
            frames = shard.frame_index[shard.track_id == person]
            old = spans.get(person)
            first = int(frames[0]) if old is None else old.first_frame
            count = len(frames) + (old.row_count if old else 0)
            spans[person] = Span(person, first, int(frames[-1]), count)
    return sorted(spans.values(), key=lambda span: (span.first_frame, span.person))


def number_people(shards: Shards, frames_min: int, edits: Sequence[Edit] = ()) -> Shards:
    """Return the rows of everybody who is seen in enough frames, with the number of the person as `track_id`.

    Tracks are numbered from 1 in order of first appearance. Edits are applied after that and renumber nobody.

    Raises:
        SettingsError: while rows are read: an edit names somebody who is not there, or makes one person of two who are
            seen in the same frame.
    """
    tracks = [span.person for span in find_spans(shards) if span.row_count >= frames_min]
    number_of = {track_id: number for number, track_id in enumerate(tracks, start=1)}

    def numbered() -> Iterator[Observations]:
        for shard in shards():
            people = np.array([number_of.get(track_id, NOBODY) for track_id in shard.track_id.tolist()], np.int64)
            people = apply_edits(edits, people, shard.frame_index, shard.time_s, len(tracks))
            if edits:
                _refuse_doubles(people, shard.frame_index, edits)
            yield select_rows(replace(shard, track_id=people), people != NOBODY)

    return numbered


def iterate_people(shards: Shards, spans: Sequence[Span]) -> Iterator[Observations]:
    """Yield the rows of each chosen person once its last frame was read; only open ones are in memory."""
    last = {span.person: span.last_frame for span in spans}
    held: dict[int, list[Observations]] = {}
    for shard in shards():
        for person in np.unique(shard.track_id).tolist():
            if person not in last:
                continue
            rows = select_rows(shard, shard.track_id == person)
            held.setdefault(person, []).append(rows)
            if rows.frame_index[-1] == last[person]:
                yield concatenate_observations(held.pop(person))


def _refuse_doubles(people: np.ndarray, frame_index: np.ndarray, edits: Sequence[Edit]) -> None:
    seen: set[tuple[int, int]] = set()
    for person, frame in zip(people.tolist(), frame_index.tolist(), strict=True):
        if person != NOBODY and (person, frame) in seen:
            asked = " ".join(map(str, edits))
            raise SettingsError(
                f"after {asked} person {person} is in frame {frame} twice; swap or split one of the two there first"
            )
        seen.add((person, frame))
