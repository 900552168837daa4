"""Bodies as a lens bends them, for a renderer that knows pinholes only."""

from dataclasses import replace

import numpy as np

from pipeline.capture import Camera
from pipeline.capture.camera import DEPTH_MIN_M

DIRECTIONS, STEPS = 16, 400
ANGLE_MAX_RAD = 1.5  # from the optical axis; nearly a right angle


class Lens:
    """One camera of a rig, as a pinhole and what its lens adds.

    Distortion is a polynomial that holds within the picture. Outside it often turns back, and would show somebody
    beside the picture in its middle: from where it turns, points move outwards as a pinhole moves them.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = replace(camera, rotation=np.eye(3), translation_m=np.zeros(3))
        self.focal_px = camera.focal_px
        self.principal_px = camera.matrix[:2, 2] + 0.5  # of pixels whose corners are at whole numbers
        self.reach = self._turning_point()

    def bent(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., 3) in camera axes moved across, so that a pinhole shows them where the lens does.

        Depth stays. Points behind the camera stay where they are.
        """
        moved = np.asarray(points, np.float64).reshape(-1, 3).copy()
        ahead = moved[:, 2] > DEPTH_MIN_M
        depth = moved[ahead, 2:]
        slopes = moved[ahead, :2] / depth
        length = np.linalg.norm(slopes, axis=1, keepdims=True)
        inner = slopes * np.minimum(1.0, self.reach / np.maximum(length, 1e-12))
        moved[ahead, :2] = depth * (self._shown(inner) + slopes - inner)
        return moved.reshape(np.shape(points))

    def _shown(self, slopes: np.ndarray) -> np.ndarray:
        """Return the slopes (R, 2) at which a pinhole shows what the lens shows at its own."""
        pixels = self._camera.project(np.column_stack([slopes, np.ones(len(slopes))]))
        return (pixels - self._camera.matrix[:2, 2]) / self.focal_px

    def _turning_point(self) -> float:
        """Return up to which distance from the axis, as a slope, a larger one is shown farther out."""
        lengths = np.tan(np.linspace(0.0, ANGLE_MAX_RAD, STEPS))
        turns = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
        ways = np.column_stack([np.cos(turns), np.sin(turns)])
        shown = self._shown((lengths[:, None, None] * ways).reshape(-1, 2)).reshape(STEPS, DIRECTIONS, 2)
        is_outwards = (np.diff((shown * ways).sum(axis=-1), axis=0) > 0).all(axis=1)
        return float(lengths[-1] if is_outwards.all() else lengths[int(np.argmin(is_outwards))])
