"""The people a tracker knows of: where they are, what they did when last seen, and how long they are known."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from trackers.kalman import BoxStates
from trackers.types import COCO_KEYPOINTS

NO_ID = 0  # of somebody who is not shown yet


@dataclass(frozen=True, slots=True)
class KnownPeople(Shaped):
    """N people, in the order in which they were first seen."""

    track_ids: Annotated[np.ndarray, "N"]  # int64, `NO_ID` until somebody is shown
    means: Annotated[np.ndarray, "N", 4, 2]  # float64, as in `BoxStates`, at the time of the last frame
    covariances: Annotated[np.ndarray, "N", 4, 2, 2]  # float64
    boxes_xyxy: Annotated[np.ndarray, "N", 4]  # float32, as last seen
    keypoints: Annotated[np.ndarray, "N", 17, 3]  # float32, as last seen
    seen_s: Annotated[np.ndarray, "N"]  # float64
    hits: Annotated[np.ndarray, "N"]  # int64, in how many frames they were seen
    misses: Annotated[np.ndarray, "N"]  # int64, frames since they were last seen

    def __len__(self) -> int:
        return len(self.track_ids)

    @property
    def states(self) -> BoxStates:
        """Where they are."""
        return BoxStates(self.means, self.covariances)

    def poses_in(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Return the keypoints (N, 17, 3) as last seen, carried from the boxes they were seen in to others (N, 4)."""
        was_low, was_size = self.boxes_xyxy[:, :2], self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]
        scale = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) / np.maximum(was_size, 1.0)
        points = (self.keypoints[..., :2] - was_low[:, None]) * scale[:, None] + boxes_xyxy[:, None, :2]
        return np.concatenate([points, self.keypoints[..., 2:]], axis=2)


def no_people() -> KnownPeople:
    """Return nobody."""
    return KnownPeople(
        track_ids=np.zeros(0, np.int64),
        means=np.zeros((0, 4, 2)),
        covariances=np.zeros((0, 4, 2, 2)),
        boxes_xyxy=np.zeros((0, 4), np.float32),
        keypoints=np.zeros((0, COCO_KEYPOINTS, 3), np.float32),
        seen_s=np.zeros(0),
        hits=np.zeros(0, np.int64),
        misses=np.zeros(0, np.int64),
    )
