"""How far the joints of a body turn: limits to stay within, and counts of frames that break them."""

from dataclasses import dataclass

import numpy as np

from dpmesh.training.mocap.skeleton import JOINT_COUNT, JOINT_INDEX

# Least and greatest x, y, z of a joint's rotation vector in degrees, left side; the right side mirrors y and z.
# Wide on purpose: they hold the 1st to 99th percentile of the recordings, dance and climbing included. Hips,
# shoulders and the root are left free, rotation vector limits mean little for them.
_LIMITS_DEG: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "spine1": ((-30, 50), (-20, 20), (-20, 20)),
    "spine2": ((-25, 35), (-20, 20), (-20, 20)),
    "spine3": ((-25, 25), (-15, 15), (-20, 20)),
    "neck": ((-35, 40), (-45, 45), (-30, 30)),
    "head": ((-45, 45), (-45, 45), (-35, 35)),
    "left_collar": ((-15, 15), (-30, 20), (-20, 45)),
    "left_knee": ((-8, 155), (-25, 25), (-20, 20)),
    "left_ankle": ((-45, 60), (-40, 40), (-35, 35)),
    "left_foot": ((-50, 25), (0, 0), (0, 0)),
    "left_elbow": ((-90, 90), (-155, 8), (-30, 30)),
    "left_wrist": ((-60, 60), (-30, 45), (-70, 70)),
}

# What counts as broken when a collection is checked: a knee that bends forwards, an elbow that bends backwards, or
# either bending sideways, by more than marker noise and the bend of the rest pose explain.
_BACKWARDS_DEG = 10.0
_SIDEWAYS_DEG = 25.0
_FLIPPED_DEG = 90.0


def limit_table() -> tuple[np.ndarray, np.ndarray]:
    """Return least and greatest rotation vector components, (24, 3) radians each; infinite where free."""
    low = np.full((JOINT_COUNT, 3), -np.inf)
    high = np.full((JOINT_COUNT, 3), np.inf)
    for name, pairs in _LIMITS_DEG.items():
        row = JOINT_INDEX[name]
        low[row], high[row] = np.radians([pair[0] for pair in pairs]), np.radians([pair[1] for pair in pairs])
        if name.startswith("left_"):
            other = JOINT_INDEX[name.replace("left_", "right_")]
            low[other] = low[row, 0], -high[row, 1], -high[row, 2]
            high[other] = high[row, 0], -low[row, 1], -low[row, 2]
    return low, high


def clamp_to_limits(pose: np.ndarray) -> np.ndarray:
    """Return poses (..., 24, 3) with every limited joint's rotation vector cut to its limits."""
    low, high = limit_table()
    return np.clip(pose, low, high).astype(pose.dtype)


@dataclass(frozen=True, slots=True)
class Violations:
    """Shares of frames, 0 to 1, in which a joint turns a way it cannot; both sides count."""

    knee_backwards: float
    knee_sideways: float
    elbow_backwards: float
    elbow_sideways: float
    ankle_flipped: float


def count_violations(pose: np.ndarray) -> Violations:
    """Return how often knees, elbows and ankles of poses (F, 24, 3) turn a way they cannot.

    A knee flexes about +X of the thigh, a left elbow about -Y and a right one about +Y of the upper arm.
    """
    degrees = np.degrees(pose)
    knees = degrees[:, [JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"]]]
    elbows = degrees[:, [JOINT_INDEX["left_elbow"], JOINT_INDEX["right_elbow"]]]
    ankles = degrees[:, [JOINT_INDEX["left_ankle"], JOINT_INDEX["right_ankle"]]]
    flexion = elbows[..., 1] * np.array([-1.0, 1.0])
    return Violations(
        knee_backwards=float((knees[..., 0] < -_BACKWARDS_DEG).mean()),
        knee_sideways=float((np.abs(knees[..., 2]) > _SIDEWAYS_DEG).mean()),
        elbow_backwards=float((flexion < -_BACKWARDS_DEG).mean()),
        elbow_sideways=float((np.abs(elbows[..., 2]) > _SIDEWAYS_DEG).mean()),
        ankle_flipped=float((np.linalg.norm(ankles, axis=-1) > _FLIPPED_DEG).mean()),
    )
