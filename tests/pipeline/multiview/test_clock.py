"""What a camera saw, at the instants of the common clock."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dpmesh.body import load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.multiview.clock import on_common_clock
from pipeline.types import OBSERVATION_SHAPES, Observations

FRAMES, RATE_HZ = 12, 30.0


@pytest.fixture(scope="module")
def rows() -> Observations:
    """Two people; the second is not seen in frames 5 and 6."""
    second = [2] * FRAMES
    second[5:7] = [0, 0]
    return Walkers(load_body(None), 2, FRAMES).seen_by(cameras_round(2)[0], [[1] * FRAMES, second], noise_px=0.0)


def of_track(rows: Observations, track: int) -> Observations:
    return rows.take(rows.track_id == track)


def test_frames_of_the_clock_stay_as_they_are(rows: Observations) -> None:
    rng = np.random.default_rng(0)
    rounded = replace(rows, time_s=rows.time_s + rng.uniform(-5e-4, 5e-4, FRAMES)[rows.frame_index])  # milliseconds
    for each in (rows, rounded):
        same = on_common_clock(each, 0.0, RATE_HZ)
        assert all(np.array_equal(getattr(same, name), getattr(rows, name)) for name in OBSERVATION_SHAPES)


def test_whole_frames_move_rows_and_those_before_the_clock_are_left_out(rows: Observations) -> None:
    moved = on_common_clock(rows, 3 / RATE_HZ, RATE_HZ)
    kept = rows.take(rows.frame_index >= 3)
    assert np.array_equal(moved.frame_index, kept.frame_index - 3)
    assert np.array_equal(moved.keypoints, kept.keypoints) and np.array_equal(moved.pose, kept.pose)
    np.testing.assert_allclose(moved.time_s, moved.frame_index / RATE_HZ)


def test_between_frames_everything_is_interpolated_but_not_over_gaps(rows: Observations) -> None:
    moved = on_common_clock(rows, 0.25 / RATE_HZ, RATE_HZ)
    first, there = of_track(moved, 1), of_track(rows, 1)
    assert first.frame_index.tolist() == list(range(FRAMES - 1))
    np.testing.assert_allclose(
        first.keypoints[:, :, :2], 0.75 * there.keypoints[:-1, :, :2] + 0.25 * there.keypoints[1:, :, :2], atol=1e-3
    )
    turn = Rotation.from_rotvec(there.pose[:-1, 16]).inv() * Rotation.from_rotvec(there.pose[1:, 16])
    found = Rotation.from_rotvec(there.pose[:-1, 16]).inv() * Rotation.from_rotvec(first.pose[:, 16])
    np.testing.assert_allclose(found.magnitude(), 0.25 * turn.magnitude(), atol=1e-5)
    assert of_track(moved, 2).frame_index.tolist() == [0, 1, 2, 3, 7, 8, 9, 10]


def test_a_joint_that_one_of_two_frames_shows_is_not_guessed(rows: Observations) -> None:
    keypoints = of_track(rows, 1).keypoints.copy()
    keypoints[4, 9] = 0.0
    moved = on_common_clock(replace(of_track(rows, 1), keypoints=keypoints), 0.5 / RATE_HZ, RATE_HZ)
    assert not moved.keypoints[3:5, 9].any() and moved.keypoints[[2, 5], 9, 2].all()


def test_a_slower_video_is_brought_to_the_rate_of_the_clock() -> None:
    walkers = Walkers(load_body(None), 1, 61)  # at 60 frames/s, of which a camera films every second one
    camera = cameras_round(2)[0]
    all_rows = walkers.seen_by(camera, [[1] * 61], noise_px=0.0)
    slow = all_rows.take(all_rows.frame_index % 2 == 0)
    slow = replace(slow, frame_index=slow.frame_index // 2, time_s=slow.frame_index / 60.0)
    found = on_common_clock(slow, 0.0, 60.0)
    assert np.array_equal(found.frame_index, all_rows.frame_index)
    assert np.abs(found.keypoints - all_rows.keypoints)[..., :2].max() < 1.5, "pixels, of 13 from frame to frame"
    assert np.abs(found.trans - all_rows.trans).max() < 0.005


def test_dropped_frames_are_where_their_times_say(rows: Observations) -> None:
    there = of_track(rows, 1)
    left = there.take(~np.isin(there.frame_index, [4, 5]))
    counted = replace(left, frame_index=np.arange(len(left.frame_index)))  # as a decoder numbers what it gets
    found = on_common_clock(counted, 0.0, RATE_HZ)
    assert np.array_equal(found.frame_index, left.frame_index) and np.array_equal(found.keypoints, left.keypoints)


def test_nobody_stays_nobody(rows: Observations) -> None:
    assert len(on_common_clock(rows.take(slice(0, 0)), 0.1, RATE_HZ).frame_index) == 0
