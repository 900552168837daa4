import numpy as np
from adult_skeleton import rest_joints

from dpmesh.training.mocap.glitches import find_glitches
from dpmesh.training.mocap.retarget import SmplMotion


def motion(knee: np.ndarray) -> SmplMotion:
    pose = np.zeros((len(knee), 24, 3), dtype=np.float32)
    pose[:, 4, 0] = knee
    return SmplMotion(pose, np.zeros((len(knee), 3), dtype=np.float32), 30.0)


def test_one_frame_out_of_line_is_found_alone() -> None:
    knee = np.linspace(0, 1, 20)
    knee[9] += 1.2
    assert np.flatnonzero(find_glitches(motion(knee), rest_joints())).tolist() == [9]


def test_a_fast_kick_is_kept() -> None:
    knee = np.concatenate([np.zeros(5), np.linspace(0, 2.0, 5), np.linspace(2.0, 0, 5)])
    assert not find_glitches(motion(knee), rest_joints()).any()


def test_both_sides_of_a_jump_are_found() -> None:
    knee = np.concatenate([np.zeros(6), np.full(6, 2.5)])
    assert np.flatnonzero(find_glitches(motion(knee), rest_joints())).tolist() == [5, 6]


def test_a_body_that_leaps_faster_than_people_move_is_found() -> None:
    still = motion(np.zeros(12))
    still.trans[7:, 0] += 0.6  # 18 m/s for one frame
    assert np.flatnonzero(find_glitches(still, rest_joints())).tolist() == [6, 7]
    still.trans[7:, 0] -= 0.2
    assert not find_glitches(still, rest_joints()).any()


def test_two_frames_are_too_few_to_judge() -> None:
    assert not find_glitches(motion(np.array([0.0, 3.0])), rest_joints()).any()
