"""A closer look at the people of a rough detector: keypoints from crops, boxes round these, scores from both."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trackers.association import box_around, without_duplicates
from trackers.types import Detections, concatenate_detections, select_detections

if TYPE_CHECKING:
    from dpmesh.recovery.keypoint_refiner import KeypointRefiner

SCORE_MIN = 0.2  # below this score the bundled detector has far more that is nobody than people
CERTAIN_FROM = 0.3
CERTAIN_MIN = 6  # certain keypoints that make a box
BOX_MARGIN = 0.12  # of the longer side of the keypoints' extent: heads and feet reach beyond them


def refine_keypoints(
    refiner: "KeypointRefiner", images: Sequence[np.ndarray], found: Sequence[Detections]
) -> list[Detections]:
    """Return the people of each frame, read twice from crops: round the detector's box, then round what was read there.

    Scores become the mean certainty of the keypoints, which is low where nobody is, times the root of the detector's.
    People below `SCORE_MIN` are left out, and all but one of those with the same keypoints.

    Args:
        images: RGB uint8 (H, W, 3) each.
        found: as many.
    """
    rough = [select_detections(people, people.scores >= SCORE_MIN) for people in found]
    once = [without_duplicates(people) for people in _read(refiner, images, rough)]
    return [
        replace(people, scores=np.sqrt(people.scores) * people.keypoints[..., 2].mean(axis=1))
        for people in _read(refiner, images, once)
    ]


def _read(refiner: "KeypointRefiner", images: Sequence[np.ndarray], found: Sequence[Detections]) -> list[Detections]:
    """Return the people with keypoints read from crops and boxes round these; scores stay."""
    frame = np.repeat(np.arange(len(found)), [len(people) for people in found])
    people = concatenate_detections(found)
    keypoints = refiner.read(images, frame, people.boxes_xyxy, people.keypoints)
    boxes = people.boxes_xyxy.copy()
    for row, points in enumerate(keypoints):
        certain = points[points[:, 2] >= CERTAIN_FROM, :2]
        if len(certain) >= CERTAIN_MIN:
            boxes[row] = box_around(certain, BOX_MARGIN)
    read = replace(people, boxes_xyxy=boxes, keypoints=keypoints, is_side_disputed=None)
    return [select_detections(read, frame == number) for number in range(len(found))]
