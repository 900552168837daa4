"""The body that motion is retargeted to."""

from pathlib import Path

import numpy as np

from dpmesh.body.load import read_structure


def body_rest_joints(source: Path | None = None) -> np.ndarray:
    """Return the rest joints of a SMPL-format body of mean shape, (24, 3) metres, pelvis at the origin.

    Args:
        source: its file; None is the bundled open body.

    Raises:
        WeightsError: the file cannot be used.
    """
    body = read_structure(source)
    joints = np.asarray(body.joint_regressor, dtype=np.float64) @ np.asarray(body.v_template, dtype=np.float64)
    return joints - joints[0]
