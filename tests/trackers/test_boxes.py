import numpy as np
import pytest

from trackers.boxes import box_around


@pytest.mark.parametrize(
    ("points", "box"),
    [([(0, 0), (20, 8), (5, 2)], [-2, -2, 22, 10]), ([(3, 0), (4, 30)], [0, -3, 7, 33]), ([(5, 5)], [4, 4, 6, 6])],
)
def test_a_box_round_points_is_grown_by_a_share_of_its_longer_side(points: list[tuple], box: list[float]) -> None:
    assert box_around(np.array(points, float)).tolist() == box
