"""What the ground makes of the people of one camera."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.schema import RecoverSettings, RefineSettings
from dpmesh.body import load_body
from pipeline.bench.filmed_people import Walkers
from pipeline.capture import Camera
from pipeline.motion.posing import joint_positions
from pipeline.motion.posing import pelvis_of as shaped_pelvis
from pipeline.motion.scene import FocalSource
from pipeline.motion.world import in_scene_axes
from pipeline.nodes.ground import NOBODY, NOT_STANDING, OFF, OTHER_SHOTS, find_grounding, place_on_ground, stand_up
from pipeline.nodes.refine import assemble_track
from pipeline.types import MotionTrack
from refine.scene.camera import world_over_ground
from trackers.camera_motion import CameraTurns

FRAMES = 150
LEAN = 0.6  # of the view's angle, by which people are recovered leaning away
SETTINGS, RECOVER = RefineSettings(), RecoverSettings()


def camera_above() -> Camera:
    """Return a camera that looks down at the walkers by 25 degrees."""
    centre, matrix = np.array([5.5, 0.5, 2.6]), np.array([[1000.0, 0, 640], [0, 1000.0, 480], [0, 0, 1]])
    forward = np.array([0.0, 0.0, 0.0]) - centre
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward])
    return Camera("above", matrix, turn, -turn @ centre, np.zeros(0), (1280, 960))


@pytest.fixture(scope="module")
def clip() -> tuple[list[MotionTrack], np.ndarray, np.ndarray]:
    """Four walkers as a camera sees them that looks down, leaning; where their pelvises are, and the world."""
    body = load_body(None)
    camera = camera_above()
    walkers = Walkers(body, 4, FRAMES)
    rows = walkers.seen_by(camera, np.tile(np.arange(1, 5)[:, None], (1, FRAMES)), noise_px=2.0, pose_noise=0.02)
    turn = Rotation.from_euler("x", LEAN * np.arcsin(-camera.rotation[2, 2]))
    pose = rows.pose.copy()
    pose[:, 0] = (turn * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    rows = replace(rows, pose=pose, time_s=2.0 * rows.time_s)  # at 15 Hz: ten seconds
    tracks = [assemble_track(rows.take(rows.track_id == who), body, 0.5, RECOVER) for who in range(1, 5)]
    pelvis = np.stack([walkers.joints(who)[:, [11, 12]].mean(axis=1) for who in range(4)])
    soles = min(walkers.joints(who)[:, [15, 16], 2].min() for who in range(4)) - 0.09
    pelvis[..., 2] -= soles
    seen = camera.to_camera(pelvis + np.array([0.0, 0.0, soles]))
    world = world_over_ground(camera.rotation[:, 2], float(camera.centre_m[2] - soles))
    return tracks, seen @ world[:3, :3].T + world[:3, 3], world


def pelvis_of(track: MotionTrack, world: np.ndarray) -> np.ndarray:
    joints = joint_positions(load_body(None), track.pose, track.betas, track.trans, "coco17")
    return joints[:, [11, 12]].mean(axis=1) @ world[:3, :3].T + world[:3, 3]


def grounded(tracks: list[MotionTrack], source: FocalSource) -> tuple[list[MotionTrack], np.ndarray]:
    body = load_body(None)
    ground = find_grounding(tracks, body, SETTINGS, source)
    assert ground.scene.is_ground_measured and ground.scene.focal_source == ("given" if source == "given" else "people")
    placed = [place_on_ground(stand_up(track, ground, body, RECOVER), ground, body, RECOVER) for track in tracks]
    return placed, ground.scene.world_from_cam


def test_people_stand_upright_where_they_are(clip) -> None:
    tracks, wanted, true_world = clip
    placed, world = grounded(tracks, "given")
    tilt = np.degrees(np.arccos(np.clip((world @ np.linalg.inv(true_world))[2, 2], -1, 1)))
    assert tilt < 2.0 and abs(world[2, 3] - true_world[2, 3]) < 0.2
    for track, pelvis in zip(placed, wanted, strict=True):
        joints = joint_positions(load_body(None), track.pose, track.betas, track.trans) @ world[:3, :3].T + world[:3, 3]
        spine = joints[:, 12] - joints[:, [7, 8]].mean(axis=1)
        lean = np.degrees(np.arccos(spine[:, 2] / np.linalg.norm(spine, axis=1)))
        assert np.median(lean) < 4.0 and np.median(np.abs(joints[:, [10, 11], 2].min(axis=1) - 0.03)) < 0.05
        off = np.linalg.norm(pelvis_of(track, world)[:, :2] - pelvis[:, :2], axis=1)
        before = np.linalg.norm(pelvis_of(tracks[track.track_id - 1], true_world) - pelvis, axis=1)
        assert off.mean() < 0.25 and track.ground_cov_m2 is not None
        assert off.mean() < before.mean() + 0.05


def test_a_focal_length_that_people_tell_replaces_the_guess_and_not_a_given_one(clip) -> None:
    tracks, wanted, _ = clip
    wrong = [replace(track, focal_px=track.focal_px * 1.6, trans=track.trans * [1, 1, 1.6]) for track in tracks]
    wrong = [replace(track, trans=track.trans.astype(np.float32)) for track in wrong]
    placed, world = grounded(wrong, "diagonal")
    assert placed[0].focal_px[0] == pytest.approx(1000.0, rel=0.15)
    off = [
        np.linalg.norm(pelvis_of(t, world)[:, :2] - p[:, :2], axis=1).mean()
        for t, p in zip(placed, wanted, strict=True)
    ]
    assert np.mean(off) < 0.8  # 60 % of 5 m before
    kept = find_grounding(wrong, load_body(None), SETTINGS, "given")
    assert kept.focal_scale == 1.0 and kept.scene.focal_source == "given"


def test_shots_share_a_scene_if_their_cameras_do(clip) -> None:
    tracks, body = clip[0], load_body(None)
    half = int(tracks[0].frame_index[FRAMES // 2])
    whole = find_grounding(tracks, body, SETTINGS, "given")
    cut = find_grounding(tracks, body, SETTINGS, "given", cut_frames=[half])
    assert cut.scene.is_ground_measured and cut.sizes.keys() == whole.sizes.keys()
    assert abs(cut.scene.tilt_deg - whole.scene.tilt_deg) < 1.0

    def tilted(track: MotionTrack) -> MotionTrack:
        """The second half as a camera sees it that looks 15 degrees higher."""
        points, later = track.keypoints.copy(), track.frame_index >= half
        rays = np.concatenate(
            [(points[..., :2] - track.principal_px[:, None]) / 1000.0, np.ones((*points.shape[:2], 1))], 2
        )
        rays = rays @ Rotation.from_euler("x", 15.0, degrees=True).as_matrix().T
        points[later, :, :2] = (1000.0 * rays[..., :2] / rays[..., 2:] + track.principal_px[:, None])[later]
        return replace(track, keypoints=points)

    two = find_grounding([tilted(track) for track in tracks], body, SETTINGS, "given", cut_frames=[half])
    assert two.scene.reason == OTHER_SHOTS and not two.scene.is_ground_measured


def seen_by_a_turning_camera(track: MotionTrack, to_scene: np.ndarray) -> MotionTrack:
    """Return a track as the same camera sees it that is turned in each frame (T, 3), people and keypoints alike."""
    pelvis = shaped_pelvis(load_body(None), track.betas)
    turned = in_scene_axes(replace(track, scene_turn=to_scene.astype(np.float32)), pelvis, is_back=True)
    rays = np.concatenate(
        [(track.keypoints[..., :2] - track.principal_px[:, None]) / 1000.0, np.ones((len(to_scene), 17, 1))], axis=2
    )
    rays = rays @ Rotation.from_rotvec(to_scene).as_matrix()
    points = track.keypoints.copy()
    points[..., :2] = 1000.0 * rays[..., :2] / rays[..., 2:] + track.principal_px[:, None]
    return replace(turned, keypoints=points, scene_turn=None)


def test_a_camera_that_only_turns_has_the_scene_of_one_that_stands(clip) -> None:
    tracks, _, _ = clip
    body, looks = load_body(None), np.arange(0.0, tracks[0].time_s[-1] + 0.25, 0.25)
    yaw = 0.25 * np.sin(2 * np.pi * looks / looks[-1])
    ratio = 1000.0 / (2.0 * float(np.linalg.norm(tracks[0].principal_px[0])))
    turns = CameraTurns(looks, np.diff(yaw)[:, None] * [0.0, ratio, 0.0])
    turning = [seen_by_a_turning_camera(track, turns.scene_from_cam(track.time_s, ratio)) for track in tracks]
    still = find_grounding(tracks, body, SETTINGS, "given", "still")
    ground = find_grounding(turning, body, SETTINGS, "given", "pans", turns=turns)
    assert ground.scene.is_turn_followed and ground.scene.is_fixed and ground.scene.is_camera_still is False
    assert ground.scene.tilt_deg == pytest.approx(still.scene.tilt_deg, abs=0.5)
    assert ground.scene.camera_height_m == pytest.approx(still.scene.camera_height_m, rel=0.03)
    world, old = ground.scene.world_from_cam, still.scene.world_from_cam
    for track, fixed in zip(turning, tracks, strict=True):
        placed, wanted = (
            place_on_ground(stand_up(each, given, body, RECOVER), given, body, RECOVER)
            for each, given in ((track, ground), (fixed, still))
        )
        pelvis = shaped_pelvis(body, placed.betas)
        off = pelvis_of(in_scene_axes(placed, pelvis), world) - pelvis_of(wanted, old)
        assert np.linalg.norm(off, axis=1).mean() < 0.1
    lost = find_grounding(turning, body, SETTINGS, "given", "pans", [40], turns).scene  # another shot: nobody knows how
    assert not lost.is_turn_followed and not lost.is_ground_measured


def test_what_cannot_be_known_is_said(clip) -> None:
    tracks, body = clip[0], load_body(None)
    assert find_grounding([], body, SETTINGS, "diagonal").scene.reason == NOBODY
    assert find_grounding(tracks, body, RefineSettings(ground="off"), "given").scene.reason == OFF
    moving = find_grounding(tracks, body, SETTINGS, "given", "pans").scene
    assert "pans" in moving.reason and not moving.is_ground_measured and moving.is_camera_still is False
    assert find_grounding(tracks, body, SETTINGS, "given", "still").scene.is_camera_still
    hidden = [track.keypoints * [1, 1, 0] for track in tracks]
    hidden = [replace(track, keypoints=seen.astype(np.float32)) for track, seen in zip(tracks, hidden, strict=True)]
    ground = find_grounding(hidden, body, SETTINGS, "given")
    assert ground.scene.reason == NOT_STANDING and not ground.scene.is_ground_measured
    assert (
        stand_up(tracks[0], ground, body, RECOVER) is tracks[0]
        and place_on_ground(tracks[0], ground, body, RECOVER) is tracks[0]
    )
