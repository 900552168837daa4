from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from configs.errors import SettingsError
from pipeline.nodes.group import find_spans, iterate_people
from pipeline.nodes.numbering import NumberedPeople
from pipeline.types import Observations, no_observations
from trackers.edits import parse_edit


def shard_of(*rows: tuple[int, int]) -> Observations:
    """Return rows of (frame, track id), all else zero; the box tells the track."""
    empty = no_observations()
    arrays = {
        name: np.zeros((len(rows), *getattr(empty, name).shape[1:]), getattr(empty, name).dtype)
        for name in Observations.__dataclass_fields__
    }
    arrays["frame_index"] = np.array([frame for frame, _ in rows], np.int64)
    arrays["time_s"] = arrays["frame_index"] / 10
    arrays["track_id"] = np.array([track for _, track in rows], np.int64)
    arrays["boxes_xyxy"][:, 0] = arrays["track_id"]
    return Observations(**arrays)


class Store:
    """Tracks 7 (frames 0 to 3), 3 (frame 1 alone), 9 (frames 2 to 5) and 4 (frames 4 and 5) in shards of two frames."""

    shards = (
        shard_of((0, 7), (1, 3), (1, 7)),
        shard_of((2, 7), (2, 9), (3, 7), (3, 9)),
        shard_of((4, 4), (4, 9), (5, 4), (5, 9)),
    )

    def read_shards(self, first: int = 0, stop: int | None = None) -> Iterator[Observations]:
        return iter(self.shards[first:stop])


def people_of(*edits: tuple[str, str], frames_min: int = 2) -> dict[int, list[tuple[int, int]]]:
    """Return (frame, original track) of everybody."""
    parsed = [parse_edit(kind, text) for kind, text in edits]  # type: ignore[arg-type]
    numbered = NumberedPeople(Store(), frames_min, parsed)
    found = {}
    for rows in iterate_people(numbered, find_spans(numbered)):
        assert len(set(rows.track_id.tolist())) == 1
        found[int(rows.track_id[0])] = [
            (int(f), int(x)) for f, x in zip(rows.frame_index, rows.boxes_xyxy[:, 0], strict=True)
        ]
    return dict(sorted(found.items()))


def test_people_are_numbered_by_first_appearance_and_short_tracks_left_out() -> None:
    assert people_of() == {
        1: [(0, 7), (1, 7), (2, 7), (3, 7)],
        2: [(2, 9), (3, 9), (4, 9), (5, 9)],
        3: [(4, 4), (5, 4)],
    }
    assert list(people_of(frames_min=1)) == [1, 2, 3, 4]


def test_one_person_who_was_lost_and_found_again_becomes_one() -> None:
    merged = people_of(("merge", "1,3"))
    assert merged[1] == [(0, 7), (1, 7), (2, 7), (3, 7), (4, 4), (5, 4)]
    assert list(merged) == [1, 2]


def test_people_who_changed_bodies_change_back() -> None:
    swapped = people_of(("swap", "1,2@3"))
    assert swapped[1] == [(0, 7), (1, 7), (2, 7), (3, 9), (4, 9), (5, 9)]
    assert swapped[2] == [(2, 9), (3, 7)]
    assert swapped[3] == people_of()[3]


def test_edits_keep_numbers_and_may_leave_few_rows() -> None:
    found = people_of(("drop", "2"), ("split", "3@5"))
    assert list(found) == [1, 3, 4]
    assert found[4] == [(5, 4)]


def test_two_bodies_in_one_frame_are_not_made_one() -> None:
    with pytest.raises(SettingsError, match="after --merge 2,3 person 2 is in frame 4 twice"):
        people_of(("merge", "2,3"))


def test_identities_of_a_keypoint_file_are_the_numbers_where_a_file_can_have_them() -> None:
    people = NumberedPeople(Store(), 2, is_id_kept=True)
    assert [span.track_id for span in find_spans(people)] == [7, 9, 4]
    shifted = [replace(shard, track_id=shard.track_id - 7) for shard in Store.shards]

    class Zero(Store):
        shards = tuple(shifted)

    assert [span.track_id for span in find_spans(NumberedPeople(Zero(), 2, is_id_kept=True))] == [1, 2, 3]


def test_spans_are_those_of_the_numbered_rows_with_edits_and_without() -> None:
    people = NumberedPeople(Store(), 2)
    assert people.find_spans() == find_spans(people)
    edited = people.edited([parse_edit("merge", "1,3")])
    assert edited.find_spans() == find_spans(edited) != people.find_spans()
