from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from configs.errors import SettingsError
from dpmesh.body import load_body
from pipeline.motion.posing import joint_positions
from pipeline.motion.read import MotionFile, read_motion
from pipeline.motion.write import write_motion

RATE = Fraction(30)
SMPLH_KEYS = {
    *("poses", "trans", "betas", "gender", "mocap_framerate", "mocap_frame_rate", "mocap_time_length", "dmpls"),
    *("root_orient", "pose_body", "pose_hand", "pose_jaw", "pose_eye", "surface_model_type", "num_betas"),
}


def camera_joints(motion: MotionFile, body) -> np.ndarray:
    """Return the joints of a file, moved back into the camera frame."""
    world = joint_positions(body, motion.smpl_pose(), motion.betas[:10], motion.trans)
    cam_from_world = np.linalg.inv(motion.world_from_cam)
    return world @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]


@pytest.mark.parametrize("layout", ["smplh", "smplx"])
def test_joints_of_the_file_are_those_of_the_run(tmp_path: Path, make_track, stick_body, layout: str) -> None:
    track = make_track(np.arange(20) / 30)
    write_motion(tmp_path / "a.npz", track, stick_body, layout=layout, rate=RATE, gap_max_s=0.5)
    motion = read_motion(tmp_path / "a.npz")
    # Joints 22 and 23 do not depend on the hand rotations that these layouts drop.
    wanted = joint_positions(stick_body, track.pose, track.betas, track.trans)
    np.testing.assert_allclose(camera_joints(motion, stick_body), wanted, atol=1e-4)


def test_joints_on_the_original_timestamps_survive_resampling(tmp_path: Path, make_track, stick_body) -> None:
    track = make_track(np.array([0.0, 0.2, 0.3, 0.6, 1.0]))
    write_motion(tmp_path / "a.npz", track, stick_body, rate=RATE, gap_max_s=0.5)
    motion = read_motion(tmp_path / "a.npz")
    rows = np.round(track.time_s * 30).astype(int)
    wanted = joint_positions(stick_body, track.pose, track.betas, track.trans)
    np.testing.assert_allclose(camera_joints(motion, stick_body)[rows], wanted, atol=1e-4)
    np.testing.assert_array_equal(motion.original_timestamps, track.time_s)


@pytest.mark.parametrize("layout", ["smplh", "smplx"])
def test_joints_in_metres_are_those_that_a_reader_with_the_body_finds(
    tmp_path: Path, make_track, stick_body, layout: str
) -> None:
    track = make_track(np.array([0.0, 0.2, 0.3, 0.6, 1.0]))
    write_motion(tmp_path / "a.npz", track, stick_body, layout=layout, rate=RATE, gap_max_s=0.5)
    motion = read_motion(tmp_path / "a.npz")
    wanted = joint_positions(stick_body, motion.smpl_pose(), motion.betas[:10], motion.trans)
    with np.load(tmp_path / "a.npz") as data:
        assert data["joints_world"].shape == (len(motion.trans), 24, 3) and data["joints_world"].dtype == np.float32
        np.testing.assert_allclose(data["joints_world"], wanted, atol=1e-4)
        assert list(data["joint_names"][[0, 7, 15, 23]]) == ["pelvis", "left_ankle", "head", "right_hand"]


def test_feet_are_below_the_head_in_the_world(tmp_path: Path, make_track, stick_body) -> None:
    track = make_track(np.array([0.0, 0.1]), pose=np.tile(np.float32([np.pi, 0, 0]), (2, 24, 1)) * np.eye(24, 1)[None])
    write_motion(tmp_path / "a.npz", track, stick_body, rate=RATE, gap_max_s=0.5)
    motion = read_motion(tmp_path / "a.npz")
    joints = joint_positions(stick_body, motion.smpl_pose(), motion.betas[:10], motion.trans)
    assert np.all(joints[:, 15, 2] - joints[:, 7, 2] > 1.0)
    assert np.all(np.abs(joints[:, 15, :2] - joints[:, 7, :2]) < 0.3)
    np.testing.assert_allclose(joints[:, 0, 1], 5.0, atol=0.1)  # five metres before the camera


@pytest.mark.parametrize(("layout", "width"), [("smplh", 156), ("smplx", 165)])
def test_arrays_have_the_names_shapes_and_types_of_amass(
    tmp_path: Path, make_track, stick_body, layout: str, width: int
) -> None:
    write_motion(tmp_path / "a.npz", make_track(np.arange(4) / 30), stick_body, layout=layout, rate=RATE, gap_max_s=0.5)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        assert set(data.files) >= SMPLH_KEYS
        assert "left_hand_pose" not in data.files
        shapes = {key: data[key].shape for key in SMPLH_KEYS}
        assert shapes == {
            **{"poses": (4, width), "trans": (4, 3), "betas": (16,), "gender": (), "dmpls": (4, 8)},
            **{"mocap_framerate": (), "mocap_frame_rate": (), "mocap_time_length": (), "num_betas": ()},
            **{"root_orient": (4, 3), "pose_body": (4, 63), "pose_hand": (4, 90), "pose_jaw": (4, 3)},
            **{"pose_eye": (4, 6), "surface_model_type": ()},
        }
        assert data["gender"].dtype == np.dtype("<U7") and str(data["gender"]) == "neutral"
        assert str(data["surface_model_type"]) == layout
        for key in ("mocap_framerate", "mocap_frame_rate"):
            assert data[key].dtype == np.float64 and data[key] == 30.0
        assert data["mocap_time_length"] == pytest.approx(4 / 30)
        assert np.all(data["betas"][10:] == 0) and np.any(data["betas"][:10] != 0)
        np.testing.assert_array_equal(data["poses"][:, :66], np.hstack([data["root_orient"], data["pose_body"]]))
        assert np.all(data["poses"][:, 66:] == 0)
        assert all(data[key].dtype.kind in "fiubU" for key in data.files)


def test_extras_say_where_each_sample_comes_from(tmp_path: Path, make_track, stick_body) -> None:
    refined = np.array([True, True, False, False, False])
    track = make_track(np.arange(5) / 15, frame_index=np.arange(10, 15), track_id=4, is_refined=refined)
    write_motion(tmp_path / "a.npz", track, stick_body, rate=RATE, gap_max_s=0.5, source="clip.mp4", version="0.1.0")
    motion = read_motion(tmp_path / "a.npz")
    assert (motion.track_id, motion.source, motion.version, motion.body_model) == (4, "clip.mp4", "0.1.0", "stick")
    assert motion.frame_index.tolist()[::2] == [10, 11, 12, 13, 14]
    assert motion.original_frame_index.tolist() == [10, 11, 12, 13, 14]
    np.testing.assert_allclose(motion.timestamps, np.arange(9) / 30)
    np.testing.assert_allclose(motion.joint_confidence, np.tile(track.joint_confidence[:1], (9, 1)), atol=1e-6)
    np.testing.assert_allclose(motion.camera_k[3], [[500, 0, 320], [0, 500, 180], [0, 0, 1]])
    assert motion.observed_fraction == 1.0
    assert motion.is_refined[::2].tolist() == refined.tolist() and 0.3 < motion.refined_fraction < 0.5


def test_a_track_of_several_cameras_says_how_many_saw_it_and_has_no_camera(
    tmp_path: Path, make_track, of_rig, stick_body
) -> None:
    track = make_track(np.arange(3) / 15)
    rig = of_rig(track, np.array([[1, 1, 1], [0, 0, 0], [0, 1, 0]], bool))
    assert not rig.has_camera and rig.view_count.tolist() == [3, 0, 1] and track.view_count.tolist() == [1, 1, 1]
    for name, each in (("clip", track), ("rig", rig)):
        write_motion(tmp_path / f"{name}.npz", each, stick_body, rate=RATE, gap_max_s=0.5)
    motion, keys = read_motion(tmp_path / "rig.npz"), set(np.load(tmp_path / "rig.npz"))
    assert motion.view_count.tolist()[::2] == [3, 0, 1] and motion.camera_k is None
    of_one = {"camera_k", "original_camera_k", "original_keypoints", "original_boxes_xyxy"}
    assert keys ^ set(np.load(tmp_path / "clip.npz")) == of_one | {"view_count", "original_view_count"}
    assert read_motion(tmp_path / "clip.npz").view_count is None


def test_the_same_track_gives_the_same_bytes(tmp_path: Path, make_track, stick_body) -> None:
    for name in ("a.npz", "b.npz"):
        write_motion(tmp_path / name, make_track(np.arange(30) / 25), stick_body, rate=RATE, gap_max_s=0.5)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_one_frame_makes_a_file(tmp_path: Path, make_track, stick_body) -> None:
    write_motion(tmp_path / "a.npz", make_track(np.array([1.2])), stick_body, rate=RATE, gap_max_s=0.5)
    motion = read_motion(tmp_path / "a.npz")
    assert motion.poses.shape == (1, 156) and motion.duration_s == pytest.approx(1 / 30)


def test_an_unknown_layout_is_refused(tmp_path: Path, make_track, stick_body) -> None:
    with pytest.raises(SettingsError, match="'mano' is unknown; choose one of smplh, smplx"):
        write_motion(tmp_path / "a.npz", make_track(np.zeros(1)), stick_body, layout="mano", rate=RATE, gap_max_s=0.5)
    assert not (tmp_path / "a.npz").exists()


def test_joints_of_the_open_body_survive_the_file(tmp_path: Path, make_track) -> None:
    body = load_body(None)
    track = make_track(np.arange(12) / 30)
    write_motion(tmp_path / "a.npz", track, body, rate=RATE, gap_max_s=0.5)
    motion = read_motion(tmp_path / "a.npz")
    wanted = joint_positions(body, track.pose, track.betas, track.trans)
    np.testing.assert_allclose(camera_joints(motion, body), wanted, atol=1e-4)
    assert motion.body_model == "open_body"


def test_the_gender_is_that_of_the_body(tmp_path: Path, make_track, stick_body) -> None:
    body = type("FemaleBody", (type(stick_body),), {"structure": SimpleNamespace(name="f", gender="female")})()
    write_motion(tmp_path / "a.npz", make_track(np.arange(4) / 30), body, rate=RATE, gap_max_s=0.5)
    assert read_motion(tmp_path / "a.npz").gender == "female"
