"""Frames in which a recorded body jumps."""

import numpy as np
from scipy.spatial.transform import Rotation

from dpmesh.training.mocap.retarget import SmplMotion, posed_joints
from dpmesh.training.mocap.skeleton import JOINT_INDEX

# A limb that turns out by this much and straight back within two frames at 30 Hz is a pop of a marker: a measured
# kick or cartwheel keeps its direction from one frame to the next.
_POP_RAD = 0.5
_JUMP_RAD = 2.0  # between two frames: 60 turns of a radian a second, faster than any recorded limb
_MOST_SPEED_MPS = 15.0  # of any joint; the collections' own indices call faster frames glitches
_WATCHED = [
    JOINT_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("hip", "knee", "shoulder", "elbow")
] + [JOINT_INDEX[name] for name in ("pelvis", "spine1", "spine2", "spine3")]  # fmt: skip


def find_glitches(motion: SmplMotion, rest_m: np.ndarray) -> np.ndarray:
    """Return a mask (T,) bool of frames to leave out: single-frame pops, and both sides of a jump.

    Args:
        motion: at about 30 Hz.
        rest_m: (24, 3) rest joints of its body.
    """
    count = len(motion.pose)
    bad = np.zeros(count, dtype=bool)
    if count < 3:
        return bad
    pose = motion.pose[:, _WATCHED].astype(np.float64)
    step = turn_between(pose[:-1], pose[1:])
    over_one = turn_between(pose[:-2], pose[2:])
    out_and_back = np.minimum(step[:-1], step[1:])
    popped = np.zeros(count, dtype=bool)
    popped[1:-1] = ((out_and_back > _POP_RAD) & (over_one < 0.5 * out_and_back)).any(axis=1)
    joints = posed_joints(motion.pose, rest_m) + motion.trans[:, None]
    speed_mps = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * motion.rate_hz
    jump = (step > _JUMP_RAD).any(axis=1) | (speed_mps > _MOST_SPEED_MPS).any(axis=1)
    jump &= ~(popped[:-1] | popped[1:])  # a pop's neighbours are good frames
    bad |= popped
    bad[:-1] |= jump
    bad[1:] |= jump
    return bad


def turn_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the angle in radians between axis-angle rotations (..., 3)."""
    shape = first.shape[:-1]
    a, b = Rotation.from_rotvec(first.reshape(-1, 3)), Rotation.from_rotvec(second.reshape(-1, 3))
    return np.asarray((a.inv() * b).magnitude()).reshape(shape)
