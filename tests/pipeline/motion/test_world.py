import numpy as np
from scipy.spatial.transform import Rotation

from pipeline.motion.posing import joint_positions, pelvis_of, vertex_positions
from pipeline.motion.world import WORLD_FROM_CAM, camera_matrices, move_root


def test_up_in_the_picture_is_up_in_the_world() -> None:
    right, down, forward = WORLD_FROM_CAM[:3, :3].T
    np.testing.assert_array_equal(right, (1, 0, 0))
    np.testing.assert_array_equal(down, (0, 0, -1))
    np.testing.assert_array_equal(forward, (0, 1, 0))
    assert np.linalg.det(WORLD_FROM_CAM[:3, :3]) == 1.0


def test_a_moved_body_has_its_vertices_where_the_transform_puts_them(make_track, stick_body) -> None:
    track = make_track(np.arange(6) / 10)
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec([0.4, -1.0, 2.0]).as_matrix()
    transform[:3, 3] = (3.0, -2.0, 0.5)
    before = vertex_positions(stick_body, track.pose, track.betas, track.trans)
    root, trans = move_root(track.pose[:, 0], track.trans, pelvis_of(stick_body, track.betas), transform)
    pose = track.pose.copy()
    pose[:, 0] = root
    after = vertex_positions(stick_body, pose, track.betas, trans)
    np.testing.assert_allclose(after, before @ transform[:3, :3].T + transform[:3, 3], atol=1e-5)


def test_no_transform_moves_nothing(make_track, stick_body) -> None:
    track = make_track(np.arange(3) / 10)
    root, trans = move_root(track.pose[:, 0], track.trans, pelvis_of(stick_body, track.betas), np.eye(4))
    np.testing.assert_allclose(trans, track.trans, atol=1e-6)
    assert (Rotation.from_rotvec(root).inv() * Rotation.from_rotvec(track.pose[:, 0])).magnitude().max() < 1e-6


def test_camera_matrices_project_like_the_numbers_they_hold(make_track, stick_body) -> None:
    track = make_track(np.arange(3) / 10)
    joints = joint_positions(stick_body, track.pose, track.betas, track.trans, "coco17")
    k = camera_matrices(track.focal_px, track.principal_px)
    pixels = np.einsum("tij,tnj->tni", k, joints)
    np.testing.assert_allclose(pixels[..., :2] / pixels[..., 2:], track.keypoints[..., :2], atol=1e-3)
