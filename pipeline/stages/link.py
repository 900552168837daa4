"""Linking: rows in order of time become one sequence per person, in constant memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.store import ObservationStore
from pipeline.types import Observations, concatenate_observations, select_rows


@dataclass(frozen=True, slots=True)
class Span:
    """Where a track lies in the video."""

    track_id: int
    first_frame: int
    last_frame: int
    row_count: int


def find_spans(store: ObservationStore) -> list[Span]:
    """Return the span of every track, in order of first appearance (then identity)."""
    spans: dict[int, Span] = {}
    for shard in store.read_shards():
        for track_id in np.unique(shard.track_id).tolist():
            frames = shard.frame_index[shard.track_id == track_id]
            old = spans.get(track_id)
            first = int(frames[0]) if old is None else old.first_frame
            count = len(frames) + (old.row_count if old else 0)
            spans[track_id] = Span(track_id, first, int(frames[-1]), count)
    return sorted(spans.values(), key=lambda span: (span.first_frame, span.track_id))


def iterate_people(store: ObservationStore, spans: list[Span]) -> Iterator[Observations]:
    """Yield the rows of each chosen track once its last frame was read; only open tracks are in memory."""
    last = {span.track_id: span.last_frame for span in spans}
    held: dict[int, list[Observations]] = {}
    for shard in store.read_shards():
        for track_id in np.unique(shard.track_id).tolist():
            if track_id not in last:
                continue
            rows = select_rows(shard, shard.track_id == track_id)
            held.setdefault(track_id, []).append(rows)
            if rows.frame_index[-1] == last[track_id]:
                yield concatenate_observations(held.pop(track_id))
