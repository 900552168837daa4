"""The nouns of this package: what was detected in a frame, and who it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from configs.checks import Shaped, shapes_of

COCO_KEYPOINTS = 17
FOOT_POINTS = 6  # big toe, small toe, heel: left, then right
HINT_JOINTS = 12  # shoulders, elbows, wrists, hips, knees, ankles: left before right


@dataclass(frozen=True, slots=True)
class Detections(Shaped):
    """People detected in one frame; a detector orders them by descending score."""

    boxes_xyxy: Annotated[np.ndarray, "N", 4]  # float32, pixels of the full image
    scores: Annotated[np.ndarray, "N"]  # float32, 0 to 1
    keypoints: Annotated[np.ndarray, "N", 17, 3]  # float32, COCO order: x, y in pixels of the image, confidence 0 to 1
    feet: Annotated[np.ndarray | None, "N", 6, 3] = None  # float32, the same of the foot points; None = not looked for
    track_ids: Annotated[np.ndarray | None, "N"] = None  # int64, identities of a file; None = the tracker gives them
    hints: Annotated[np.ndarray | None, "N", 12, 4] = None  # float32, see `Tracks`
    is_side_disputed: Annotated[np.ndarray | None, "N", 17] = None  # bool, sides are open; None = no two estimates
    appearance: Annotated[np.ndarray | None, "N", "D"] = None  # float32, looks; NaN: not measured; None = of nobody

    def __len__(self) -> int:
        return len(self.boxes_xyxy)


@dataclass(frozen=True, slots=True)
class Tracks(Shaped):
    """People of one frame that have an identity; the same row is the same person in every field."""

    track_ids: Annotated[np.ndarray, "N"]  # int64, from 1, never used twice in a run
    boxes_xyxy: Annotated[np.ndarray, "N", 4]  # float32, pixels of the full image
    scores: Annotated[np.ndarray, "N"]  # float32, 0 to 1
    keypoints: Annotated[np.ndarray, "N", 17, 3]  # float32, COCO order: x, y in pixels of the image, confidence 0 to 1
    feet: Annotated[np.ndarray | None, "N", 6, 3] = None  # float32, the same of the foot points; None = not looked for
    # float32, where `HINT_JOINTS` are in 3D: metres from mid-hip along the person's viewing ray (x right, y down,
    # z away from the viewer), visibility 0 to 1; None = not looked for
    hints: Annotated[np.ndarray | None, "N", 12, 4] = None
    appearance: Annotated[np.ndarray | None, "N", "D"] = None  # float32, as in `Detections`

    def __len__(self) -> int:
        return len(self.track_ids)


def no_detections() -> Detections:
    """Return the detections of an empty frame."""
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
    return detections.take(_as_rows(rows, len(detections)))


def concatenate_detections(parts: Sequence[Detections]) -> Detections:
    """Return all people of `parts`, one after the other; foot points and identities where every part has them."""
    given = {name: [getattr(part, name) for part in parts if len(part)] for name in shapes_of(Detections)}
    joined = {name: np.concatenate(rows) for name, rows in given.items() if rows and not any(r is None for r in rows)}
    return replace(no_detections(), **joined)


def identified(detections: Detections, track_ids: np.ndarray) -> Tracks:
    """Return `detections` as people whose identities are `track_ids` (N,), row by row."""
    return Tracks(
        np.asarray(track_ids, np.int64),
        detections.boxes_xyxy,
        detections.scores,
        detections.keypoints,
        detections.feet,
        detections.hints,
        detections.appearance,
    )


def _as_rows(rows: np.ndarray | Sequence[int], count: int) -> np.ndarray:
    chosen = np.asarray(rows)
    if chosen.dtype == bool:
        if chosen.shape != (count,):
            raise ValueError(f"a mask of shape {chosen.shape} cannot choose from {count} people; give ({count},)")
        return np.flatnonzero(chosen)
    return chosen.astype(np.int64)
