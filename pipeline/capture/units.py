"""Units and axes of calibration files."""

import numpy as np

from pipeline.capture.camera import Camera

METRES_PER = {"m": 1.0, "cm": 0.01, "mm": 0.001}
RIG_MAX = 100.0  # of a rig in metres: the largest distance between two cameras; more are taken to be millimetres
Y_DOWN_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Takes points of a world whose y points down to one whose z points up."""


def guess_metres(rotations: list[np.ndarray], translations: list[np.ndarray]) -> tuple[float, str]:
    """Return what one unit of these translations is in metres, by how far the cameras are apart, and a note.

    Args:
        rotations: (3, 3) each, world to camera.
        translations: (3,) each, in the unit.
    """
    centres = np.array([-turn.T @ shift for turn, shift in zip(rotations, translations, strict=True)])
    if len(centres) < 2:
        return 1.0, "lengths were taken to be metres; one camera alone does not tell"
    apart = _span(centres)
    unit = "mm" if apart > RIG_MAX else "m"
    return METRES_PER[unit], f"lengths were taken to be {unit}: the cameras are up to {apart:.4g} of them apart"


def rig_span_m(cameras: tuple[Camera, ...]) -> float:
    """Return the largest distance between two cameras, in metres."""
    return _span(np.array([camera.centre_m for camera in cameras]))


def _span(centres: np.ndarray) -> float:
    return float(np.linalg.norm(centres[:, None] - centres[None], axis=-1).max())
