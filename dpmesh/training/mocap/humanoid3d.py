"""DeepMimic's humanoid3d motions: JSON frames of quaternions and hinge angles."""

import json

import numpy as np
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from dpmesh.training.mocap.source import SourceMotion, chain, rest_positions

# name, parent, numbers in a frame, offset in metres with x forward, y up, z right; from the README of the motions
_JOINTS: tuple[tuple[str, int, int, tuple[float, float, float]], ...] = (
    ("root", -1, 4, (0.0, 0.0, 0.0)),
    ("chest", 0, 4, (0.0, 0.236, 0.0)),
    ("neck", 1, 4, (0.0, 0.224, 0.0)),
    ("right_hip", 0, 4, (0.0, 0.0, 0.085)),
    ("right_knee", 3, 1, (0.0, -0.422, 0.0)),
    ("right_ankle", 4, 4, (0.0, -0.410, 0.0)),
    ("right_shoulder", 1, 4, (-0.024, 0.244, 0.183)),
    ("right_elbow", 6, 1, (0.0, -0.275, 0.0)),
    ("left_hip", 0, 4, (0.0, 0.0, -0.085)),
    ("left_knee", 8, 1, (0.0, -0.422, 0.0)),
    ("left_ankle", 9, 4, (0.0, -0.410, 0.0)),
    ("left_shoulder", 1, 4, (-0.024, 0.244, -0.183)),
    ("left_elbow", 11, 1, (0.0, -0.275, 0.0)),
    ("right_wrist", 7, 0, (0.0, -0.259, 0.0)),
    ("left_wrist", 12, 0, (0.0, -0.259, 0.0)),
)
FRAME_NUMBERS = 1 + 3 + sum(joint[2] for joint in _JOINTS)
# x forward, y up, z right becomes x left, y up, z forward
_TURN = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def parse_humanoid3d(text: str) -> SourceMotion:
    """Return the motion of a DeepMimic file, facing +Z; its zero pose stands with hanging arms.

    Raises:
        InputError: not such a file, or frames of another length than 44 numbers.
    """
    try:
        frames = np.array(json.loads(text)["Frames"], dtype=np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"DeepMimic motion cannot be read: {error}") from error
    if frames.ndim != 2 or frames.shape[1] != FRAME_NUMBERS:
        raise InputError(f"DeepMimic frames have shape {frames.shape}, expected {FRAME_NUMBERS} numbers each")
    count = len(frames)
    local = np.tile(np.eye(3), (count, len(_JOINTS), 1, 1))
    column = 4
    for row, (_, _, width, _) in enumerate(_JOINTS):
        own = frames[:, column : column + width]
        column += width
        if width == 4:
            local[:, row] = Rotation.from_quat(own, scalar_first=True).as_matrix()
        elif width == 1:
            local[:, row] = Rotation.from_rotvec(own * np.array([[0.0, 0.0, 1.0]])).as_matrix()
    local = _TURN @ local @ _TURN.T
    offset = np.array([joint[3] for joint in _JOINTS]) @ _TURN.T
    parents = np.array([joint[1] for joint in _JOINTS])
    rotation, position = chain(parents, local, offset, frames[:, 1:4] @ _TURN.T)
    return SourceMotion(
        names=tuple(joint[0] for joint in _JOINTS),
        parents=parents,
        rest=rest_positions(parents, offset),
        rotation=rotation,
        position=position,
        rate_hz=1.0 / float(np.median(frames[:, 0])),
    )
