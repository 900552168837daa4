"""What of tracks goes into one energy."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from configs.schema import RefineSettings
from refine.fit.evidence import (
    DISTANCE_MIN_M,
    HELD_OUT_S,
    Piece,
    distances,
    gather,
    keypoint_weights,
    stretches,
)
from refine.rows.types import TrackFit, TrackRows

CPU = torch.device("cpu")
SETTINGS = RefineSettings()


def piece_of(track: TrackRows, rows: np.ndarray, is_sequence: bool = True) -> Piece:
    start = TrackFit(track.pose + 0.5, track.betas, track.trans, ~track.is_observed, np.zeros(len(track.pose), bool))
    return Piece(track, start, rows, is_sequence)


def test_stretches_begin_at_whole_multiples_of_their_length() -> None:
    times = np.array([0.0, 0.9, 1.0, 1.9, 2.0, -0.1]) * HELD_OUT_S
    assert stretches(times).tolist() == [0, 0, 1, 1, 2, -1]


def test_windows_are_numbered_and_rows_that_do_not_follow_each_other_are_windows_of_one(make_scene: Callable) -> None:
    first, second = make_scene(8, seed=1).track, make_scene(8, seed=2).track
    pieces = [
        piece_of(first, np.arange(2, 5)),
        piece_of(second, np.array([0, 3, 7]), False),
        piece_of(first, np.arange(2)),
    ]
    found = gather(pieces, SETTINGS, CPU)
    assert found.window.tolist() == [0, 0, 0, 1, 2, 3, 4, 4]
    assert found.person.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    np.testing.assert_allclose(found.time_s, [0, 1 / 30, 2 / 30, 0, 3 / 30, 7 / 30, 0, 1 / 30], atol=1e-6)
    np.testing.assert_array_equal(found.betas, np.stack([first.betas, second.betas, first.betas]))
    np.testing.assert_array_equal(found.views[0].keypoints_px[3:6], second.views[0].keypoints[[0, 3, 7], :, :2])


def test_recovered_rotations_count_as_their_joints_were_seen_and_filled_ones_less(make_scene: Callable) -> None:
    track = make_scene(6, gap=slice(2, 4)).track
    confidence = np.linspace(0, 1, 24, dtype=np.float32)[None].repeat(6, axis=0)
    track = replace(track, joint_confidence=confidence)
    piece = piece_of(track, np.arange(6))
    found = gather([piece], SETTINGS, CPU)
    pose, weights = found.pose, found.pose_weights
    seen = (0.1 + 0.9 * confidence[0]) / SETTINGS.pose_sigma_rad**2
    for row in range(6):
        is_filled = row in (2, 3)
        wanted = np.full(24, 1 / SETTINGS.gap_sigma_rad**2) if is_filled else seen
        np.testing.assert_allclose(weights[row], wanted, rtol=1e-5)
        source = piece.start.pose if is_filled else track.pose
        np.testing.assert_allclose(pose[row], Rotation.from_rotvec(source[row]).as_matrix(), atol=1e-5)


def test_rotations_of_a_prior_count_as_sure_as_it_is_but_not_surer_than_it_can_be(make_scene: Callable) -> None:
    track = make_scene(2).track
    sigma = np.stack([np.full(24, 0.05), np.full(24, 0.5)]).astype(np.float32)
    found = gather([piece_of(replace(track, pose_sigma_rad=sigma), np.arange(2))], SETTINGS, CPU)
    np.testing.assert_allclose(
        found.pose_weights[:, 0], SETTINGS.prior_weight / np.array([0.2, 0.5]) ** 2, rtol=1e-5
    )


def test_keypoints_count_by_the_cube_of_their_confidence_from_the_threshold_on(make_scene: Callable) -> None:
    track = make_scene(3, gap=slice(1, 2)).track
    view = track.views[0]
    view.keypoints[:, 0, 2], view.keypoints[:, 1, 2], view.keypoints[:, 2, 2] = 0.24, 0.25, 0.9
    settings = SETTINGS.model_copy(update={"keypoint_score_min": 0.25})
    found = keypoint_weights(track, view, settings)
    np.testing.assert_allclose(found[:, :3], np.outer([1, 0, 1], [0, 0.25**3, 0.9**3]), rtol=1e-5)
    np.testing.assert_array_equal(keypoint_weights(track, view, settings, np.array([2])), found[2:])


def test_distances_are_along_the_axis_of_the_camera_that_saw(make_scene: Callable) -> None:
    track = make_scene(3).track
    start = piece_of(track, np.arange(3)).start
    start.trans[:] = [[1.0, 0.0, 4.0], [2.0, 0.0, 0.1], [0.0, 0.0, 3.0]]
    turned = replace(
        track.views[0], rotation=np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]), shift_m=np.array([5.0, 5.0, 1.0])
    )
    np.testing.assert_allclose(distances(track.views[0], start, np.array([0, 1, 2])), [4.0, DISTANCE_MIN_M, 3.0])
    np.testing.assert_allclose(distances(turned, start, np.array([0, 1])), [2.0, 3.0])


def test_tracks_of_different_numbers_of_cameras_are_not_solved_together(make_scene: Callable) -> None:
    one = make_scene(3).track
    two = replace(one, views=one.views * 2)
    with pytest.raises(ValueError, match="need the same number of cameras"):
        gather([piece_of(one, np.arange(3)), piece_of(two, np.arange(3))], SETTINGS, CPU)
    both = gather([piece_of(two, np.arange(3))], SETTINGS, CPU)
    assert len(both.views) == 2 and both.pose.shape == (3, 24, 3, 3)  # recovered once, however many cameras


def test_guiding_and_held_out_keypoints_are_all_and_share_none(make_scene: Callable) -> None:
    piece = piece_of(make_scene(40).track, np.arange(10, 40))
    found = {which: gather([piece], SETTINGS, CPU, which).views[0].weights for which in ("all", "guiding", "held out")}
    torch.testing.assert_close(found["guiding"] + found["held out"], found["all"])
    assert not (found["guiding"] * found["held out"]).any() and found["held out"].any() and found["guiding"].any()


def test_rows_have_the_pose_of_their_own_camera_and_none_where_all_are_the_track_s(make_scene: Callable) -> None:
    plain, turn, shift = (
        make_scene(2).track,
        Rotation.from_rotvec([0.0, 0.4, 0.0]).as_matrix(),
        np.array([1.0, 2.0, 3.0]),
    )
    moved = replace(plain, views=(replace(plain.views[0], rotation=turn, shift_m=shift),))
    found = gather([piece_of(plain, np.arange(2)), piece_of(moved, np.arange(1))], SETTINGS, CPU).views[0]
    assert found.rotation is not None and found.shift_m is not None
    np.testing.assert_allclose(found.rotation, np.stack([np.eye(3), np.eye(3), turn]), atol=1e-6)
    np.testing.assert_allclose(found.shift_m, [[0, 0, 0], [0, 0, 0], shift])
    alone = gather([piece_of(plain, np.arange(2))], SETTINGS, CPU).views[0]
    assert alone.rotation is None and alone.shift_m is None
