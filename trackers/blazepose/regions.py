"""Where the network looks: an upright square round one person, turned with the body."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from configs.checks import Shaped

CROP_PX = 256
REGION_SCALE = 1.25  # side over the diameter of the circle round a person (MediaPipe, pose_detection_to_roi.pbtxt)
SIDE_MIN_PX = 8.0
SCORE_MIN = 0.3
BEYOND_KEYPOINTS = 1.08  # the crown of the head and the toes lie farther from the hips than nose and ankles
LEFT_HIP, RIGHT_HIP, SHOULDERS = 11, 12, (5, 6)


@dataclass(frozen=True, slots=True)
class Regions(Shaped):
    """One square per row."""

    centres_px: Annotated[np.ndarray, "R", 2]  # float64, pixels of the full image
    sides_px: Annotated[np.ndarray, "R"]  # float64, above 0
    turns_rad: Annotated[np.ndarray, "R"]  # float64, of the crop's axes from the image's, from x towards y


def regions_of(boxes_xyxy: np.ndarray, keypoints: np.ndarray) -> Regions:
    """Return the region of each person: round mid-hip and upright where the trunk is known, else round the box.

    Args:
        boxes_xyxy: (R, 4) pixels.
        keypoints: (R, 17, 3) COCO: pixels and confidence.
    """
    boxes, points = boxes_xyxy.astype(np.float64), keypoints[..., :2].astype(np.float64)
    is_sure = keypoints[..., 2] >= SCORE_MIN
    hips, shoulders = (points[:, list(pair)].mean(axis=1) for pair in ((LEFT_HIP, RIGHT_HIP), SHOULDERS))
    is_trunk = np.all(is_sure[:, [LEFT_HIP, RIGHT_HIP, *SHOULDERS]], axis=1)
    distances = np.where(is_sure, np.linalg.norm(points - hips[:, None], axis=-1), 0.0)
    diameters = 2.0 * BEYOND_KEYPOINTS * distances.max(axis=1)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    up = shoulders - hips
    return Regions(
        centres_px=np.where(is_trunk[:, None], hips, 0.5 * (boxes[:, :2] + boxes[:, 2:])),
        sides_px=np.maximum(REGION_SCALE * np.where(is_trunk, np.maximum(diameters, longer), longer), SIDE_MIN_PX),
        turns_rad=np.where(is_trunk, np.arctan2(up[:, 0], -up[:, 1]), 0.0),
    )


def regions_round(centres_px: np.ndarray, tops_px: np.ndarray) -> Regions:
    """Return regions round circles, given by their centres (R, 2) and by a point (R, 2) of each above the person."""
    up = tops_px - centres_px
    return Regions(
        centres_px.astype(np.float64),
        np.maximum(REGION_SCALE * 2.0 * np.linalg.norm(up, axis=-1), SIDE_MIN_PX),
        np.arctan2(up[:, 0], -up[:, 1]),
    )


def cut_out(image: np.ndarray, centre_px: np.ndarray, side_px: float, turn_rad: float) -> np.ndarray:
    """Return one region of an image (H, W, 3) uint8 as a crop (256, 256, 3) uint8, black outside the image."""
    matrix = np.hstack([CROP_PX / side_px * _rotation(-turn_rad), np.zeros((2, 1))])
    matrix[:, 2] = CROP_PX / 2 - 0.5 - matrix[:, :2] @ (centre_px - 0.5)  # pixel centres, for OpenCV
    return cv2.warpAffine(image, matrix, (CROP_PX, CROP_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def to_image(points: np.ndarray, regions: Regions) -> np.ndarray:
    """Return points (R, K, 2), as fractions of the crops' sides, in pixels of the image."""
    turned = (points - 0.5) * regions.sides_px[:, None, None]
    rotation = np.stack([_rotation(turn) for turn in regions.turns_rad]) if len(points) else np.zeros((0, 2, 2))
    return regions.centres_px[:, None] + turned @ rotation.transpose(0, 2, 1)


def _rotation(turn_rad: float) -> np.ndarray:
    cosine, sine = np.cos(turn_rad), np.sin(turn_rad)
    return np.array([[cosine, -sine], [sine, cosine]])
