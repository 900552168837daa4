import numpy as np
import pytest

from configs.errors import SettingsError
from trackers.edits import NOBODY, Edit, apply_edits, parse_edit

FRAMES = np.arange(6)
TIMES = FRAMES / 10


def edited(*texts: tuple[str, str], people: tuple[int, ...] = (1, 2, 3)) -> dict[int, list[int]]:
    """Return the numbers of each of three people over six frames after edits."""
    edits = [parse_edit(kind, text) for kind, text in texts]  # type: ignore[arg-type]
    return {person: apply_edits(edits, np.full(6, person), FRAMES, TIMES, people).tolist() for person in people}


def test_merged_people_have_the_first_ones_number() -> None:
    assert edited(("merge", "3,1")) == {1: [3] * 6, 2: [2] * 6, 3: [3] * 6}


def test_swapped_people_change_places_from_a_frame_on() -> None:
    assert edited(("swap", "1,3@4")) == {1: [1, 1, 1, 1, 3, 3], 2: [2] * 6, 3: [3, 3, 3, 3, 1, 1]}


def test_a_time_stands_for_the_first_frame_that_is_not_before_it() -> None:
    assert edited(("swap", "1,3@0.35s")) == edited(("swap", "1,3@4"))


def test_a_split_makes_the_next_number_and_keeps_the_others() -> None:
    assert edited(("split", "2@2"), ("split", "2@1")) == {1: [1] * 6, 2: [2, 5, 4, 4, 4, 4], 3: [3] * 6}


def test_numbers_may_have_gaps_and_a_split_comes_after_the_largest() -> None:
    edits = [parse_edit("split", "70@3")]
    assert apply_edits(edits, np.full(6, 70), FRAMES, TIMES, (10, 70)).tolist() == [70] * 3 + [71] * 3
    with pytest.raises(SettingsError, match="there is no person 1; people here: 10, 70"):
        apply_edits([parse_edit("drop", "1")], np.full(6, 70), FRAMES, TIMES, (10, 70))


def test_dropped_people_are_nobody() -> None:
    assert edited(("drop", "1,2")) == {1: [NOBODY] * 6, 2: [NOBODY] * 6, 3: [3] * 6}


def test_edits_follow_one_another() -> None:
    assert edited(("split", "1@3"), ("merge", "2,4"))[1] == [1, 1, 1, 2, 2, 2]
    assert edited(("swap", "1,2@2"), ("swap", "1,2@2")) == edited()


def test_rows_of_nobody_stay_nobodys() -> None:
    edits = [parse_edit("merge", "1,2"), parse_edit("swap", "1,3@0")]
    assert apply_edits(edits, np.full(6, NOBODY), FRAMES, TIMES, (1, 2, 3)).tolist() == [NOBODY] * 6


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("merge", "2"), ("merge", "2,2"), ("merge", ""), ("merge", "a,b"), ("merge", "0,1"), ("merge", "1,-2"),
        ("merge", "1,2@3"), ("swap", "1,2"), ("swap", "1,2,3@4"), ("swap", "1,2@"), ("swap", "1,2@-4"),
        ("split", "1,2@4"), ("split", "1"), ("drop", "1@4"), ("drop", "9" * 400), ("swap", "1,2@nan"),
    ],
)  # fmt: skip
def test_what_is_no_edit_is_told_with_an_example(kind: str, text: str) -> None:
    with pytest.raises(SettingsError, match=r"for example --|numbered from 1"):
        parse_edit(kind, text)  # type: ignore[arg-type]


def test_somebody_who_is_not_there_is_told_with_who_is() -> None:
    for texts, missing in [([("merge", "1,4")], 4), ([("merge", "1,2"), ("drop", "2")], 2)]:
        with pytest.raises(SettingsError, match=f"there is no person {missing}; people here: 1, "):
            edited(*texts)


def test_an_edit_reads_as_it_was_written() -> None:
    for kind, text in [("merge", "2,5"), ("swap", "3,4@120"), ("split", "3@4.8s")]:
        assert str(parse_edit(kind, text)) == f"--{kind} {text}"  # type: ignore[arg-type]
    assert Edit("drop", (6,)) == parse_edit("drop", " 6 ")
