"""Bring every sampled shape of the source body into SMPL's rest pose: arms out, palms down, legs under the hips."""

from __future__ import annotations

import numpy as np

from dpmesh.training.open_body.source import SourceBody

# Directions of the left limbs at rest. A few degrees off the axes, as in SMPL's template: an arm's bones lie slightly
# behind and below the line of the shoulders, and the shank runs back to the heel.
UPPER_ARM = (1.0, -0.05, -0.09)
FOREARM = (1.0, 0.03, -0.01)
HAND = (1.0, -0.05, -0.1)
THIGH = (0.0, -1.0, 0.0)
SHANK = (-0.03, -1.0, -0.09)
FORWARD = np.array([0.0, 0.0, 1.0])
FOREARM_TWIST_WEIGHT = {"lowerarm01": 0.3, "lowerarm02": 0.7}  # the rest of the twist is in the hand


def to_tpose(source: SourceBody, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices (V, 3) and bone heads (B, 3) of one sample in the T-pose."""
    heads = source.heads[sample].astype(np.float64)
    turns = _bone_turns(source, heads)
    moved = heads.copy()
    for bone, parent in enumerate(source.bone_parents):
        if parent >= 0:
            moved[bone] = moved[parent] + turns[parent] @ (heads[bone] - heads[parent])
    vertices = source.vertices[sample].astype(np.float64)
    shift = moved - np.einsum("bij,bj->bi", turns, heads)
    blended = (source.weights @ turns.reshape(len(turns), 9)).reshape(-1, 3, 3)
    return np.einsum("vij,vj->vi", blended, vertices) + source.weights @ shift, moved


def _bone_turns(source: SourceBody, heads: np.ndarray) -> np.ndarray:
    """Return how each bone turns in the world (B, 3, 3); a bone that is not named turns with its parent."""
    own: dict[str, np.ndarray] = {}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        at = {name: heads[source.bone_names.index(f"{name}.{side}")] for name in _USED}
        own |= {f"{name}.{side}": turn for name, turn in _side_turns(at, np.array([sign, 1.0, 1.0])).items()}
    turns = np.tile(np.eye(3), (len(heads), 1, 1))
    for bone, (name, parent) in enumerate(zip(source.bone_names, source.bone_parents, strict=True)):
        if name in own:
            turns[bone] = own[name]
        elif parent >= 0:
            turns[bone] = turns[parent]
    return turns


_USED = (
    "upperarm01", "lowerarm01", "wrist", "finger3-1", "finger2-1", "finger5-1", "upperleg01", "lowerleg01", "foot",
)  # fmt: skip


def _side_turns(at: dict[str, np.ndarray], mirror: np.ndarray) -> dict[str, np.ndarray]:
    upper = at["lowerarm01"] - at["upperarm01"]
    fore = at["wrist"] - at["lowerarm01"]
    # The elbow bends in the source's rest; its bending plane becomes the horizontal one, as in SMPL.
    upper_turn = _frame(mirror * UPPER_ARM, FORWARD) @ _frame(upper, fore).T
    fore_turn = _frame(mirror * FOREARM, FORWARD) @ _frame(fore, fore - upper * (fore @ fore) / (fore @ upper)).T
    palm = at["finger3-1"] - at["wrist"]
    thumb_side = at["finger2-1"] - at["finger5-1"]
    hand_turn = _frame(mirror * HAND, FORWARD) @ _frame(palm, thumb_side).T
    # What turns the hand about the forearm's axis is shared with the forearm, or the wrist would wring.
    axis = mirror * FOREARM / np.linalg.norm(FOREARM)
    twist = _twist_angle(hand_turn @ fore_turn.T, axis)
    turns = {
        "upperarm01": upper_turn,
        "wrist": hand_turn,
        "upperleg01": _shortest(at["lowerleg01"] - at["upperleg01"], mirror * THIGH),
        "lowerleg01": _shortest(at["foot"] - at["lowerleg01"], mirror * SHANK),
        "foot": np.eye(3),
    }
    for name, weight in FOREARM_TWIST_WEIGHT.items():
        turns[name] = _about(axis, weight * twist) @ fore_turn
    return turns


def _frame(along: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Return the rotation whose first column is `along` and whose second lies towards `towards`."""
    x = along / np.linalg.norm(along)
    y = towards - x * (x @ towards)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _about(axis: np.ndarray, angle_rad: float) -> np.ndarray:
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross


def _shortest(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    normal = np.cross(start, end)
    angle = np.arctan2(np.linalg.norm(normal), start @ end)
    return _about(normal / max(float(np.linalg.norm(normal)), 1e-12), float(angle))


def _twist_angle(turn: np.ndarray, axis: np.ndarray) -> float:
    """Return the part of a rotation that is about `axis` (swing-twist), radians."""
    imaginary = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    return float(2.0 * np.arctan2(imaginary @ axis, 1.0 + np.trace(turn)))
