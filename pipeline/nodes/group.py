"""Groups the rows of a video by track, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.types import Observations, concatenate_observations

ROWS_HELD = 500_000  # rows held in memory, about 800 bytes each


class Shards(Protocol):
    """The rows of a video in temporal order, shard by shard."""

    def read_shards(self, first: int = 0, stop: int | None = None) -> Iterator[Observations]: ...


@dataclass(frozen=True, slots=True)
class Span:
    """The extent of a track in the video."""

    track_id: int
    first_frame: int
    last_frame: int
    row_count: int
    first_shard: int
    last_shard: int


def find_spans(shards: Shards) -> list[Span]:
    """Return the span of every track, in order of first appearance (then identity)."""
    spans: dict[int, Span] = {}
    for number, shard in enumerate(shards.read_shards()):
        for track_id, rows in _rows_by_track(shard.track_id):
            frames, old = shard.frame_index[rows], spans.get(track_id)
            spans[track_id] = Span(
                track_id=track_id,
                first_frame=int(frames[0]) if old is None else old.first_frame,
                last_frame=int(frames[-1]),
                row_count=len(rows) + (old.row_count if old else 0),
                first_shard=number if old is None else old.first_shard,
                last_shard=number,
            )
    return sorted(spans.values(), key=lambda span: (span.first_frame, span.track_id))


def iterate_people(shards: Shards, spans: list[Span]) -> Iterator[Observations]:
    """Yield the rows of each selected track after its last frame was read; only open tracks are held in memory.

    If the selected tracks have more than `ROWS_HELD` rows, the shards are read once per group of tracks.
    """
    for group in _groups(spans):
        yield from _gather(shards, group)


def _groups(spans: list[Span]) -> Iterator[list[Span]]:
    group: list[Span] = []
    rows = 0
    for span in spans:
        if group and rows + span.row_count > ROWS_HELD:
            yield group
            group, rows = [], 0
        group.append(span)
        rows += span.row_count
    if group:
        yield group


def _gather(shards: Shards, spans: list[Span]) -> Iterator[Observations]:
    last = {span.track_id: span.last_frame for span in spans}
    first_shard, stop = min(span.first_shard for span in spans), max(span.last_shard for span in spans) + 1
    held: dict[int, list[Observations]] = {}
    for shard in shards.read_shards(first_shard, stop):
        for track_id, rows in _rows_by_track(shard.track_id):
            if track_id not in last:
                continue
            mine = shard.take(rows)
            held.setdefault(track_id, []).append(mine)
            if mine.frame_index[-1] == last[track_id]:
                yield concatenate_observations(held.pop(track_id))


def _rows_by_track(track_ids: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield every track id of (R,) with its rows, both in order."""
    order = np.argsort(track_ids, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(track_ids[order])) + 1):
        if len(rows):
            yield int(track_ids[rows[0]]), rows
