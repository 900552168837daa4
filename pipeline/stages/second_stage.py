"""Second-stage keypoint estimation: keypoints from crops, boxes around them, scores from both stages."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trackers.association import box_around, without_duplicates
from trackers.types import Detections, concatenate_detections, select_detections

if TYPE_CHECKING:
    from dpmesh.recovery.keypoint_refiner import KeypointRefiner

SCORE_MIN = 0.2  # below this score most detections of the bundled detector are false positives
CERTAIN_FROM = 0.3
CERTAIN_MIN = 6  # confident keypoints needed to compute a box
BOX_MARGIN = 0.12  # fraction of the keypoints' longer side: heads and feet reach beyond them


def refine_keypoints(
    refiner: "KeypointRefiner", images: Sequence[np.ndarray], found: Sequence[Detections]
) -> list[Detections]:
    """Return the people of each frame with keypoints estimated twice: in the detector's box, then in a box around them.

    The new score is the mean keypoint confidence, which is low for false positives, times the root of the detector's
    score. Detections below `SCORE_MIN` and duplicates are dropped.

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
    """Return the people with keypoints estimated in crops and boxes around them; scores are unchanged."""
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
