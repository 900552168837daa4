"""The nouns of this package: what was detected in a frame, and who it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from configs.checks import check_shape

COCO_KEYPOINTS = 17
FOOT_POINTS = 6  # big toe, small toe, heel: left, then right


@dataclass(frozen=True, slots=True)
class Detections:
    """People found in one frame, best score first where a detector made them."""

    boxes_xyxy: np.ndarray  # (N, 4) float32, pixels of the full image
    scores: np.ndarray  # (N,) float32, 0 to 1
    keypoints: np.ndarray  # (N, 17, 3) float32, COCO order: x, y in pixels of the full image, confidence 0 to 1
    feet: np.ndarray | None = None  # (N, 6, 3) float32, the same of the foot points; None = not looked for
    track_ids: np.ndarray | None = None  # (N,) int64, identities that came with a file; None = the tracker gives them
    is_side_disputed: np.ndarray | None = None  # (N, 17) bool, left and right are open; None = no two estimates

    def __post_init__(self) -> None:
        people = len(self.boxes_xyxy)
        if self.is_side_disputed is not None:
            check_shape("is_side_disputed", self.is_side_disputed, (people, COCO_KEYPOINTS))
        check_shape("boxes_xyxy", self.boxes_xyxy, ("N", 4))
        check_shape("scores", self.scores, (people,))
        check_shape("keypoints", self.keypoints, (people, COCO_KEYPOINTS, 3))
        if self.feet is not None:
            check_shape("feet", self.feet, (people, FOOT_POINTS, 3))
        if self.track_ids is not None:
            check_shape("track_ids", self.track_ids, (people,))

    def __len__(self) -> int:
        return len(self.boxes_xyxy)


@dataclass(frozen=True, slots=True)
class Tracks:
    """People of one frame that have an identity; the same row is the same person in every field."""

    track_ids: np.ndarray  # (N,) int64, from 1, never used twice in a run
    boxes_xyxy: np.ndarray  # (N, 4) float32, pixels of the full image
    scores: np.ndarray  # (N,) float32, 0 to 1
    keypoints: np.ndarray  # (N, 17, 3) float32, COCO order: x, y in pixels of the full image, confidence 0 to 1
    feet: np.ndarray | None = None  # (N, 6, 3) float32, the same of the foot points; None = not looked for

    def __post_init__(self) -> None:
        people = len(self.track_ids)
        check_shape("track_ids", self.track_ids, ("N",))
        check_shape("boxes_xyxy", self.boxes_xyxy, (people, 4))
        check_shape("scores", self.scores, (people,))
        check_shape("keypoints", self.keypoints, (people, COCO_KEYPOINTS, 3))
        if self.feet is not None:
            check_shape("feet", self.feet, (people, FOOT_POINTS, 3))

    def __len__(self) -> int:
        return len(self.track_ids)


def no_detections() -> Detections:
    """Return the detections of a frame with nobody in it."""
    return Detections(
        boxes_xyxy=np.zeros((0, 4), np.float32),
        scores=np.zeros(0, np.float32),
        keypoints=np.zeros((0, COCO_KEYPOINTS, 3), np.float32),
    )


def no_tracks() -> Tracks:
    """Return the tracks of a frame with nobody in it."""
    return identified(no_detections(), np.zeros(0, np.int64))


def select_detections(detections: Detections, rows: np.ndarray | Sequence[int]) -> Detections:
    """Return the people of `rows` (indices or a mask), in that order."""
    chosen = _as_rows(rows, len(detections))
    return Detections(
        detections.boxes_xyxy[chosen],
        detections.scores[chosen],
        detections.keypoints[chosen],
        _chosen(detections.feet, chosen),
        _chosen(detections.track_ids, chosen),
        _chosen(detections.is_side_disputed, chosen),
    )


def concatenate_detections(parts: Sequence[Detections]) -> Detections:
    """Return all people of `parts`, one after the other; foot points and identities where every part has them."""
    if not parts:
        return no_detections()
    return Detections(
        boxes_xyxy=np.concatenate([part.boxes_xyxy for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        keypoints=np.concatenate([part.keypoints for part in parts]),
        feet=_joined([part.feet for part in parts if len(part)]),
        track_ids=_joined([part.track_ids for part in parts if len(part)]),
        is_side_disputed=_joined([part.is_side_disputed for part in parts if len(part)]),
    )


def identified(detections: Detections, track_ids: np.ndarray) -> Tracks:
    """Return `detections` as people whose identities are `track_ids` (N,), row by row."""
    return Tracks(
        np.asarray(track_ids, np.int64),
        detections.boxes_xyxy,
        detections.scores,
        detections.keypoints,
        detections.feet,
    )


def _chosen(values: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[rows]


def _joined(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    given = [part for part in parts if part is not None]
    return np.concatenate(given) if given and len(given) == len(parts) else None


def _as_rows(rows: np.ndarray | Sequence[int], count: int) -> np.ndarray:
    chosen = np.asarray(rows)
    if chosen.dtype == bool:
        if chosen.shape != (count,):
            raise ValueError(f"a mask of shape {chosen.shape} cannot choose from {count} people; give ({count},)")
        return np.flatnonzero(chosen)
    return chosen.astype(np.int64)
