"""Where recovered bodies put people: one camera knows a direction, two know a place."""

from dataclasses import replace

import numpy as np
import pytest
from filmed_views import filmed_views

from pipeline.multiview.places import LIMIT, Place, place_of, same_place_score
from pipeline.multiview.views import Node, View

FRAMES, RATE_HZ = 40, 30.0


@pytest.fixture(scope="module")
def views() -> list[View]:
    return filmed_views(2, 3, FRAMES)


def nodes(views: list[View], *numbers: int) -> list[Node]:
    return [Node(number, 1, np.flatnonzero(views[number].rows.track_id == 1)) for number in numbers]


def test_one_view_knows_the_direction_and_two_know_the_place(views: list[View]) -> None:
    one, two = place_of(views, nodes(views, 0)), place_of(views, nodes(views, 0, 1))
    assert one is not None and two is not None
    axes = np.sqrt(np.linalg.eigvalsh(one.covariance_m2))
    np.testing.assert_allclose(axes[:2], 0.1, rtol=1e-6)
    row = views[0].rows.trans[views[0].rows.track_id == 1][0]
    np.testing.assert_allclose(axes[2], 0.1 * np.linalg.norm(row), rtol=0.1)
    assert np.sqrt(np.linalg.eigvalsh(two.covariance_m2)).max() < 0.15
    np.testing.assert_allclose(one.mean_m, two.mean_m, atol=0.1)
    assert one.frame == 1.0


def test_the_last_place_is_where_somebody_has_walked_to(views: list[View]) -> None:
    first, last = (place_of(views, nodes(views, 0, 1, 2), is_last=is_last) for is_last in (False, True))
    assert first is not None and last is not None and last.frame == FRAMES - 2
    assert np.linalg.norm(last.mean_m - first.mean_m) > 2.0


def test_bodies_that_were_not_recovered_have_no_place(views: list[View]) -> None:
    rows = replace(views[0].rows, trans=np.zeros_like(views[0].rows.trans))
    assert place_of([replace(views[0], rows=rows)], nodes(views, 0)) is None


def test_near_in_time_and_place_is_one_person_and_far_is_not() -> None:
    def at(x_m: float, frame: float) -> Place:
        return Place(np.array([x_m, 0.0, 0.0]), 0.01 * np.eye(3), frame)

    assert same_place_score(at(0, 0), at(0.1, 3), RATE_HZ) == LIMIT
    assert same_place_score(at(0, 0), at(2.0, 3), RATE_HZ) == -LIMIT
    assert abs(same_place_score(at(0, 0), at(2.0, 60), RATE_HZ)) < 1e-6, "in two seconds they can have walked"
    assert same_place_score(None, at(0, 0), RATE_HZ) == same_place_score(at(0, 0), None, RATE_HZ) == 0.0
