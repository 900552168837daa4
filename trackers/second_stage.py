"""The second stage of keypoint estimation: looks at each detected person again, in a crop of their own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trackers.blazepose.keypoints import hint_joints, kept_points
from trackers.blazepose.regions import Regions, regions_of
from trackers.joining import SourceErrors, join_keypoints, read_errors
from trackers.types import (
    COCO_KEYPOINTS,
    FOOT_POINTS,
    HINT_JOINTS,
    Detections,
    concatenate_detections,
    select_detections,
)

if TYPE_CHECKING:
    from trackers.blazepose.estimator import LandmarkEstimator, Landmarks

SCORE_MIN = 0.3  # people less sure stay as the detector has them: most are tracked through only
PRESENCE_MIN = 0.5  # that somebody is in the crop
MOVED_MIN, GROWN_MIN, TURNED_MIN_RAD = 0.15, 1.3, 0.35  # of the side, its ratio: a region so wrong is looked at again
SCORE_SLACK = 0.1  # a second look counts unless the network is less sure by more than this
SHOWN_MIN = 0.5  # visibility of hips and knees from which the 3D joints are those of a whole body
WHOLE_ROWS = (6, 7, 8, 9)  # hips and knees among the hints
APART_MAX_M = 0.15  # of 3D joints from the keypoints, in the image; of 1136 people in real clips 6 % lie farther
SURE_MIN = 0.3  # confidence of a keypoint that 3D joints are compared with


class SecondStage:
    """Joins the detector's keypoints with those of a landmark network, and adds feet and 3D joints."""

    def __init__(
        self,
        estimator: "LandmarkEstimator",
        *,
        detector_errors: SourceErrors | None = None,
    ) -> None:
        """
        Args:
            detector_errors: of the detector's keypoints; None: those of Ultralytics' networks.
        """
        self._estimator = estimator
        self._detector_errors = detector_errors or read_errors("detector")
        self._landmark_errors = read_errors("landmarks")

    def refine(self, images: Sequence[np.ndarray], found: Sequence[Detections]) -> list[Detections]:
        """Return the people of each frame with keypoints of both networks, foot points and hints.

        Args:
            images: RGB uint8 (H, W, 3) each.
            found: as many.
        """
        frame = np.repeat(np.arange(len(found)), [len(people) for people in found])
        people = concatenate_detections(found)
        rows = np.flatnonzero(people.scores >= SCORE_MIN)
        if not len(rows):
            return list(found)
        chosen = people.take(rows)
        landmarks = self.look(images, frame[rows], chosen.boxes_xyxy, chosen.keypoints)
        points, hints = kept_points(landmarks), hint_joints(landmarks)
        sides = (chosen.boxes_xyxy[:, 2:] - chosen.boxes_xyxy[:, :2]).max(axis=1)
        points[landmarks.scores < PRESENCE_MIN, :, 2] = 0.0
        joined = join_keypoints(
            chosen.keypoints,
            points[:, :COCO_KEYPOINTS],
            sides,
            self._detector_errors,
            self._landmark_errors,
            read_errors("detector"),
        )
        is_taken = (landmarks.scores >= PRESENCE_MIN) & joined.is_same_person
        keypoints, feet = people.keypoints.copy(), np.zeros((len(people), FOOT_POINTS, 3), np.float32)
        all_hints = np.zeros((len(people), HINT_JOINTS, 4), np.float32)
        keypoints[rows] = joined.keypoints
        feet[rows] = np.where(is_taken[:, None, None], points[:, COCO_KEYPOINTS:], 0.0)
        is_whole = is_taken & (hints[:, WHOLE_ROWS, 3] >= SHOWN_MIN).all(axis=1)
        is_whole &= hints_apart_m(hints, joined.keypoints[:, -HINT_JOINTS:]) <= APART_MAX_M
        all_hints[rows] = np.where(is_whole[:, None, None], hints, 0.0)
        refined = replace(people, keypoints=keypoints, feet=feet, hints=all_hints)
        return [select_detections(refined, frame == number) for number in range(len(found))]

    def look(
        self, images: Sequence[np.ndarray], image_row: np.ndarray, boxes_xyxy: np.ndarray, keypoints: np.ndarray
    ) -> "Landmarks":
        """Return the landmarks of people; where the network would rather look elsewhere, those it finds there.

        Args:
            images: RGB uint8 (H, W, 3) each.
            image_row: (R,) index of the image of each person.
            boxes_xyxy, keypoints: (R, 4) and (R, 17, 3) as detected, in pixels.
        """
        regions = regions_of(boxes_xyxy, keypoints)
        first = self._estimator.estimate(images, image_row, regions)
        rows = np.flatnonzero(_has_moved(regions, first.next_regions) & (first.scores >= PRESENCE_MIN))
        if not len(rows):
            return first
        again = self._estimator.estimate(images, image_row[rows], first.next_regions.take(rows))
        is_better = again.scores >= first.scores[rows] - SCORE_SLACK
        return first.put(rows[is_better], again.take(np.flatnonzero(is_better)))


def hints_apart_m(hints: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Return how far (R,) 3D joints lie from keypoints in the image, as a root mean square in metres of the body.

    The image's scale and place are fitted, its turn is not. Where a network takes left for right, or front for back,
    this is a large part of the body. Infinite where fewer than three joints can be compared.

    Args:
        hints: (R, 12, 4) metres and visibility.
        keypoints: (R, 12, 3) of the same joints: pixels and confidence.
    """
    weights = ((keypoints[..., 2:] >= SURE_MIN) & (hints[..., 3:] > 0)).astype(np.float64)
    count = weights.sum(axis=(1, 2))

    def centred(points: np.ndarray) -> np.ndarray:
        return (points - (points * weights).sum(axis=1, keepdims=True) / np.maximum(count, 1)[:, None, None]) * weights

    seen, told = centred(keypoints[..., :2].astype(np.float64)), centred(hints[..., :2].astype(np.float64))
    px_per_m = (seen * told).sum(axis=(1, 2)) / np.maximum((told**2).sum(axis=(1, 2)), 1e-9)
    is_known = (count >= 3) & (px_per_m > 0)
    apart = seen / np.where(is_known, px_per_m, 1.0)[:, None, None] - told
    return np.where(is_known, np.sqrt((apart**2).sum(axis=(1, 2)) / np.maximum(count, 1)), np.inf)


def _has_moved(regions: Regions, wanted: Regions) -> np.ndarray:
    moved = np.linalg.norm(wanted.centres_px - regions.centres_px, axis=-1) / regions.sides_px
    ratio = wanted.sides_px / regions.sides_px
    turned = np.abs((wanted.turns_rad - regions.turns_rad + np.pi) % (2 * np.pi) - np.pi)
    return (moved >= MOVED_MIN) | (np.maximum(ratio, 1 / ratio) >= GROWN_MIN) | (turned >= TURNED_MIN_RAD)
