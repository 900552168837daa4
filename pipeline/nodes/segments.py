"""The node `observe`: a video seen in one go, or a long one in segments that are joined afterwards.

A segment begins some seconds early, so that by its first own frame the tracker follows the same people as one that has
seen all frames before. Segments are whole chunks of the unsegmented run: a batch holds the same rows.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from configs.errors import InputError
from configs.lock import locked
from pipeline.flow.graph import fingerprint_of
from pipeline.flow.line import Snapshot
from pipeline.flow.store import Journal, ObservationStore
from pipeline.media.packet_index import index_packets
from pipeline.nodes.context import ClipContext, Progress
from pipeline.nodes.join import SIZE_STAGE, SegmentResult, Snapshots, join_segments
from pipeline.nodes.observe import Part, image_names, observe, with_warnings
from trackers.sampling import SYNC_S

LEAD, ROWS = "lead", "rows"  # folders of a segment: of what it sees early, and of its own frames
SETTLE_S = 4.0  # beyond the time that lost people are waited for


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a video that is observed on its own."""

    number: int  # from 0
    begin: int  # frame that is read first; what lies before `first` is seen, and belongs to the segment before
    first: int
    stop: int | None  # frame it ends before; None: the end of what is read

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Self:
        """Return what `as_json` described."""
        return cls(**value)


def plan_segments(clip: ClipContext) -> tuple[Segment, ...]:
    """Return the segments of a clip; none where it is observed in one go."""
    length_s = clip.segment_s
    if length_s is None:
        return ()
    times_s, decode = _frame_times(clip), clip.settings.decode
    origin = int(np.searchsorted(times_s, decode.start_s or 0.0))
    total = len(times_s) if decode.end_s is None else int(np.searchsorted(times_s, decode.end_s))
    firsts, size = [origin], clip.chunk_frames

    def chunk_start(frame: int) -> int:
        return origin + max(0, frame - origin) // size * size

    while total > origin:
        wanted_s = times_s[origin] + len(firsts) * length_s
        first = chunk_start(int(np.searchsorted(times_s, wanted_s)) + size - 1)
        if first >= total or times_s[total - 1] - times_s[first] < 0.5 * length_s:
            break
        if first > firsts[-1]:
            firsts.append(first)
    if len(firsts) < 2:
        return ()
    overlap_s = clip.settings.track.lost_max_s + SETTLE_S
    begins = [0]
    for first in firsts[1:]:
        early_s = min(times_s[first] - overlap_s, times_s[first - 1] // SYNC_S * SYNC_S)
        begins.append(chunk_start(int(np.searchsorted(times_s, early_s, side="right")) - 1))
    firsts[0] = 0  # the reader knows best where the chosen part begins
    stops = [*firsts[1:], None]
    return tuple(Segment(n, *each) for n, each in enumerate(zip(begins, firsts, stops, strict=True)))


def make_observations(clip: ClipContext, fingerprint: str, identity: str) -> Sequence[Path]:
    """Write what is seen in each frame, from where an earlier run stopped; return the files.

    Args:
        fingerprint: of all that the observations depend on; those of another one are made anew.
        identity: of the video's content.

    Raises:
        InputError: there is no frame in the chosen part, or the video was changed meanwhile.
    """
    store = clip.store
    state = store.read_state()
    if state is not None and state[0].fingerprint != fingerprint:
        store.clear()
        state = None
    journal, snapshots = state if state is not None else (Journal(fingerprint), None)
    if not journal.is_complete:
        segments = plan_segments(clip)
        clip.progress.start("recover", clip.frame_total())
        clip.progress.advance(journal.frame_count, "")
        if segments:
            journal = _in_segments(clip, store, journal, segments, identity)
        else:
            journal, _ = observe(clip, store, journal, snapshots, identity)
    if not journal.frame_count:
        raise InputError(f"{clip.info.path}: no frame in the chosen part; check --start and --end")
    _remove_segments(clip)
    return store.files(journal)


def observe_segment(
    clip: ClipContext, segment: Segment, fingerprint: str, identity: str, size: Snapshot | None = None
) -> SegmentResult:
    """Write what is seen in a segment to its folder, from where an earlier run stopped.

    Args:
        fingerprint: of the observations of the whole video.
        size: of the detector's input, as it was chosen for another segment; None: by a look at the video.

    Raises:
        InputError: the video was changed meanwhile.
        RunError: another process is at this segment.
    """
    folder, own = clip.files.segment(segment.number), _own_fingerprint(segment, fingerprint)
    with locked(folder):
        lead, rows = ObservationStore(folder / LEAD), ObservationStore(folder / ROWS)
        after, at_first = Journal(own, next_frame=segment.first), dict[str, Snapshot]()
        if segment.begin < segment.first:
            begin = Journal(own, next_frame=segment.begin)
            before, at_first = _carry_on(
                clip, lead, identity, Part(begin, segment.first, has_bodies=False, size=size), None
            )
            if before.warning:  # damage: nothing behind it is read
                return SegmentResult(rows, Journal(own, warning=before.warning, is_complete=True), {}, {})
            after = before if before.next_frame == segment.first else after
        journal, at_last = _carry_on(clip, rows, identity, Part(after, segment.stop, size=size), at_first or None)
        return SegmentResult(rows, journal, at_first, at_last)


def is_observed(clip: ClipContext, segment: Segment, fingerprint: str) -> bool:
    """Return whether a segment was observed to its end."""
    state = ObservationStore(clip.files.segment(segment.number) / ROWS).read_state()
    return state is not None and state[0].is_complete and state[0].fingerprint == _own_fingerprint(segment, fingerprint)


def _own_fingerprint(segment: Segment, fingerprint: str) -> str:
    return fingerprint_of({"observations": fingerprint, "segment": asdict(segment)})


def _carry_on(
    clip: ClipContext, store: ObservationStore, identity: str, part: Part, snapshots: Snapshots | None
) -> tuple[Journal, Snapshots]:
    """Return the complete journal of a part and its last snapshots.

    Args:
        snapshots: with which it begins.
    """
    assert part.after is not None
    fingerprint = part.after.fingerprint
    state = store.read_state()
    if state is not None and state[0].fingerprint != fingerprint:
        store.clear()
        state = None
    if state is not None and state[0].is_complete:
        return state
    return observe(clip, store, *(state or (Journal(fingerprint), snapshots)), identity, part)


def _in_segments(
    clip: ClipContext, store: ObservationStore, begun: Journal, segments: Sequence[Segment], identity: str
) -> Journal:
    done, frames, size = list[SegmentResult](), 0, dict[str, np.ndarray]()
    for segment in segments:
        work = replace(clip, progress=_Behind(clip.progress, frames))
        done.append(observe_segment(work, segment, begun.fingerprint, identity, size))
        frames += done[-1].journal.frame_count
        if done[-1].journal.warning:
            break
        size = done[-1].at_last.get(SIZE_STAGE, {})
    with clip.clock.measure("join"):
        whole, snapshots = join_segments(store, begun, done)
    if whole.warning and not whole.frame_count:
        raise InputError(whole.warning)
    if clip.settings.detect.keypoints is not None:
        clip.models.people_finder(image_names(clip))  # which says what of the file could not be read
    whole = with_warnings(clip, replace(whole, is_complete=True))
    store.write_state(whole, snapshots)
    return whole


def _remove_segments(clip: ClipContext) -> None:
    """Delete what the segments hold; what else lies there stays."""
    folder = clip.files.segments
    for place in sorted(folder.glob("*")) if folder.is_dir() else ():
        for part in (LEAD, ROWS):
            ObservationStore(place / part).clear()
            with suppress(OSError):  # not there, or not empty
                (place / part).rmdir()
        with suppress(OSError):
            (place / ".lock").unlink()
            place.rmdir()
    with suppress(OSError):
        folder.rmdir()


class _Behind:
    """Adds the frames of earlier segments to those of one."""

    def __init__(self, progress: Progress, frames: int) -> None:
        self._progress, self._frames = progress, frames

    def start(self, step: str, total: int | None) -> None:
        """Begin a step."""
        self._progress.start(step, total)

    def advance(self, done: int, note: str) -> None:
        """So much of it is done."""
        self._progress.advance(self._frames + done, note)


def _frame_times(clip: ClipContext) -> np.ndarray:
    """Return when the frames of the video are (T,) float64, by its packets, or by its rate where these do not tell."""
    info = clip.info
    index = None if info.is_counted else index_packets(info)
    if index is not None:
        return np.asarray((index.pts - index.pts[0]) * float(index.time_base))
    return np.arange(info.frame_count or 0) / float(info.rate)
