"""Corrections that a rig leaves open: how an upper arm is twisted, knees that bend forwards, feet that flip."""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from dpmesh.training.mocap.rigs import SIDES
from dpmesh.training.mocap.skeleton import JOINT_INDEX

# Below the first angle an elbow tells nothing about the twist of the upper arm, above the second all.
_ELBOW_UNSURE_RAD, _ELBOW_SURE_RAD = 0.25, 0.7
# Inward and outward rotation of a shoulder against the T-pose.
_MOST_TWIST_RAD = 1.6
_TWIST_WINDOW_S = 0.4
# CMU 01, 05 and 60 hold stretches with a foot turned by nearly half a turn; real ankles stay below 1.3 rad there.
_MOST_ANKLE_RAD = 1.5


def settle_elbows(world: np.ndarray, rest_m: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return global rotations with upper arms twisted so that elbows bend as hinges; bone directions stay.

    For rigs whose arms follow marker directions alone. The elbow of the T-pose bends forwards (left: about -Y);
    where an arm is straight, the twist is taken from the frames around, else none.

    Args:
        world: (T, 24, 3, 3) global rotations.
        rest_m: (24, 3) rest joints.
    """
    out = world.copy()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder, elbow, wrist, hand = (
            JOINT_INDEX[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist", "hand")
        )
        upper_rest, lower_rest = rest_m[elbow] - rest_m[shoulder], rest_m[wrist] - rest_m[elbow]
        upper, lower = _unit(world[:, shoulder] @ upper_rest), _unit(world[:, elbow] @ lower_rest)
        hinge = np.cross(upper, lower)
        flexion = np.arctan2(np.linalg.norm(hinge, axis=1), np.einsum("ti,ti->t", upper, lower))
        across = _reject(world[:, shoulder] @ np.array([0.0, -sign, 0.0]), upper)
        cosine = np.einsum("ti,ti->t", across, hinge)
        sine = np.einsum("ti,ti->t", np.cross(across, hinge), upper)
        wanted = np.clip(np.arctan2(sine, cosine), -_MOST_TWIST_RAD, _MOST_TWIST_RAD)
        trust = np.clip((flexion - _ELBOW_UNSURE_RAD) / (_ELBOW_SURE_RAD - _ELBOW_UNSURE_RAD), 0.0, 1.0)
        width = _TWIST_WINDOW_S * rate_hz
        blend = gaussian_filter1d(trust * wanted, width) / (gaussian_filter1d(trust, width) + 0.05)
        twist = trust * wanted + (1.0 - trust) * blend
        out[:, shoulder] = Rotation.from_rotvec(upper * twist[:, None]).as_matrix() @ world[:, shoulder]
        straight = _unit(out[:, shoulder] @ lower_rest)
        out[:, elbow] = _shortest(straight, lower) @ out[:, shoulder]
        out[:, wrist] = out[:, elbow]
        out[:, hand] = out[:, elbow]
    return out


def straighten_knees(world: np.ndarray, rest_m: np.ndarray) -> np.ndarray:
    """Return global rotations without forward-bent knees: thigh and shin then share the line from hip to ankle.

    Feet keep their rotation. Only frames whose knee bends forwards change.
    """
    out = world.copy()
    for side in SIDES:
        hip, knee, ankle = (JOINT_INDEX[f"{side}_{part}"] for part in ("hip", "knee", "ankle"))
        thigh_rest, shin_rest = rest_m[knee] - rest_m[hip], rest_m[ankle] - rest_m[knee]
        thigh, shin = world[:, hip] @ thigh_rest, world[:, knee] @ shin_rest
        # The rest leg itself is not one line, so bending counts from the shin that an unbent knee would give.
        unbent = world[:, hip] @ shin_rest
        ahead = np.einsum("ti,ti->t", np.cross(unbent, shin), world[:, hip] @ np.array([1.0, 0.0, 0.0]))
        forwards = ahead < 0
        straight = _unit(thigh + unbent)
        turn = _shortest(straight, _unit(thigh + shin))
        out[forwards, hip] = (turn @ world[:, hip])[forwards]
        out[forwards, knee] = out[forwards, hip]
    return out


def mend_ankle(turn: np.ndarray) -> np.ndarray:
    """Return an ankle's rotation vectors (T, 3) with impossible ones replaced by the nearest frame's that is not."""
    good = np.flatnonzero(np.linalg.norm(turn, axis=1) <= _MOST_ANKLE_RAD)
    if not len(good):
        return np.zeros_like(turn)
    frames = np.arange(len(turn))
    after = np.minimum(np.searchsorted(good, frames), len(good) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(frames - good[before]) < np.abs(good[after] - frames)
    return turn[np.where(is_before, good[before], good[after])]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _reject(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return the part of vectors (T, 3) across unit axes (T, 3), at unit length."""
    return _unit(vectors - np.einsum("ti,ti->t", vectors, axis)[:, None] * axis)


def _shortest(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return (T, 3, 3) least rotations from unit vectors `start` to `end`, neither opposite."""
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1)
    angle = np.arctan2(sine, np.einsum("ti,ti->t", start, end))
    return Rotation.from_rotvec(axis * (angle / np.maximum(sine, 1e-12))[:, None]).as_matrix()
