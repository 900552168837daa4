import json

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.training.mocap.humanoid3d import FRAME_NUMBERS, parse_humanoid3d


def standing() -> list[float]:
    still = [1.0, 0.0, 0.0, 0.0]
    right = [*still, 0.0, *still, *still, 0.0]  # hip, knee, ankle, shoulder, elbow
    return [0.02, 0.5, 0.9, 0.0, *still, *still, *still, *right, *right]


def parse(frame: list[float]):
    return parse_humanoid3d(json.dumps({"Loop": "none", "Frames": [frame, frame]}))


def test_x_forward_becomes_z_and_the_right_hand_lies_at_negative_x() -> None:
    motion = parse(standing())
    assert np.allclose(motion.position[0, 0], [0, 0.9, 0.5])
    assert motion.position[0, motion.joint("right_wrist"), 0] < -0.15
    assert motion.rate_hz == pytest.approx(50.0)


def test_knees_flex_backwards_and_elbows_forwards() -> None:
    frame = standing()
    frame[20], frame[29] = -1.0, 1.0  # right knee and right elbow
    motion = parse(frame)
    knee, ankle = (motion.position[0, motion.joint(f"right_{part}")] for part in ("knee", "ankle"))
    elbow, wrist = (motion.position[0, motion.joint(f"right_{part}")] for part in ("elbow", "wrist"))
    assert (ankle - knee)[2] < -0.3
    assert (wrist - elbow)[2] > 0.2


def test_frames_of_another_length_are_an_error() -> None:
    assert FRAME_NUMBERS == len(standing()) == 44
    with pytest.raises(InputError, match="expected 44"):
        parse(standing()[:-1])
    with pytest.raises(InputError, match="cannot be read"):
        parse_humanoid3d("not json")
