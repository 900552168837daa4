"""Maps of NanoDet become boxes."""

import numpy as np
import pytest

from trackers.open_detector.nanodet import BINS, CLASSES, STRIDES, read_nanodet

SIDE_PX = 64


def outputs() -> dict[str, np.ndarray]:
    return {
        f"stride_{stride}": np.full((CLASSES + 4 * BINS, SIDE_PX // stride, SIDE_PX // stride), -20.0, np.float32)
        for stride in STRIDES
    }


def test_nobody_is_found_in_empty_maps() -> None:
    assert read_nanodet(outputs(), 0.1).shape == (0, 57)


@pytest.mark.parametrize("stride", STRIDES)
def test_a_box_is_the_mean_of_its_distances_round_the_middle_of_the_cell(stride: int) -> None:
    given = outputs()
    output = given[f"stride_{stride}"]
    output[0, 1, 0] = 1.0  # a person; row 1, column 0
    output[3, 0, 1] = 5.0  # something else
    for side, distance in enumerate((0, 1, 2, 3)):
        output[CLASSES + side * BINS + distance, 1, 0] = 20.0
    output[CLASSES + 3 * BINS + 4, 1, 0] = 20.0  # the lower side between 3 and 4 strides
    people = read_nanodet(given, 0.1)
    assert people.shape == (1, 57)
    x, y = 0.5 * stride, 1.5 * stride
    assert people[0, :4] == pytest.approx([x, y - stride, x + 2 * stride, y + 3.5 * stride], abs=1e-3)
    assert people[0, 4] == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert not people[0, 6:].any()
