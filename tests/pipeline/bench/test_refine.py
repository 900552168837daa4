"""The memory bench's own numbers."""

import pytest

from pipeline.bench.refine import draw_person, measure_refine, size_mib


def test_a_drawn_person_is_unseen_now_and_then_but_not_at_the_ends() -> None:
    person = draw_person(600, 3)
    assert person.frame_index[[0, -1]].tolist() == [0, 599] and 500 < len(person.frame_index) < 600
    assert size_mib(person) == pytest.approx(2 * size_mib(draw_person(300, 3)), rel=0.05)


def test_the_process_says_what_it_held_before_and_how_many_rows_it_refined(capsys) -> None:
    measure_refine(0.02, 2, "smooth", 1)
    before, tracks, rows = (float(word) for word in capsys.readouterr().out.split())
    assert before > 20 and 0.01 < tracks < 1 and rows == 72
