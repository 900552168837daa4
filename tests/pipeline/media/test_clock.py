"""Stamps that are missing, doubled or jump."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from pipeline.media.clock import Clock


def read(stamps: Sequence[int | None]) -> list[float]:
    clock = Clock(Fraction(1, 1000), Fraction(25))
    return [clock.read(stamp) for stamp in stamps]


def test_times_are_relative_to_the_first_stamp() -> None:
    assert read([5000, 5040, 5100]) == pytest.approx([0.0, 0.04, 0.1])


def test_missing_stamps_are_counted() -> None:
    assert read([None, None, None]) == pytest.approx([0.0, 0.04, 0.08])
    assert read([0, 40, None, 120]) == pytest.approx([0.0, 0.04, 0.08, 0.12])
    assert read([None, None, 9000, 9040]) == pytest.approx([0.0, 0.04, 0.08, 0.12])


def test_a_doubled_stamp_does_not_shift_what_follows() -> None:
    assert read([0, 40, 40, 80, 120]) == pytest.approx([0.0, 0.04, 0.06, 0.08, 0.12])


def test_a_jump_back_is_closed_up() -> None:
    assert read([90_000, 90_040, 10, 50]) == pytest.approx([0.0, 0.04, 0.08, 0.12])


def test_any_stamps_give_rising_times() -> None:
    stamps = [int(s) for s in np.random.default_rng(3).integers(0, 2000, 200)]
    assert (np.diff(np.array(read(stamps))) > 0).all()


def test_going_on_equals_reading_from_the_start() -> None:
    clock = Clock(Fraction(1, 1000), Fraction(25))
    clock.start(5000, 0.04)
    assert clock.read(5100) == read([5000, 5040, 5100])[-1]
