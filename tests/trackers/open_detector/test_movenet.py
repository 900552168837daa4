"""Maps of MoveNet become people."""

import numpy as np
import pytest

from trackers.open_detector.movenet import read_movenet

SHAPE = (14, 24)


def maps(people: list[tuple[int, int, float, float]]) -> dict[str, np.ndarray]:
    """Return maps with people at these cells (row, column), of this height and width in cells; keypoint k lies k / 4
    cells below and k / 8 right of the centre."""
    low = -20.0
    result = {
        "centres": np.full((1, *SHAPE), low, np.float32),
        "sizes": np.zeros((2, *SHAPE), np.float32),
        "offsets": np.zeros((2, *SHAPE), np.float32),
        "heat_maps": np.full((17, *SHAPE), low, np.float32),
        "keypoints": np.zeros((34, *SHAPE), np.float32),
        "keypoint_offsets": np.zeros((34, *SHAPE), np.float32),
    }
    for number, (row, column, height, width) in enumerate(people):
        result["centres"][0, row, column] = 3.0 - number
        result["sizes"][:, row, column] = height, width
        result["offsets"][:, row, column] = 0.5, 0.25
        for k in range(17):
            y, x = k // 4, k // 8
            result["keypoints"][2 * k : 2 * k + 2, row, column] = y, x
            result["heat_maps"][k, row + y, column + x] = 4.0
            result["keypoint_offsets"][2 * k : 2 * k + 2, row + y, column + x] = 0.75, 0.5
    return result


def test_nobody_is_found_in_empty_maps() -> None:
    assert read_movenet(maps([]), 0.1).shape == (0, 57)


def test_a_person_is_placed_to_fractions_of_a_cell() -> None:
    people = read_movenet(maps([(5, 8, 10.0, 6.0)]), 0.1)
    assert people.shape == (1, 57)
    assert people[0, :4] == pytest.approx([4 * (8.25 - 3), 4 * (5.5 - 5), 4 * (8.25 + 3), 4 * (5.5 + 5)])
    assert people[0, 4] == pytest.approx(1 / (1 + np.exp(-3.0)))
    keypoints = people[0, 6:].reshape(17, 3)
    k = np.arange(17)
    assert np.allclose(keypoints[:, 0], 4 * (8 + k // 8 + 0.5))
    assert np.allclose(keypoints[:, 1], 4 * (5 + k // 4 + 0.75))
    assert np.allclose(keypoints[:, 2], 1 / (1 + np.exp(-4.0)))


def test_a_keypoint_is_taken_from_the_persons_own_box() -> None:
    alone = read_movenet(maps([(3, 4, 12.0, 6.0)]), 0.1)
    first, second = read_movenet(maps([(3, 4, 12.0, 6.0), (3, 15, 12.0, 6.0)]), 0.1)
    assert np.allclose(first[6:], alone[0, 6:], atol=1e-5)
    assert np.allclose(second[6:].reshape(17, 3)[:, 0] - first[6:].reshape(17, 3)[:, 0], 4 * 11)


def test_more_people_than_six_are_found_and_only_the_peak_of_each() -> None:
    places = [(row, column, 4.0, 2.0) for row in (1, 7) for column in (1, 7, 13, 18)]
    given = maps(places)
    given["centres"][given["centres"] > -20.0] = 2.0
    given["centres"][0, 1, 2] = 1.0  # beside the first peak
    assert len(read_movenet(given, 0.1)) == 8


def test_a_box_beyond_the_picture_still_gives_keypoints() -> None:
    people = read_movenet(maps([(0, 0, 30.0, 60.0), (3, 18, 0.0, 0.0)]), 0.01)
    assert np.isfinite(people).all() and len(people) == 2
