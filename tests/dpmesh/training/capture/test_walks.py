"""Walks led along a path."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from walking_bank import RATE_HZ, walking_bank

from dpmesh.training.capture.walks import Course, gait_of, lead, loop_course
from dpmesh.training.mocap.demo_motion import Motion, read_motion


def facing(motion: Motion) -> np.ndarray:
    return Rotation.from_rotvec(motion.pose[:, 0]).apply([0.0, 0.0, 1.0])


@pytest.mark.parametrize("name", ["test/walk_0", "test/walk_1"])  # straight, and in a curve
def test_a_gait_faces_ahead_and_is_as_long_as_asked(name: str) -> None:
    gait = gait_of(read_motion(walking_bank(), name), RATE_HZ, 9.0)
    ahead = Rotation.from_rotvec(gait.pose[:, 0]).apply([0.0, 0.0, 1.0])
    assert np.median(ahead[:, 2]) > 0.98
    assert gait.along_m[-1] >= 9.0 and (np.diff(gait.along_m) > 0).all()
    assert gait.speed_mps == pytest.approx(1.2, rel=0.1)


def test_people_face_where_they_go_and_stay_on_the_path() -> None:
    gait = gait_of(read_motion(walking_bank(), "test/walk_0"), RATE_HZ, 9.0)
    turn = np.linspace(0, 2 * np.pi, 200)
    course = loop_course(np.stack([np.sin(turn), np.cos(turn)], axis=1), np.linspace(-2.0, 6.0, 240))
    motion = lead(gait, course)
    assert np.linalg.norm(motion.pelvis[:, [0, 2]], axis=1) == pytest.approx(1.0, abs=0.01)
    step = np.diff(motion.pelvis, axis=0)
    step[:, 1] = 0
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    assert (facing(motion)[1:] * step).sum(axis=1).min() > 0.95
    assert motion.pelvis[:, 1] == pytest.approx(0.95, abs=1e-5)


def test_who_stands_does_not_swing_the_legs_and_who_hugs_has_the_arms_in_front() -> None:
    gait = gait_of(read_motion(walking_bank(), "test/walk_0"), RATE_HZ, 9.0)
    count = 50
    still, hug = np.ones(count), np.r_[np.zeros(25), np.ones(25)]
    course = Course(np.zeros((count, 2)), np.zeros(count), np.linspace(0, 3, count), still, hug)
    motion = lead(gait, course)
    assert np.abs(motion.pose[:, 1]).max() < 1e-6
    left_arm = Rotation.from_rotvec(motion.pose[:, 16]).apply([1.0, 0.0, 0.0])
    assert left_arm[0, 1] < -0.8 and left_arm[-1, 2] > 0.7
