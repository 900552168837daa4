from pathlib import Path

import numpy as np
import pytest

from pipeline.flow.store import Journal, ObservationStore
from pipeline.nodes import group
from pipeline.nodes.group import find_spans, iterate_people
from pipeline.types import OBSERVATION_DTYPES, OBSERVATION_SHAPES, Chunk, Frame, Observations


def write_tracks(folder: Path, frames: list[list[int]], shard_frames: int = 2) -> ObservationStore:
    """Store who (identities) is in each frame; a row's first shape number is frame * 100 + identity."""
    store, journal = ObservationStore(folder), Journal("test")
    for number, first in enumerate(range(0, len(frames), shard_frames)):
        part = list(enumerate(frames))[first : first + shard_frames]
        places = [(index, person) for index, people in part for person in sorted(people)]
        arrays = {
            name: np.zeros((len(places), *shape), OBSERVATION_DTYPES.get(name, np.float32))
            for name, shape in OBSERVATION_SHAPES.items()
        }
        arrays["frame_index"][:] = [index for index, _ in places]
        arrays["time_s"][:] = arrays["frame_index"] / 25
        arrays["track_id"][:] = [person for _, person in places]
        arrays["betas"][:, 0] = [index * 100 + person for index, person in places]
        pictures = tuple(Frame(index, index / 25, np.zeros((2, 2, 3), np.uint8)) for index, _ in part)
        journal = store.commit(journal, Chunk(number, pictures, observations=Observations(**arrays)))
    return store


FRAMES = [[3, 7], [3], [7, 9], [3, 9], [], [9, 12], [12]]


def test_spans_tell_where_each_person_is(tmp_path: Path) -> None:
    spans = find_spans(write_tracks(tmp_path, FRAMES))
    found = [(s.track_id, s.first_frame, s.last_frame, s.row_count, s.first_shard, s.last_shard) for s in spans]
    assert found == [(3, 0, 3, 3, 0, 1), (7, 0, 2, 2, 0, 1), (9, 2, 5, 3, 1, 2), (12, 5, 6, 2, 2, 3)]


@pytest.mark.parametrize("rows_held", [1, 5, 500_000])
def test_people_come_whole_however_few_are_gathered_at_once(
    rows_held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "ROWS_HELD", rows_held)
    store = write_tracks(tmp_path, FRAMES)
    people = {int(rows.track_id[0]): rows for rows in iterate_people(store, find_spans(store))}
    assert sorted(people) == [3, 7, 9, 12]
    for person, rows in people.items():
        seen = [index for index, there in enumerate(FRAMES) if person in there]
        assert rows.frame_index.tolist() == seen
        assert rows.betas[:, 0].tolist() == [index * 100 + person for index in seen]
