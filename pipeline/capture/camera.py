"""A calibrated camera: where it stands and how it projects, in OpenCV's convention.

World points are in metres. Camera axes are x right, y down, z forward; the centre of the top left pixel is (0, 0).
"""

from dataclasses import dataclass, field
from typing import Annotated

import cv2
import numpy as np

from configs.checks import Shaped
from configs.errors import InputError

DISTORTION_COUNTS = (0, 4, 5, 8, 12, 14)  # of OpenCV's model: k1, k2, p1, p2[, k3[, k4, k5, k6[, s1 to s4[, tx, ty]]]]
FISHEYE_COUNTS = (0, 4)
ROTATION_SLACK = 1e-3  # of R R^T: calibrations are written with few digits
UNDISTORTION_STEPS = 10
DEPTH_MIN_M = 1e-3  # points nearer, or behind the camera, have no image


@dataclass(frozen=True, slots=True)
class Camera(Shaped):
    """One calibrated camera.

    Raises:
        InputError: a number is not finite, a focal length not above 0, the rotation none, or the distortion of a length
            that OpenCV does not know.
    """

    name: str
    matrix: Annotated[np.ndarray, 3, 3]  # float64, pixels
    rotation: Annotated[np.ndarray, 3, 3]  # float64, world to camera
    translation_m: Annotated[np.ndarray, 3]  # float64, world to camera
    distortion: Annotated[np.ndarray, "D"] = field(default_factory=lambda: np.zeros(0))
    size_px: tuple[int, int] | None = None  # width, height that the matrix is for; None: not given
    is_fisheye: bool = False  # OpenCV's fisheye model (Kannala and Brandt), distortion k1 to k4

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        focal = self.matrix[[0, 1], [0, 1]]
        if not (np.isfinite(self.matrix).all() and (focal > 0).all()):
            raise InputError(
                f"camera {self.name}: K is {self.matrix.tolist()}; give it finite, its focal lengths above 0"
            )
        off = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if not (off <= ROTATION_SLACK and np.linalg.det(self.rotation) > 0):
            raise InputError(f"camera {self.name}: R {self.rotation.tolist()} is not a rotation; give world to camera")
        if not np.isfinite(self.translation_m).all():
            raise InputError(f"camera {self.name}: t is {self.translation_m.tolist()}; give three finite metres")
        counts = FISHEYE_COUNTS if self.is_fisheye else DISTORTION_COUNTS
        if len(self.distortion) not in counts or not np.isfinite(self.distortion).all():
            raise InputError(
                f"camera {self.name}: distortion is {self.distortion.tolist()}; give finite numbers in OpenCV's order, "
                f"{' or '.join(map(str, counts))} of them"
            )

    @property
    def focal_px(self) -> float:
        """Mean of the two focal lengths."""
        return float(self.matrix[[0, 1], [0, 1]].mean())

    @property
    def centre_m(self) -> np.ndarray:
        """Where the camera stands (3,), in the world."""
        return -self.rotation.T @ self.translation_m

    @property
    def forward(self) -> np.ndarray:
        """The direction (3,) in which it looks, in the world, of length 1."""
        return self.rotation[2]

    @property
    def projection(self) -> np.ndarray:
        """The matrix (3, 4) from homogeneous world points to undistorted pixels."""
        return self.matrix @ np.column_stack([self.rotation, self.translation_m])

    def to_camera(self, world: np.ndarray) -> np.ndarray:
        """Return world points (..., 3) in this camera's axes."""
        return world @ self.rotation.T + self.translation_m

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., 3) in this camera's axes in the world."""
        return (points - self.translation_m) @ self.rotation

    def project(self, world: np.ndarray) -> np.ndarray:
        """Return the pixels (..., 2) of world points (..., 3), distortion included; NaN behind the camera."""
        points = np.asarray(self.to_camera(world), np.float64)
        flat = points.reshape(-1, 3)
        out = np.full((len(flat), 2), np.nan)
        shown = np.isfinite(flat).all(axis=1) & (flat[:, 2] > DEPTH_MIN_M)
        if shown.any():
            out[shown] = self._distorted(flat[shown])
        return out.reshape(*points.shape[:-1], 2)

    def undistort(self, pixels: np.ndarray) -> np.ndarray:
        """Return where pixels (..., 2) would lie without distortion, with the same matrix; NaN stays NaN."""
        pixels = np.asarray(pixels, np.float64)
        flat = pixels.reshape(-1, 2)
        out = np.full_like(flat, np.nan)
        given = np.isfinite(flat).all(axis=1)
        if given.any():
            out[given] = self._undistorted(flat[given]) if len(self.distortion) else flat[given]
        return out.reshape(pixels.shape)

    def _distorted(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels (R, 2) of points (R, 3) in camera axes."""
        zero, coefficients = np.zeros(3), self.distortion if len(self.distortion) else np.zeros(4)
        project = cv2.fisheye.projectPoints if self.is_fisheye else cv2.projectPoints
        pixels, _ = project(points[:, None], zero, zero, self.matrix, coefficients)
        return pixels[:, 0]

    def _undistorted(self, pixels: np.ndarray) -> np.ndarray:
        """Return the inverse of the distortion, which has no formula: OpenCV's estimate, corrected."""
        undistort = cv2.fisheye.undistortPoints if self.is_fisheye else cv2.undistortPoints
        slopes = undistort(pixels[:, None], self.matrix, self.distortion)[:, 0]
        focal = self.matrix[[0, 1], [0, 1]]
        for _ in range(UNDISTORTION_STEPS):
            slopes = slopes + (pixels - self._distorted(np.column_stack([slopes, np.ones(len(slopes))]))) / focal
        return slopes @ self.matrix[:2, :2].T + self.matrix[:2, 2]
