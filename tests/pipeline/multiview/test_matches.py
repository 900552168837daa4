"""Each match of a view and a person has a score, a margin and a reason."""

from dataclasses import replace

import numpy as np
import pytest
from filmed_views import filmed_views

from pipeline.multiview.association import Person
from pipeline.multiview.matches import find_matches, links_as_json
from pipeline.multiview.people import who_is_who
from pipeline.multiview.views import Node, View

FRAMES, RATE_HZ = 45, 30.0


@pytest.fixture(scope="module")
def views() -> list[View]:
    return filmed_views(3, 4, FRAMES)


def test_right_matches_meet_and_are_far_ahead_of_the_next_best(views: list[View]) -> None:
    matches = find_matches(who_is_who(views, RATE_HZ), views, RATE_HZ)
    assert [(m.person, m.camera) for m in matches] == [(p, f"cam{v}") for p in (1, 2, 3) for v in range(4)]
    for match in matches:
        assert match.frames == FRAMES and match.score is not None and match.margin is not None
        assert match.score > 0.9 and match.margin > 0.5
        assert match.bodies is not None and match.bodies > 0.5 and "bodies are as far" in match.reason
        assert match.reason.startswith("rays meet those of the other cameras") and match.reason.endswith(
            "more than the next best"
        )


def test_a_wrong_match_misses_and_says_that_somebody_else_is_nearer(views: list[View]) -> None:
    people = who_is_who(views, RATE_HZ)
    swapped = [
        replace(
            people[who],
            nodes=[node for p in (who, other) for node in people[p].nodes if (node.view == 3) == (p == other)],
        )
        for who, other in ((0, 1), (1, 0))
    ]
    wrong = [m for m in find_matches([*swapped, people[2]], views, RATE_HZ) if m.camera == "cam3" and m.person != 3]
    assert len(wrong) == 2
    for match in wrong:
        assert match.score is not None and match.margin is not None and match.score < 0.9 and match.margin < 0
        assert match.reason.endswith("less than the next best")


def test_whom_one_camera_alone_sees_has_no_score(views: list[View]) -> None:
    rows = np.flatnonzero(views[0].rows.track_id == 1)
    (match,) = find_matches([Person(1, [Node(0, 1, rows)])], views, RATE_HZ)
    assert (match.score, match.margin, match.reason) == (None, None, "no other camera tells")
    (entry,) = links_as_json([Person(1, [Node(0, 1, rows)])], views, RATE_HZ)["matches"]
    assert (entry["bodies"], entry["looks"]) == (None, None)
    assert (entry["score"], entry["margin"], entry["frames"]) == (None, None, FRAMES)
    assert (entry["person"], entry["camera"], entry["reason"]) == (1, "cam0", "no other camera tells")


def test_where_there_is_nobody_else_there_is_no_margin(views: list[View]) -> None:
    alone = [Person(1, [Node(v, 1, np.flatnonzero(view.rows.track_id == 1)) for v, view in enumerate(views)])]
    assert all(m.margin is None and m.score is not None for m in find_matches(alone, views, RATE_HZ))
    assert find_matches([], views, RATE_HZ) == []
