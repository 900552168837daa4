from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.evaluation.tracking import HEAD, MotRows, measure_tracking, read_mot

LEFT, RIGHT = (10, 20, 30, 60), (200, 20, 30, 60)  # left, top, width, height


def rows_of(tmp_path: Path, lines: list[tuple[float, ...]], name: str = "a.txt") -> MotRows:
    path = tmp_path / name
    path.write_text("\n".join(",".join(f"{value:g}" for value in line) for line in lines))
    return read_mot(path)


def people(hidden: set[tuple[int, int]] = frozenset()) -> list[tuple[float, ...]]:
    """Two people over four frames; who is hidden when, by person and frame."""
    return [
        (frame, person, *place, 1, 1, 0.1 if (person, frame) in hidden else 1.0)
        for frame in range(1, 5)
        for person, place in ((1, LEFT), (2, RIGHT))
    ]


def tracks(numbers: dict[int, tuple[int | None, int | None]]) -> list[tuple[float, ...]]:
    """By frame, the identities of who is found left and right."""
    return [
        (frame, number, *place, 0.9, -1, -1, -1)
        for frame, both in numbers.items()
        for number, place in zip(both, (LEFT, RIGHT), strict=True)
        if number is not None
    ]


def test_an_exchange_of_two_people_half_way_by_hand(tmp_path: Path) -> None:
    """2 switches of 8 boxes: MOTA 3/4. 4 of 8 keep their best identity: IDF1 1/2. Each pair lasts 2 of 6: AssA 1/3."""
    truth = rows_of(tmp_path, people())
    found = rows_of(tmp_path, tracks({1: (5, 6), 2: (5, 6), 3: (6, 5), 4: (6, 5)}))
    (visible, whole) = measure_tracking(truth, found)
    assert (visible.truth, whole.truth) == ("visible people", "all people")
    for report in (visible, whole):
        assert (report.people, report.found, report.boxes, report.switches) == (2, 2, 8, 2)
        measured = (report.mota, report.idf1, report.deta, report.assa, report.hota)
        np.testing.assert_allclose(measured, (3 / 4, 1 / 2, 1, 1 / 3, 3**-0.5), atol=1e-9)
    assert len(whole.row()) == len(HEAD) and whole.row()[-1] == "2"


def test_people_who_are_hidden_count_in_one_of_two_truths(tmp_path: Path) -> None:
    """The second person is hidden in two frames and found in one of them: 7 of 8, and 6 of 6 of those visible."""
    truth = rows_of(tmp_path, people({(2, 2), (2, 3)}))
    found = rows_of(tmp_path, tracks({1: (5, 6), 2: (5, None), 3: (5, 6), 4: (5, 6)}))
    visible, whole = measure_tracking(truth, found)
    assert (visible.boxes, visible.mota, visible.idf1) == (6, 1.0, 1.0)
    assert (whole.boxes, whole.mota) == (8, 7 / 8)
    assert whole.idf1 == pytest.approx(2 * 7 / (8 + 7))


def test_who_does_not_count_is_neither_missed_nor_wrong(tmp_path: Path) -> None:
    reflection = [(frame, 9, 400, 20, 30, 60, 0, 8, 1) for frame in range(1, 5)]
    truth = rows_of(tmp_path, people() + reflection)
    found = [
        *tracks({frame: (5, 6) for frame in range(1, 5)}),
        (1, 7, 400, 20, 30, 60, 0.9),
        (2, 8, 600, 20, 30, 60, 0.9),
    ]
    _, whole = measure_tracking(truth, rows_of(tmp_path, found))
    assert whole.mota == 7 / 8  # one box lies on nobody


def test_nobody_found_is_all_missed(tmp_path: Path) -> None:
    _, whole = measure_tracking(rows_of(tmp_path, people()), rows_of(tmp_path, []))
    assert (whole.hota, whole.idf1, whole.mota, whole.switches) == (0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1,2,3", "3 numbers"),
        ("1,2,a,4,5,6", "could not convert"),
        ("0,2,3,4,5,6", "frame 0"),
        ("1,2,3,4,nan,6", "expected"),
    ],
)
def test_a_line_that_is_none_is_told(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "a.txt").write_text(f"1,1,3,4,5,6\n{line}\n")
    with pytest.raises(InputError, match=f"line 2 is not of the MOTChallenge: .*{problem}"):
        read_mot(tmp_path / "a.txt")


def test_one_id_twice_in_a_frame_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="in one frame twice"):
        rows_of(tmp_path, [(1, 1, *LEFT), (1, 1, *RIGHT)])


def test_a_truth_of_nobody_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody who counts"):
        measure_tracking(rows_of(tmp_path, [(1, 1, *LEFT, 0)]), rows_of(tmp_path, [], "b.txt"))
