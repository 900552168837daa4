"""People who cross, seen by cameras that number them as they like."""

import numpy as np
import pytest

from dpmesh.body import BodyModel, load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.multiview.association import Person, associate, owners_of
from pipeline.multiview.views import Node, View, view_of

FRAMES, RATE_HZ = 60, 30.0


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def constant(*ids: int) -> list[list[int]]:
    return [[number] * FRAMES for number in ids]


def who_is_who(people: list[Person], views: list[View], ids: list[list[list[int]]]) -> list[set[tuple[int, int]]]:
    """Return, for each true person, which of the found people have their rows, with the view."""
    owner = {}
    for person in people:
        for node in person.nodes:
            rows = views[node.view].rows
            for row in node.rows:
                owner[node.view, int(rows.frame_index[row]), int(rows.track_id[row])] = person.id
    return [
        {(owner[view, frame, ids[view][who][frame]], 0) for view in range(len(views)) for frame in range(FRAMES)
         if ids[view][who][frame]}
        for who in range(len(ids[0]))
    ]  # fmt: skip


@pytest.mark.parametrize(("views_count", "people_count"), [(2, 2), (3, 3), (5, 5)])
def test_people_who_cross_are_one_each_in_all_views(body: BodyModel, views_count: int, people_count: int) -> None:
    walkers, cameras = Walkers(body, people_count, FRAMES), cameras_round(views_count)
    rng = np.random.default_rng(3)
    ids = [constant(*(rng.permutation(people_count) + 1 + 10 * view).tolist()) for view in range(views_count)]
    views = [view_of(camera, walkers.seen_by(camera, ids[k], noise_px=3.0)) for k, camera in enumerate(cameras)]
    people = associate(views, RATE_HZ)
    found = who_is_who(people, views, ids)
    assert all(len(each) == 1 for each in found) and len(set.union(*found)) == people_count == len(people)
    assert [person.id for person in people] == list(range(1, people_count + 1))


def test_tracks_that_change_their_person_are_put_right(body: BodyModel) -> None:
    walkers, cameras = Walkers(body, 3, FRAMES), cameras_round(4)
    ids = [constant(1, 2, 3) for _ in cameras]
    half = FRAMES // 2 + 4  # within a segment
    left = FRAMES - half
    ids[1][0][FRAMES // 2 :], ids[1][1][FRAMES // 2 :] = [2] * (FRAMES // 2), [1] * (FRAMES // 2)  # two people swap
    ids[2][2][half:] = [9] * left  # one gives somebody a new number
    ids[3][2][20:40] = [0] * 20  # one does not see somebody for a while
    views = [view_of(camera, walkers.seen_by(camera, ids[k])) for k, camera in enumerate(cameras)]
    people = associate(views, RATE_HZ)
    assert len(people) == 3 and all(len(each) == 1 for each in who_is_who(people, views, ids))


def test_somebody_whom_one_camera_sees_is_a_person_and_two_of_one_view_are_two(body: BodyModel) -> None:
    walkers, cameras = Walkers(body, 2, FRAMES), cameras_round(3)
    ids = [constant(1, 2), constant(0, 1), constant(0, 1)]
    views = [view_of(camera, walkers.seen_by(camera, ids[k])) for k, camera in enumerate(cameras)]
    found = who_is_who(associate(views, RATE_HZ), views, ids)
    assert all(len(each) == 1 for each in found) and found[0] != found[1]


def test_a_track_belongs_to_who_had_it_last_and_not_for_ever() -> None:
    def tracks(*numbers: int) -> list[Node]:
        return [Node(0, number, np.zeros(1, int)) for number in numbers]

    latest = {0: tracks(1, 2), 1: tracks(2), 2: tracks(3)}
    assert owners_of(latest, {0: 7, 1: 6, 2: 2}, 8) == {(0, 1): 0, (0, 2): 0}
    assert owners_of(latest, {0: 6, 1: 7, 2: 3}, 8) == {(0, 1): 0, (0, 2): 1, (0, 3): 2}


def test_nobody_is_nobody(body: BodyModel) -> None:
    walkers, cameras = Walkers(body, 1, FRAMES), cameras_round(2)
    views = [view_of(camera, walkers.seen_by(camera, constant(1)).take(slice(0, 0))) for camera in cameras]
    assert associate(views, RATE_HZ) == []
