"""Two people in a plane with both cameras: all rays meet, and only bodies and looks tell who is who."""

from dataclasses import replace

import numpy as np
import pytest

from dpmesh.body import load_body
from pipeline.bench.filmed_people import FOCAL_PX, SIZE, Walkers
from pipeline.capture import Camera
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.multiview.association import associate
from pipeline.multiview.evidence import pair_evidence
from pipeline.multiview.looks import LooksOfViews
from pipeline.multiview.views import Node, View, view_of

FRAMES, RATE_HZ = 30, 30.0
COLOURS = {1: np.full(36, 20.0, np.float32), 2: np.full(36, 70.0, np.float32)}


@pytest.fixture(scope="module")
def views() -> list[View]:
    """Two people 4 m ahead and 2 m apart, seen by cameras that stand 4 m apart and look straight ahead.

    The second camera has their numbers the other way round.
    """
    walkers = Walkers(load_body(None), 2, FRAMES)
    walkers.pose[:], walkers.betas[:] = walkers.pose[:1, :1], 0.0
    walkers.trans[0], walkers.trans[1] = (-1.0, -1.0, 4.0), (1.0, -1.0, 4.0)
    turn = WORLD_FROM_CAM[:3, :3].T
    matrix = np.array([[FOCAL_PX / 2, 0, SIZE[0] / 2], [0, FOCAL_PX / 2, SIZE[1] / 2], [0, 0, 1]])
    cameras = [
        Camera(name, matrix, turn, np.array([-x, 1.0, 0.0]), np.zeros(5), SIZE) for name, x in (("a", -2.0), ("b", 2.0))
    ]
    ids = [[[1] * FRAMES, [2] * FRAMES], [[2] * FRAMES, [1] * FRAMES]]
    return [view_of(camera, walkers.seen_by(camera, own)) for camera, own in zip(cameras, ids, strict=True)]


def with_looks(view: View, colours: dict[int, np.ndarray]) -> View:
    rows = np.flatnonzero(view.rows.frame_index % 5 == 0)
    looks = np.stack([colours[track] for track in view.rows.track_id[rows].tolist()])
    noise = np.random.default_rng(len(view.camera.name)).normal(0, 4, looks.shape)
    return replace(view, looks=(looks + noise).astype(np.float32), look_rows=rows)


def nodes_of(views: list[View]) -> list[Node]:
    return [
        Node(number, track, np.flatnonzero((view.rows.track_id == track) & (view.rows.frame_index < 15)))
        for number, view in enumerate(views)
        for track in (1, 2)
    ]


def test_bodies_are_as_far_as_the_rays_of_one_person_meet_and_not_those_of_two(views: list[View]) -> None:
    evidence = pair_evidence(views, nodes_of(views), LooksOfViews(views))
    right, wrong = ([0, 1], [3, 2]), ([0, 1], [2, 3])  # a1 is b2
    assert (evidence.rays[right] > 0.9).all() and (evidence.rays[wrong] > 0.9).all(), "rays meet either way"
    assert (evidence.bodies[right] > 1.0).all() and (evidence.bodies[wrong] < -2.0).all()
    assert (evidence.choice[right] > evidence.choice[wrong] + 0.5).all()
    assert np.isneginf(evidence.rays[[0, 2], [1, 3]]).all() and (evidence.looks == 0).all()
    for part in (evidence.rays, evidence.bodies, evidence.weight):
        np.testing.assert_array_equal(part, part.T)


def test_people_in_a_plane_with_both_cameras_are_told_apart(views: list[View]) -> None:
    for person in associate(views, RATE_HZ):
        assert {(node.view, node.track_id) for node in person.nodes} in ({(0, 1), (1, 2)}, {(0, 2), (1, 1)})


def test_bodies_that_were_not_recovered_or_are_a_guess_say_nothing(views: list[View]) -> None:
    unsure = [
        replace(view, rows=replace(view.rows, joint_confidence=0.1 * view.rows.joint_confidence)) for view in views
    ]
    none = [replace(view, rows=replace(view.rows, trans=np.zeros_like(view.rows.trans))) for view in views]
    for told in (unsure, none):
        assert (np.abs(pair_evidence(told, nodes_of(told), LooksOfViews(told)).bodies) < 1e-6).all()


def test_looks_decide_where_bodies_do_not(views: list[View]) -> None:
    none = [replace(view, rows=replace(view.rows, trans=np.zeros_like(view.rows.trans))) for view in views]
    dressed = [with_looks(none[0], COLOURS), with_looks(none[1], COLOURS)]
    evidence = pair_evidence(dressed, nodes_of(dressed), LooksOfViews(dressed))
    assert evidence.looks[0, 2] > 1.0 and evidence.looks[0, 3] < -1.0
    for person in associate(dressed, RATE_HZ):
        assert len({node.track_id for node in person.nodes}) == 1, "those who look alike have one number here"
