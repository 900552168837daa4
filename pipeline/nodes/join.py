"""Observations of the segments of a video become those of the whole: everybody keeps one identity over the joins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from pipeline.flow.line import Snapshot
from pipeline.flow.store import Journal, ObservationStore
from pipeline.types import Looks, Observations
from trackers.camera_motion import CAMERA_STAGE, join_snapshots
from trackers.continuation import ids_given, same_people

Rows = TypeVar("Rows", Observations, Looks)
Snapshots = dict[str, Snapshot]
SIZE_STAGE, TRACK_STAGE = "detect", "track"


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What was seen in one segment."""

    rows: ObservationStore
    journal: Journal  # of its own frames, complete
    at_first: Snapshots  # of the stages, before its first own frame
    at_last: Snapshots


def join_segments(
    store: ObservationStore, begun: Journal, segments: Sequence[SegmentResult]
) -> tuple[Journal, Snapshots]:
    """Write the shards of all segments as those of the whole; return its journal, not complete, and the snapshots.

    They are those of a run without segments, as far as the trackers of two segments follow the same people where they
    meet. The journal is committed with every shard, so that a join that was stopped goes on.

    Args:
        begun: the journal of the whole, of an earlier join or empty.
        segments: in order; the last one may have ended early.

    Raises:
        RunError: a shard is missing or unreadable.
    """
    seen = [segment for segment in segments if segment.journal.frame_count]
    whole, written = Journal(begun.fingerprint), 0
    for segment, identities in zip(seen, _identities(seen), strict=True):
        for number in range(segment.journal.shard_count):
            if written >= begun.shard_count:
                rows, looks, cut_frames = segment.rows.read_shard(number, segment.journal)
                store.write_shard(written, _renamed(rows, identities), _renamed(looks, identities), cut_frames)
                store.write_state(replace(whole, shard_count=written + 1), {})
            written += 1
        whole = replace(_sum(whole, segment.journal), shard_count=written)
    warning = next((segment.journal.warning for segment in segments if segment.journal.warning), "")
    snapshots = {SIZE_STAGE: seen[0].at_last.get(SIZE_STAGE, {})} if seen else {}
    if seen:
        states = [segment.at_last.get(CAMERA_STAGE, {}) for segment in seen]
        snapshots[CAMERA_STAGE] = join_snapshots(states, [segment.journal.first_time_s for segment in seen])
    return replace(whole, warning=warning), snapshots


def _identities(segments: Sequence[SegmentResult]) -> list[dict[int, int]]:
    """Return for each segment the identity in the whole of everybody in it; who is not named keeps the own one."""
    found = [dict[int, int]()]
    given = ids_given(_tracker(segments[0].at_last)) if segments else 0
    for before, segment in pairwise(segments):
        first, last = _tracker(segment.at_first), _tracker(segment.at_last)
        same = same_people(_tracker(before.at_last), first)
        names = {theirs: found[-1].get(ours, ours) for theirs, ours in same.items()}
        early, late = ids_given(first), ids_given(last)
        if late:
            for number in segment.rows.read_identities(segment.journal):
                if number <= early and number not in names:  # whom the tracker of the segment before does not follow
                    given += 1
                    names[number] = given
            names |= {number: given + number - early for number in range(early + 1, late + 1)}
            given += late - early
        found.append(names)
    return found[: len(segments)]


def _tracker(snapshots: Snapshots) -> Snapshot:
    prefix = "tracker."
    state = snapshots.get(TRACK_STAGE, {})
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _renamed(rows: Rows, identities: dict[int, int]) -> Rows:
    """Return rows with the identities of the whole, in order of frames and people."""
    found = np.array([identities.get(number, number) for number in rows.track_id.tolist()], np.int64)
    order = np.lexsort((found, rows.frame_index))
    return replace(rows, track_id=found).take(order)


def _sum(whole: Journal, part: Journal) -> Journal:
    return replace(
        whole,
        next_frame=part.next_frame,
        frame_count=whole.frame_count + part.frame_count,
        row_count=whole.row_count + part.row_count,
        detection_count=whole.detection_count + part.detection_count,
        tracked_count=whole.tracked_count + part.tracked_count,
        most_in_frame=max(whole.most_in_frame, part.most_in_frame),
        first_time_s=whole.first_time_s if whole.frame_count else part.first_time_s,
        last_time_s=part.last_time_s,
        left_out=[*whole.left_out, *part.left_out],
    )
