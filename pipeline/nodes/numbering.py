"""Person numbers: tracks with enough frames, in order of appearance, after manual edits."""

import logging
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from configs.errors import SettingsError
from configs.schema import RunSettings
from pipeline.nodes.group import Shards, Span, find_spans
from pipeline.types import Observations
from trackers.edits import NOBODY, NUMBER_MAX, Edit, apply_edits

log = logging.getLogger(__name__)


@dataclass(slots=True)
class NumberedPeople:
    """The rows of a video with the person number as `track_id`; rows of other tracks are dropped.

    Tracks are numbered from 1 in order of first appearance. Identities of a keypoint file are kept if they are valid
    file numbers. Edits are applied afterwards and do not renumber anyone.
    """

    store: Shards
    frames_min: int  # shorter tracks have no number
    edits: Sequence[Edit] = ()
    is_id_kept: bool = False
    _tracks: list[Span] = field(init=False)  # those that have a number
    _number_of: dict[int, int] = field(init=False)  # by track

    def __post_init__(self) -> None:
        self._tracks = [span for span in find_spans(self.store) if span.row_count >= self.frames_min]
        tracks = [span.track_id for span in self._tracks]
        is_kept = self.is_id_kept and all(1 <= track_id < NUMBER_MAX for track_id in tracks)
        if self.is_id_kept and not is_kept:
            log.warning("identities of the keypoint file go from %d to %d, and files are numbered from 1: people have "
                        "the numbers of their first appearance", min(tracks), max(tracks))  # fmt: skip
        self._number_of = {track_id: track_id if is_kept else n for n, track_id in enumerate(tracks, start=1)}

    @classmethod
    def from_settings(cls, store: Shards, settings: RunSettings) -> Self:
        """Return the people of a run with these settings, before edits."""
        return cls(store, settings.link.frames_min, is_id_kept=settings.track.is_id_kept)

    def edited(self, edits: Sequence[Edit]) -> Self:
        """Return the same people after edits."""
        people = copy(self)
        people.edits = edits
        return people

    def find_spans(self) -> list[Span]:
        """Return the span of every person, in order of first appearance; rows are read again only if there are edits.

        Raises:
            SettingsError: as of `read_shards`.
        """
        if self.edits:
            return find_spans(self)
        return [replace(span, track_id=self._number_of[span.track_id]) for span in self._tracks]

    def read_shards(self, first: int = 0, stop: int | None = None) -> Iterator[Observations]:
        """Yield the shards from `first` to before `stop`, or all of them.

        Raises:
            SettingsError: an edit names an unknown person, or merges two people of the same frame.
        """
        for shard in self.store.read_shards(first, stop):
            people = np.array([self._number_of.get(track_id, NOBODY) for track_id in shard.track_id.tolist()], np.int64)
            people = apply_edits(self.edits, people, shard.frame_index, shard.time_s, self._number_of.values())
            if self.edits:
                _refuse_doubles(people, shard.frame_index, self.edits)
            yield replace(shard, track_id=people).take(people != NOBODY)


def _refuse_doubles(people: np.ndarray, frame_index: np.ndarray, edits: Sequence[Edit]) -> None:
    seen: set[tuple[int, int]] = set()
    for person, frame in zip(people.tolist(), frame_index.tolist(), strict=True):
        if person != NOBODY and (person, frame) in seen:
            asked = " ".join(map(str, edits))
            raise SettingsError(
                f"after {asked} person {person} is in frame {frame} twice; swap or split one of the two there first"
            )
        seen.add((person, frame))
