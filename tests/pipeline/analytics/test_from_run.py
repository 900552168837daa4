"""People of a run on the ground: a level camera, and one that `scene.json` tilts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from configs.analytics_schema import AnalyticsSettings
from pipeline.analytics.analysis import Analysis
from pipeline.analytics.from_run import assumed_errors, postures_of, read_people, smoothed
from pipeline.analytics.ground import Ground
from pipeline.flow.graph import Graph, Node
from pipeline.flow.outputs import RunFolder
from pipeline.motion.library import write_track
from pipeline.motion.scene import Scene, write_scene
from pipeline.nodes.analyze import measure_run
from pipeline.types import MotionTrack

SETTINGS = AnalyticsSettings(samples=3)


def write_run(folder: Path, tracks: list[MotionTrack]) -> RunFolder:
    files = RunFolder(folder)

    def make(claim: Callable[[list[Path]], None]) -> list[Path]:
        paths = [files.motion(track.track_id) for track in tracks]
        claim(paths)
        for path, track in zip(paths, tracks):
            write_track(path, track)
        return paths

    Graph(folder, [Node("motion", (), {}, make)]).run()
    return files


def test_people_walk_over_the_ground_as_in_front_of_the_camera(tmp_path, stick_body, make_track) -> None:
    files = write_run(tmp_path, [make_track(np.arange(50) / 25, speed_mps=(0.5, 0.0, 1.0))])
    found = read_people(files, stick_body, SETTINGS, 25.0, (640, 360))
    assert found is not None and found.is_covariance_assumed
    moved = found.people.xy_m[-1] - found.people.xy_m[0]
    np.testing.assert_allclose(moved, np.array([0.5, 1.0]) * 49 / 25, atol=0.05)
    covariance = found.people.covariance_m2
    assert covariance is not None
    far, high = np.linalg.norm(found.people.xy_m, axis=1), found.ground.height_m
    spread = np.sqrt((0.1 * far) ** 2 + 2 * 0.02**2 * (far**2 + high**2))
    np.testing.assert_allclose(np.sqrt(np.trace(covariance, axis1=1, axis2=2)), spread, rtol=1e-6)


def test_a_camera_straight_above_is_sure_of_where_people_are(tmp_path, make_track) -> None:
    above = Ground(np.diag([1.0, -1.0, -1.0, 1.0]), -5.0, True, "", True, 500.0, np.zeros(2))  # 5 m up, looks down
    found = assumed_errors(np.zeros((2, 2)), above, True, SETTINGS)
    np.testing.assert_allclose(found.covariance_m2, np.tile(np.eye(2) * (0.02 * 5) ** 2, (2, 1, 1)))
    np.testing.assert_allclose(above.cast(above.project(np.array([[1.0, 2.0]]))), [[1.0, 2.0]])


def test_scene_json_turns_the_camera_axes_to_the_ground(tmp_path, stick_body, make_track) -> None:
    files = write_run(tmp_path, [make_track(np.arange(50) / 25)])
    level = read_people(files, stick_body, SETTINGS, 25.0, (640, 360))
    matrix = np.eye(4)
    matrix[:3, :3] = (Rotation.from_rotvec([0, 0, np.pi / 2]) * Rotation.from_rotvec([-np.pi / 2, 0, 0])).as_matrix()
    matrix[:3, 3] = (1.0, 2.0, 3.0)
    write_scene(files.scene, Scene(matrix, focal_px=500.0, is_ground_measured=True, is_camera_still=True))
    turned = read_people(files, stick_body, SETTINGS, 25.0, (640, 360))
    assert level is not None and turned is not None and turned.ground.height_m == 0.0
    x, y = level.people.xy_m.T
    np.testing.assert_allclose(turned.people.xy_m, np.stack([-y + 1, x + 2], axis=1), atol=1e-9)


def test_a_run_is_analysed_with_what_bodies_say(tmp_path, stick_body, make_track) -> None:
    tracks = [make_track(np.arange(60) / 25, track_id=n, shift_m=(float(n), 0.0, 5.0)) for n in (1, 2)]
    found = measure_run(write_run(tmp_path, tracks), stick_body, SETTINGS, 25.0, (640, 360))
    assert isinstance(found, Analysis) and not found.not_measured.keys() & {"groups", "mutual gaze", "positions"}
    assert found.long_tables["positions"].whole()["facing_rad"].is_not_nan().mean() > 0.9


def test_nobody_is_said(tmp_path, stick_body) -> None:
    found = measure_run(RunFolder(tmp_path), stick_body, SETTINGS, 25.0, (640, 360))
    assert found.summary == {"people": 0} and found.not_measured["positions"] == "nobody was found"


def test_a_standing_body_faces_where_its_chest_points(stick_body) -> None:
    pose = np.zeros((3, 24, 3))
    pose[:, 0] = [Rotation.from_euler("xz", [90, turn], degrees=True).as_rotvec() for turn in (0, 90, 180)]
    pose[1, 15] = (0, np.pi / 4, 0)  # the head looks to the left
    joints = stick_body.joints(pose, np.zeros((3, 10)), np.zeros((3, 3)), "smpl24").numpy().astype(np.float64)
    found = postures_of(joints, pose, np.eye(4), 1.7)
    np.testing.assert_allclose(np.cos(found.facing_rad - np.deg2rad([-90, 0, 90])), 1, atol=1e-6)
    np.testing.assert_allclose(found.gaze_rad[1], np.pi / 4, atol=1e-6)
    assert (found.trunk_tilt_rad < 0.2).all() and (found.thigh_tilt_rad < 0.2).all() and (found.hip_height > 1).all()


def test_smoothing_keeps_a_line_and_does_not_bridge_a_gap() -> None:
    frames = np.r_[0:20, 30:50]
    xy = np.stack([frames * 0.1, np.where(frames < 25, 0.0, 5.0)], axis=1)
    np.testing.assert_allclose(smoothed(frames, xy, 9), xy, atol=1e-12)
    noisy = xy + np.random.default_rng(0).normal(0, 0.1, xy.shape)
    assert np.std(smoothed(frames, noisy, 9) - xy) < 0.7 * np.std(noisy - xy)


def test_people_of_a_capture_stand_in_the_world_with_five_centimetres_of_error(
    tmp_path, stick_body, make_track, of_rig
) -> None:
    track = of_rig(make_track(np.arange(10) / 25), np.ones((10, 3), bool))
    found = read_people(write_run(tmp_path, [track]), stick_body, SETTINGS, 25.0, None)
    assert found is not None and found.people.covariance_m2 is not None
    np.testing.assert_allclose(found.people.covariance_m2, np.tile(np.eye(2) * 0.05**2, (10, 1, 1)))
    np.testing.assert_allclose(found.people.xy_m[0, 1], 5.0, atol=0.2)
