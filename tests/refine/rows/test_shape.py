"""One shape per person: a median that counts frames as sure as they are."""

import numpy as np
import pytest

from refine.rows.shape import shape_of_person


def betas_of(*values: float) -> np.ndarray:
    return np.outer(values, np.arange(1, 11)).astype(np.float32)


@pytest.mark.parametrize(
    ("confidence", "wanted"),
    [
        ((1, 1, 1, 1, 1), 3.0),
        ((1, 1, 1, 1, 9), 50.0),
        ((0, 0, 0, 1, 0), -1.0),
        ((0, 0, 0, 0, 0), 3.0),
        ((1, 2, 1, 0, 0), 2.0),  # half of the confidence lies at or below 2
    ],
)
def test_half_of_the_confidence_lies_below_the_shape(confidence: tuple[float, ...], wanted: float) -> None:
    found = shape_of_person(betas_of(4, 2, 3, -1, 50), np.array(confidence))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, betas_of(wanted)[0])


def test_each_coefficient_has_a_median_of_its_own() -> None:
    betas = np.stack([np.roll(np.arange(10), shift) for shift in range(3)]).astype(np.float32)
    np.testing.assert_array_equal(shape_of_person(betas, np.ones(3)), np.median(betas, axis=0))
