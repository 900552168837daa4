"""A detector of white blobs on black: it sees them from some height in its input on, as networks see people."""

import copy
from collections.abc import Sequence
from typing import Self

import cv2
import numpy as np

from trackers.input_size import Acuity
from trackers.types import Detections


class BlobDetector:
    """Finds white blobs that are at least `seen_px` tall in an input of `image_px`."""

    def __init__(self, seen_px: float = 20.0, image_px: int = 640, fixed_px: int | None = None) -> None:
        self.seen_px, self.image_px, self.fixed_px = seen_px, fixed_px or image_px, fixed_px
        self.acuity = Acuity(needed_px=seen_px, sure_score=0.5)
        self.sizes: list[tuple[int, ...]] = []

    def sized(self, image_px: int) -> Self:
        other = copy.copy(self)
        other.image_px = self.fixed_px or image_px
        return other

    def without_flip_test(self) -> Self:
        return copy.copy(self)

    def find(self, images: Sequence[np.ndarray], frame_indices: Sequence[int]) -> list[Detections]:
        return self.detect(images)

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        return [self._look(image) for image in images]

    def _look(self, image: np.ndarray) -> Detections:
        self.sizes.append((*image.shape[:2], self.image_px))
        scale = self.image_px / max(image.shape[:2])
        _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 128).astype(np.uint8))
        x, y, wide, high = stats[1:, :4].T.astype(np.float32)
        boxes = np.stack([x, y, x + wide, y + high], 1)[high * scale >= self.seen_px]
        keypoints = np.zeros((len(boxes), 17, 3), np.float32)
        keypoints[:, :, :2], keypoints[:, 1:, 2] = boxes[:, None, :2], 0.9
        keypoints[:, 0] = 0.0  # one that was not found
        return Detections(boxes, np.full(len(boxes), 0.9, np.float32), keypoints)


def draw(frame_hw: tuple[int, int], boxes_xyxy: Sequence[Sequence[int]]) -> np.ndarray:
    """Return a black image (H, W, 3) with white boxes."""
    image = np.zeros((*frame_hw, 3), np.uint8)
    for left, top, right, bottom in boxes_xyxy:
        image[top:bottom, left:right] = 255
    return image
