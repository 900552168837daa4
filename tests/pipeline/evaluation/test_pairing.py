"""Which body stands for which person."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.evaluation.pairing import assign_boxes, pair_people
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.motion.posing import joint_positions
from pipeline.types import MotionTrack

TIMES = np.arange(4) / 25


def boxes_of(tracks: list[MotionTrack], joints: list[np.ndarray]) -> np.ndarray:
    return np.stack(
        [joint_boxes(project_rows(j, t.focal_px, t.principal_px)) for t, j in zip(tracks, joints, strict=True)]
    )


def test_boxes_are_assigned_for_the_best_sum_and_only_where_they_overlap_enough() -> None:
    overlap = np.array([[0.9, 0.8, 0.0], [0.85, 0.1, 0.0], [0.0, 0.0, 0.24]])
    assert assign_boxes(overlap) == [(0, 1), (1, 0)]
    assert assign_boxes(np.array([[0.25]])) == [(0, 0)]
    assert assign_boxes(np.array([[0.5, 0.6]]), np.array([[0.2, 0.0]])) == [(0, 0)]
    assert assign_boxes(np.array([[0.2]]), 0.5) == []  # a bonus makes no pair
    assert assign_boxes(np.zeros((0, 2))) == []


def test_people_have_their_own_bodies_and_others_are_extra(make_track: Callable, stick_body: object) -> None:
    tracks = [make_track(TIMES, track_id=n, shift_m=(x, 0.0, 5.0)) for n, x in ((1, -1.0), (2, 0.0), (3, 1.0))]
    joints = [joint_positions(stick_body, t.pose, t.betas, t.trans) for t in tracks]  # type: ignore[arg-type]
    boxes = boxes_of(tracks, joints)
    tracks[2] = replace(tracks[2], is_observed=np.array([True, False, True, True]))
    found = pair_people(tracks, joints, boxes[[2, 0]])
    assert [[(p.frame, p.track, p.row) for p in pairs] for pairs in found.pairs] == [
        [(frame, track, frame) for frame in range(4)] for track in (2, 0)
    ]
    assert found.extra == 4
    seen = pair_people(tracks, joints, boxes[[2, 0]], is_filled_left_out=True)
    assert [pair.frame for pair in seen.pairs[0]] == [0, 2, 3] and seen.extra == 4


def test_of_two_who_stand_alike_the_body_of_the_frame_before_is_kept(make_track: Callable, stick_body: object) -> None:
    first = make_track(TIMES)
    second = replace(first, track_id=2, trans=first.trans + np.array([[0.2], [0.2], [0.0], [0.0]], np.float32))
    first = replace(first, trans=first.trans + np.array([[0.0], [0.0], [0.02], [0.02]], np.float32))
    tracks = [second, first]
    joints = [joint_positions(stick_body, t.pose, t.betas, t.trans) for t in tracks]  # type: ignore[arg-type]
    still = make_track(TIMES)
    truth = boxes_of([still], [joint_positions(stick_body, still.pose, still.betas, still.trans)])  # type: ignore[arg-type]
    assert [pair.track for pair in pair_people(tracks, joints, truth).pairs[0]] == [1, 1, 1, 1]


def test_who_is_first_chooses_before_the_others(make_track: Callable, stick_body: object) -> None:
    track = make_track(TIMES)
    joints = joint_positions(stick_body, track.pose, track.betas, track.trans)  # type: ignore[arg-type]
    truth = boxes_of([track], [joints])
    near = truth + np.array([0.0, 0.0, 20.0, 0.0])
    people = np.concatenate([truth, near])
    is_first = np.array([[False] * 4, [True, True, False, False]])
    found = pair_people([track], [joints], people, is_first=is_first)
    assert [pair.frame for pair in found.pairs[1]] == [0, 1] + [pair.frame for pair in found.pairs[1][2:]]
    assert {pair.frame for pairs in found.pairs for pair in pairs} == {0, 1, 2, 3}
