"""Two runs of one clip: the same, with people swapped, with joints moved."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.difference import compare_tracks
from pipeline.types import MotionTrack

FRAMES = 50


def walker(number: int, shift_px: float) -> MotionTrack:
    steps = np.arange(FRAMES)
    left = shift_px + steps[:, None]
    return MotionTrack(
        track_id=number,
        frame_index=steps,
        time_s=steps / 10,
        pose=np.zeros((FRAMES, 24, 3), np.float32),
        betas=np.zeros(10, np.float32),
        trans=np.tile(np.array([0, 0, 3], np.float32), (FRAMES, 1)),
        joint_confidence=np.ones((FRAMES, 24), np.float32),
        is_observed=steps != 7,
        is_refined=np.ones(FRAMES, bool),
        boxes_xyxy=np.hstack([left, left * 0, left + 20, left * 0 + 60]).astype(np.float32),
    )


@pytest.fixture
def pair() -> list[MotionTrack]:
    return [walker(1, 0), walker(2, 200)]


def test_a_run_is_the_same_as_itself_whatever_the_order(pair: list[MotionTrack], stick_body: Any) -> None:
    found = compare_tracks(pair, pair[::-1], stick_body)
    assert found.people == (2, 2) and found.same_people == 2
    assert found.rows == (98, 98) and found.same_rows == 98
    assert found.apart_m.max() == 0.0 and found.far_periods() == []


def test_people_who_are_swapped_halfway_are_not_the_same(pair: list[MotionTrack], stick_body: Any) -> None:
    boxes = [track.boxes_xyxy.copy() for track in pair]
    boxes[0][30:], boxes[1][30:] = pair[1].boxes_xyxy[30:], pair[0].boxes_xyxy[30:]
    swapped = [replace(track, boxes_xyxy=box) for track, box in zip(pair, boxes, strict=True)]
    found = compare_tracks(pair, swapped, stick_body)
    assert found.same_people == 0 and found.same_rows == 2 * 29


def test_it_tells_when_joints_are_apart(pair: list[MotionTrack], stick_body: Any) -> None:
    trans = pair[1].trans.copy()
    trans[20:25] += [0.002, 0, 0]
    trans[45:] += [0.0005, 0, 0]
    found = compare_tracks(pair, [pair[0], replace(pair[1], trans=trans)], stick_body)
    assert found.same_people == 2
    assert found.far_periods() == [(2.0, 2.4)]
    assert found.apart_m.max() == pytest.approx(0.002, rel=1e-3)


def test_nobody_is_nobody(pair: list[MotionTrack], stick_body: Any) -> None:
    found = compare_tracks([], pair, stick_body)
    assert found.same_rows == 0 and found.far_periods() == []
