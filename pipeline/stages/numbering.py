"""Who is written, and under which number: tracks that are seen in enough frames, edited by hand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from configs.errors import SettingsError
from pipeline.stages.link import Shards, find_spans
from pipeline.types import Observations, select_rows
from trackers.edits import NOBODY, Edit, apply_edits


@dataclass(slots=True)
class NumberedPeople:
    """The rows of a video with the number of the person as `track_id`; who has none is left out.

    Tracks are numbered from 1 in order of first appearance. Edits are applied after that and renumber nobody.
    """

    store: Shards
    frames_min: int  # shorter tracks have no number
    edits: Sequence[Edit] = ()
    _number_of: dict[int, int] = field(init=False)  # by track

    def __post_init__(self) -> None:
        tracks = [span.track_id for span in find_spans(self.store) if span.row_count >= self.frames_min]
        self._number_of = {track_id: number for number, track_id in enumerate(tracks, start=1)}

    def read_shards(self, first: int = 0, stop: int | None = None) -> Iterator[Observations]:
        """Yield the shards from `first` to before `stop`, or all of them.

        Raises:
            SettingsError: an edit names somebody who is not there, or makes one person of two in the same frame.
        """
        for shard in self.store.read_shards(first, stop):
            people = np.array([self._number_of.get(track_id, NOBODY) for track_id in shard.track_id.tolist()], np.int64)
            people = apply_edits(self.edits, people, shard.frame_index, shard.time_s, len(self._number_of))
            if self.edits:
                _refuse_doubles(people, shard.frame_index, self.edits)
            yield select_rows(replace(shard, track_id=people), people != NOBODY)


def _refuse_doubles(people: np.ndarray, frame_index: np.ndarray, edits: Sequence[Edit]) -> None:
    seen: set[tuple[int, int]] = set()
    for person, frame in zip(people.tolist(), frame_index.tolist(), strict=True):
        if person != NOBODY and (person, frame) in seen:
            asked = " ".join(map(str, edits))
            raise SettingsError(
                f"after {asked} person {person} is in frame {frame} twice; swap or split one of the two there first"
            )
        seen.add((person, frame))
