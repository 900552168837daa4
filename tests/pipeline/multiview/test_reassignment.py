"""Tracks that belong to somebody else for a few frames."""

import numpy as np
import pytest

from dpmesh.body import BodyModel, load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.multiview.association import Person, associate
from pipeline.multiview.reassignment import reassign
from pipeline.multiview.views import Node, View, view_of

FRAMES, RATE_HZ = 45, 30.0


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def filmed(body: BodyModel, share: float) -> tuple[list[View], list[list[np.ndarray]]]:
    """Return four views of three people, and who has which number where; in a share of frames two swap theirs."""
    walkers, views, ids = Walkers(body, 3, FRAMES), [], []
    for number, camera in enumerate(cameras_round(4)):
        mine = np.tile([[1], [2], [3]], FRAMES)
        for frame in np.flatnonzero(np.random.default_rng(number).random(FRAMES) < share):
            one, other = np.random.default_rng([number, frame]).permutation(3)[:2]
            mine[[one, other], frame] = mine[[other, one], frame]
        views.append(view_of(camera, walkers.seen_by(camera, mine.tolist(), noise_px=3.0)))
        ids.append(mine)
    return views, ids


def whose_rows(views: list[View], ids: list[np.ndarray], node: Node) -> np.ndarray:
    """Return whose rows (R,) a node has."""
    rows = views[node.view].rows.take(node.rows)
    pairs = zip(rows.frame_index, rows.track_id, strict=True)
    return np.array([np.flatnonzero(ids[node.view][:, frame] == track)[0] for frame, track in pairs])


def wrong_share(people: list[Person], views: list[View], ids: list[np.ndarray]) -> float:
    """Return the share of rows whose person mostly has somebody else's."""
    wrong, total = 0, 0
    for person in people:
        whose = np.concatenate([whose_rows(views, ids, node) for node in person.nodes])
        wrong += len(whose) - int(np.bincount(whose).max())
        total += len(whose)
    return wrong / total


def test_wrong_numbers_of_single_frames_are_put_right(body: BodyModel) -> None:
    views, ids = filmed(body, 0.3)
    people = associate(views, RATE_HZ)
    put_right = reassign(views, people, RATE_HZ)
    assert wrong_share(people, views, ids) > 0.1 and wrong_share(put_right, views, ids) < 0.05
    assert [person.id for person in put_right] == [1, 2, 3]


def test_somebody_who_was_two_is_one_and_others_stay_as_they_are(body: BodyModel) -> None:
    views, ids = filmed(body, 0.0)
    people = associate(views, RATE_HZ)
    halves = [[Node(n.view, n.track_id, n.rows[k * 20 : 20 + 25 * k]) for n in people[0].nodes] for k in range(2)]
    split = [Person(1, halves[0]), people[1], people[2], Person(4, halves[1])]
    found = reassign(views, split, RATE_HZ)
    assert len(found) == 3 and wrong_share(found, views, ids) == 0


def test_who_is_seen_by_one_camera_only_keeps_their_rows(body: BodyModel) -> None:
    view = filmed(body, 0.0)[0][0]
    people = associate([view], RATE_HZ)
    kept = reassign([view], people, RATE_HZ)
    assert [person.nodes[0].rows.tolist() for person in kept] == [
        sorted(row for node in person.nodes for row in node.rows.tolist()) for person in people
    ]
    assert reassign([view], [], RATE_HZ) == []


def test_people_of_a_moment_stay_where_nobody_who_lasts_has_their_tracks(body: BodyModel) -> None:
    views, _ = filmed(body, 0.0)
    people = associate(views, RATE_HZ)
    brief = [
        Person(number, [Node(n.view, n.track_id, n.rows[part]) for n in people[0].nodes[: len(views)]])
        for number, part in ((1, slice(0, 5)), (2, slice(5, 10)))
    ]
    assert sum(len(node.rows) for person in reassign(views, brief, RATE_HZ) for node in person.nodes) == 10 * len(views)
