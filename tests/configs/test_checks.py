"""The shape check that every noun relies on."""

from collections.abc import Sequence

import numpy as np
import pytest

from configs.checks import check_numbers, check_shape


@pytest.mark.parametrize(
    ("shape", "wanted", "letters"),
    [
        ((3, 4), (3, 4), {}),
        ((3, 4), ("N", 4), {"N": 3}),
        ((0, 4), ("N", 4), {"N": 0}),
        ((5, 5), ("N", "N"), {"N": 5}),
        ((2, 7, 3), ("...", 3), {}),
        ((3,), ("...", 3), {}),
        ((), (), {}),
    ],
)
def test_shapes_that_fit_tell_what_letters_stand_for(
    shape: tuple[int, ...], wanted: Sequence[int | str], letters: dict[str, int]
) -> None:
    assert check_shape("boxes", np.zeros(shape), wanted) == letters


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((3, 4), (3, 5)), ((3, 4), ("N", "N")), ((3, 4), (3,)), ((3,), (3, 4)), ((2, 7), ("...", 3)), ((), ("...", 3))],
)
def test_shapes_that_do_not_fit_are_told_with_what_was_wanted(
    shape: tuple[int, ...], wanted: Sequence[int | str]
) -> None:
    with pytest.raises(ValueError, match=r"boxes: got shape .*, expected"):
        check_shape("boxes", np.zeros(shape), wanted)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint8, np.bool_])
def test_finite_numbers_and_truth_values_are_numbers(kind: type) -> None:
    check_numbers("scores", np.ones(3, kind))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([1.0, np.nan]), "not finite"),
        (np.array([-np.inf]), "not finite"),
        (np.array(["a"]), "of type <U1"),
        (np.array([1j]), "of type"),
        (np.array([None]), "of type"),
    ],
)
def test_anything_else_is_refused_by_name(array: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=f"scores is {words}"):
        check_numbers("scores", array)
