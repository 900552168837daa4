"""How the image moves where the camera does, from frame to frame: sparse flow of the background, people left out."""

from collections.abc import Mapping

import cv2
import numpy as np

from trackers.camera_motion import background_mask, follow_points, small_grey

OUTLIER_PX = 0.75  # a point farther off than this moves by itself
INLIERS_MIN = 0.5  # share of points; below it there is no one motion
STILL_PX = 0.1  # median flow of a camera that stands still, in pixels of the small image


class BackgroundMotion:
    """Looks at a video frame by frame."""

    def __init__(self) -> None:
        self._image = np.zeros((0, 0), np.uint8)
        self._mask = np.zeros((0, 0), np.uint8)

    def update(self, image: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray | None:
        """Return the homography (3, 3) from the frame before to `image` (H, W, 3), in pixels of the frame.

        None where the background stands still or cannot be followed, and in the first frame.

        Args:
            boxes_xyxy: (N, 4) of everybody in the image, who are no background.
        """
        grey, scale = small_grey(image)
        before, mask = self._image, self._mask
        self._image, self._mask = grey, background_mask(grey.shape, boxes_xyxy * scale)
        points = follow_points(before, grey, mask) if before.shape == grey.shape else None
        if points is None:
            return None
        start, moved = points
        if np.median(np.linalg.norm(moved - start, axis=1)) < STILL_PX:
            return None
        affine, is_kept = cv2.estimateAffinePartial2D(start, moved, ransacReprojThreshold=OUTLIER_PX)
        if affine is None or is_kept.mean() < INLIERS_MIN:
            return None
        motion = np.eye(3)
        motion[:2] = affine
        motion[:2, 2] /= scale
        return motion

    def begin_anew(self) -> None:
        """Forget the frame before, as at a shot cut."""
        self._image, self._mask = self._image[:0, :0], self._mask[:0, :0]

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return all state as arrays."""
        return {"image": self._image, "mask": self._mask}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Continue from a snapshot."""
        self._image, self._mask = snapshot["image"].copy(), snapshot["mask"].copy()
