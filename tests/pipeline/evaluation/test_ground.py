from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.body import load_body
from pipeline.evaluation.ground import GroundTruth, measure_ground, read_ground_truth
from pipeline.motion.posing import joint_positions, pelvis_of
from pipeline.motion.scene import Scene
from pipeline.motion.world import in_scene_axes
from pipeline.types import MotionTrack
from refine.scene.camera import upward, world_over_ground

TIME = np.arange(120) / 25
UP = upward(0.2, 0.05)
SCENE = Scene(
    world_over_ground(UP, 2.0),
    focal_px=500.0,
    is_ground_measured=True,
    camera_height_m=2.0,
    tilt_deg=float(np.degrees(0.2)),
    roll_deg=float(np.degrees(0.05)),
)


def standing(make_track) -> tuple[MotionTrack, GroundTruth]:
    """Somebody who stands before the camera on the ground, and the truth that agrees."""
    body = load_body(None)
    pose = np.zeros((len(TIME), 24, 3), np.float32)
    pose[:, 0] = [np.pi, 0, 0]
    track = make_track(TIME, pose=pose, shift_m=(0.0, 0.6, 5.0), speed_mps=(0.0, 0.0, 0.0))
    cov = np.tile(0.01 * np.eye(2, dtype=np.float32), (len(TIME), 1, 1))
    lasting = np.zeros((len(cov), 2, 5), np.float32)
    track = replace(track, ground_cov_m2=cov, ground_systematic_m=lasting, betas=np.zeros(10, np.float32))
    joints = joint_positions(body, track.pose, track.betas, track.trans, "coco17")
    truth = GroundTruth(joints[None].astype(np.float64), TIME, UP, 2.0, 500.0, np.array([320.0, 180.0]))
    return track, truth


def test_a_run_that_is_true_has_no_error(make_track) -> None:
    track, truth = standing(make_track)
    report = measure_ground([track], load_body(None), SCENE, truth)
    assert (
        report.position_m.max() < 1e-5
        and all(held.all() for held in report.held.values())
        and report.drift_m == pytest.approx(0.0, abs=1e-5)
    )
    for _, found, _, true in report.camera:
        assert found == pytest.approx(true, abs=1e-5)


def test_errors_are_those_that_were_made(make_track) -> None:
    track, truth = standing(make_track)
    ahead = SCENE.world_from_cam[1, :3]
    moved = track.trans + np.outer(0.5 + 0.1 * TIME, ahead)
    report = measure_ground([replace(track, trans=moved.astype(np.float32))], load_body(None), SCENE, truth)
    assert report.position_m.mean() == pytest.approx(0.74, abs=0.01) and not report.held["places"].any()
    assert report.drift_m == pytest.approx([0.43], abs=0.01)  # half a second is averaged at either end
    assert dict(row[:2] for row in report.figures())["places inside their intervals of 90 %"] == "0%"


def test_what_is_no_truth_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", joints_coco17=np.zeros((1, 2, 17, 3)))
    with pytest.raises(InputError, match="not the truth of a clip"):
        read_ground_truth(tmp_path / "a.npz")


def test_people_before_a_camera_that_turns_are_measured_in_the_axes_of_its_middle(make_track) -> None:
    track, truth = standing(make_track)
    turn = 0.2 * np.sin(TIME)[:, None] * UP
    pelvis = pelvis_of(load_body(None), track.betas)
    turning = in_scene_axes(replace(track, scene_turn=turn.astype(np.float32)), pelvis, is_back=True)
    seen = joint_positions(load_body(None), turning.pose, track.betas, turning.trans, "coco17")
    moved = replace(truth, scene_turn=turn)
    np.testing.assert_allclose(moved.in_frames()[0], seen, atol=1e-4)
    report = measure_ground([turning], load_body(None), SCENE, moved)
    assert len(report.position_m) and report.position_m.max() < 1e-4
