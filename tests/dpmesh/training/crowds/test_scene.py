from pathlib import Path

import numpy as np
import pytest

from dpmesh.training.crowds.camera import HEIGHT, WIDTH, stage_cameras
from dpmesh.training.crowds.paths import KINDS, RATE_HZ, walk_paths
from dpmesh.training.crowds.poses import pose_points
from dpmesh.training.crowds.scene import Crowd, make_crowd
from dpmesh.training.crowds.visibility import look
from dpmesh.training.make_crowd import main


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return make_crowd("mixed", 16, 80, np.random.default_rng(3), is_moving=True, has_cuts=True)


@pytest.mark.parametrize("kind", KINDS)
def test_people_keep_walking_speeds_and_do_not_jump(kind: str) -> None:
    paths = walk_paths(kind, 12, 100, np.random.default_rng(1))
    speed = np.linalg.norm(np.diff(paths.spot_m, axis=1), axis=-1) * RATE_HZ
    assert speed.max() <= 3.0 + 1e-9
    assert np.ptp(paths.spot_m, axis=1).max() > 0.5  # somebody goes somewhere


def test_bodies_stand_on_the_ground_and_have_left_and_right() -> None:
    paths = walk_paths("mixed", 8, 50, np.random.default_rng(2))
    height = np.full(8, 1.8)
    points = pose_points(paths, height, np.random.default_rng(2))
    ankles = points[:, :, 15:17, 1].min(axis=2)
    np.testing.assert_allclose(ankles, 0.045 * 1.8, atol=1e-6)
    bones = np.linalg.norm(points[:, :, 11] - points[:, :, 13], axis=-1)
    np.testing.assert_allclose(bones, bones[0, 0], rtol=1e-6)
    ahead = np.stack([np.sin(paths.heading_rad), np.cos(paths.heading_rad)], axis=-1)
    across = (points[:, :, 5] - points[:, :, 6])[..., [0, 2]]
    turn = ahead[..., 0] * across[..., 1] - ahead[..., 1] * across[..., 0]
    assert (turn > 0).all()  # the left shoulder lies to the left of the way


def test_the_nearer_body_hides_the_farther_one() -> None:
    body = np.zeros((2, 1, 18, 2))
    rng = np.random.default_rng(0)
    points = pose_points(walk_paths("crossing", 1, 5, rng), np.array([1.7]), rng)
    body[:] = [600, 500] + (points[0, 0, :, :2] - points[0, 0, :, :2].mean(axis=0)) * [200, -200]
    sight = look(body, np.array([[4.0], [6.0]]), np.zeros((1, 0, 3)))
    assert sight.visible[0, 0] == 1.0
    assert sight.visible[1, 0] < 0.1
    assert (sight.point_hider[1, 0] == 0).mean() > 0.9
    apart = look(body + np.array([0, 400])[:, None, None, None] * [1, 0], np.array([[4.0], [6.0]]), np.zeros((1, 0, 3)))
    assert apart.visible.min() == 1.0


def test_a_pillar_hides_who_is_behind_it() -> None:
    body = np.full((1, 1, 18, 2), 300.0) + np.arange(18)[:, None]
    for depth, wanted in ((3.0, 0.0), (9.0, 1.0)):
        assert look(body, np.array([[5.0]]), np.array([[[250.0, 350.0, depth]]])).visible[0, 0] == wanted


def test_the_homography_carries_far_points_from_frame_to_frame() -> None:
    rng = np.random.default_rng(5)
    cameras = stage_cameras(30, is_moving=True, has_cuts=False, rng=rng)
    far = np.random.default_rng(1).uniform([-3e3, -1e3, 9e3], [3e3, 1e3, 1e4], (1, 30, 3)).repeat(30, axis=0)
    pixels, _ = cameras.project(far[None].transpose(0, 1, 2, 3))
    for frame in range(1, 30):
        moved = np.c_[pixels[0, frame - 1], np.ones(30)] @ cameras.motion(rng)[frame].T
        assert np.abs(moved[:, :2] / moved[:, 2:] - pixels[0, frame]).max() < 3


def test_detections_err_as_a_detector_does(crowd: Crowd) -> None:
    found = crowd.found
    truth = {(f, i): (box, v) for f, i, box, v in zip(
        crowd.truth_frame, crowd.truth_id, crowd.truth_xyxy, crowd.truth_visible, strict=True)}  # fmt: skip
    seen = {(f, i) for f, i in zip(found.frame_index.tolist(), found.truth_id.tolist(), strict=True)}
    whole = [key for key, (_, visible) in truth.items() if visible > 0.9]
    hardly = [key for key, (_, visible) in truth.items() if visible < 0.3]
    assert np.mean([key in seen for key in whole]) > 0.97
    assert np.mean([key in seen for key in hardly]) < 0.4
    assert 0.005 < (found.truth_id == 0).mean() < 0.15
    assert (found.boxes_xyxy >= 0).all()
    assert (found.boxes_xyxy <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    scores = np.split(found.scores, np.flatnonzero(np.diff(found.frame_index)) + 1)
    assert all((np.diff(one) <= 0).all() for one in scores)


def test_clips_are_written_as_motchallenge_text_and_are_the_same_again(tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert main([str(tmp_path / name), "--densities", "sparse", "--clips", "1", "--frames", "20"]) == 0
    clip = tmp_path / "first" / "sparse_crossing_1"
    truth, visible, found = (
        np.loadtxt(clip / name, delimiter=",") for name in ("gt/gt.txt", "gt/gt_visible.txt", "det/det.txt")
    )
    assert truth.shape[1] == visible.shape[1] == found.shape[1] == 9
    assert truth[:, 0].min() == 1
    assert len(visible) < len(truth)
    assert visible[:, 8].min() >= 0.25
    with (
        np.load(clip / "detections.npz") as arrays,
        np.load(tmp_path / "second" / clip.name / "detections.npz") as again,
    ):
        assert len(arrays["scores"]) == len(found)
        assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


def test_a_clip_too_short_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--frames", "3"]) == 2
    assert "too short for a crowd" in capsys.readouterr().err


def test_some_poses_are_mostly_wrong_and_most_are_right(crowd: Crowd) -> None:
    found = crowd.found
    person = found.truth_id > 0
    height = found.boxes_xyxy[person, 3] - found.boxes_xyxy[person, 1]
    middle = np.median(found.keypoints[person, :, :2], axis=1)
    centre = (found.boxes_xyxy[person, :2] + found.boxes_xyxy[person, 2:]) / 2
    away = np.linalg.norm(middle - centre, axis=1) / height
    assert 0.003 < (away > 0.25).mean() < 0.15
