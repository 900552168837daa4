import numpy as np
from adult_skeleton import rest_joints
from scipy.spatial.transform import Rotation

from dpmesh.training.mocap.anatomy import mend_ankle, settle_elbows, straighten_knees
from dpmesh.training.mocap.skeleton import (
    JOINT_INDEX,
    global_from_local,
    joint_positions,
    local_from_global,
)


def worlds(turns: dict[str, tuple[float, float, float]], count: int = 30) -> np.ndarray:
    local = np.tile(np.eye(3), (count, 24, 1, 1))
    for name, turn in turns.items():
        local[:, JOINT_INDEX[name]] = Rotation.from_rotvec(turn).as_matrix()
    return global_from_local(local)


def test_a_forward_knee_becomes_straight_and_the_ankle_keeps_its_direction() -> None:
    rest = rest_joints()
    before = worlds({"left_knee": (-0.3, 0, 0), "right_knee": (0.4, 0, 0)})
    after = straighten_knees(before, rest)
    flexion = Rotation.from_matrix(local_from_global(after)[0, JOINT_INDEX["left_knee"]]).magnitude()
    assert flexion < 1e-6
    hip, ankle = JOINT_INDEX["left_hip"], JOINT_INDEX["left_ankle"]
    old, new = (
        joint_positions(world, rest)[0, ankle] - joint_positions(world, rest)[0, hip] for world in (before, after)
    )
    assert np.allclose(old / np.linalg.norm(old), new / np.linalg.norm(new), atol=1e-6)
    assert np.allclose(after[:, JOINT_INDEX["right_knee"]], before[:, JOINT_INDEX["right_knee"]])


def test_an_arm_that_bends_sideways_is_twisted_until_it_bends_forwards() -> None:
    rest = rest_joints()
    before = worlds({"left_elbow": (0, 0, -1.2), "right_elbow": (0, 0, 1.2)})
    after = settle_elbows(before, rest, 30.0)
    local = Rotation.from_matrix(local_from_global(after)[0, [18, 19]]).as_rotvec()
    assert (np.linalg.norm(local, axis=1) > 0.9).all()
    hinges = local / np.linalg.norm(local, axis=1, keepdims=True)
    assert np.allclose(hinges, [[0, -1, 0], [0, 1, 0]], atol=0.06)
    assert np.allclose(joint_positions(after, rest)[:, :22], joint_positions(before, rest)[:, :22], atol=1e-9)


def test_straight_arms_take_the_twist_of_the_frames_around() -> None:
    rest = rest_joints()
    bent = worlds({"left_elbow": (0, 0, -1.2)})
    straight = worlds({}, 4)
    after = settle_elbows(np.concatenate([bent, straight, bent]), rest, 30.0)
    shoulder = Rotation.from_matrix(after[:, JOINT_INDEX["left_shoulder"]]).as_rotvec()
    assert np.abs(np.diff(shoulder[:, 0])).max() < 0.15
    assert np.allclose(shoulder[[0, -1], 0], shoulder[32, 0], atol=0.3)


def test_flipped_ankles_take_the_nearest_good_frame() -> None:
    turn = np.zeros((6, 3))
    turn[:, 0] = [0.1, 0.2, 3.0, 2.9, 0.5, 0.6]
    assert np.allclose(mend_ankle(turn)[:, 0], [0.1, 0.2, 0.2, 0.5, 0.5, 0.6])
    assert np.array_equal(mend_ankle(np.full((3, 3), 2.0)), np.zeros((3, 3)))
