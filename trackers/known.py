"""The people a tracker knows of, as arrays with one row per track."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from trackers.box_states import BoxStates, means_moved_by_camera, moved_by_camera, through
from trackers.types import COCO_KEYPOINTS

NO_ID = 0  # of a track that is not shown yet


@dataclass(slots=True)
class Known:
    """Who is known. The arrays are written to; shapes are not checked, as this is done many times per frame."""

    track_ids: np.ndarray  # (N,) int64, `NO_ID` where unconfirmed
    states: BoxStates  # at the time of the last update of the tracker
    seen_means: np.ndarray  # (N, 8) float64, of the state when last seen
    boxes_xyxy: np.ndarray  # (N, 4) float32, as last seen
    keypoints: np.ndarray  # (N, 17, 3) float32, as last seen
    seen_s: np.ndarray  # (N,) float64
    hits: np.ndarray  # (N,) int64
    misses: np.ndarray  # (N,) int64, updates since last seen
    health: np.ndarray  # (N,) float64, 0 to 1
    appearance: np.ndarray  # (N, D) float64, of length 1; NaN where never measured

    def __len__(self) -> int:
        return len(self.track_ids)


_NAMES = tuple(field.name for field in fields(Known))


def nobody(appearance_size: int = 0) -> Known:
    """Return no tracks."""
    return Known(
        np.zeros(0, np.int64),
        BoxStates(np.zeros((0, 8)), np.zeros((0, 3, 4))),
        np.zeros((0, 8)),
        np.zeros((0, 4), np.float32),
        np.zeros((0, COCO_KEYPOINTS, 3), np.float32),
        np.zeros(0),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
        np.zeros(0),
        np.zeros((0, appearance_size)),
    )


def chosen(known: Known, rows: np.ndarray) -> Known:
    """Return some of the tracks, by index or mask."""
    taken: list[Any] = [_take(getattr(known, name), rows) for name in _NAMES]
    return Known(*taken)


def joined(first: Known, second: Known) -> Known:
    """Return the tracks of both, one after the other."""
    both: list[Any] = [_joined(getattr(first, name), getattr(second, name)) for name in _NAMES]
    return Known(*both)


def carried(known: Known, motion: np.ndarray) -> Known:
    """Return the tracks where the movement of the camera (3, 3) puts them."""
    if not len(known):
        return known
    corners = through(motion, known.boxes_xyxy.reshape(-1, 2, 2).astype(np.float64)).reshape(-1, 4)
    points = known.keypoints.copy()
    points[..., :2] = through(motion, points[..., :2].astype(np.float64))
    return replace(
        known,
        states=moved_by_camera(known.states, motion),
        seen_means=means_moved_by_camera(known.seen_means, motion)[0],
        boxes_xyxy=corners.astype(np.float32),
        keypoints=points,
    )


def to_arrays(known: Known) -> dict[str, np.ndarray]:
    """Return the tracks as arrays that `from_arrays` reads."""
    arrays: dict[str, np.ndarray] = {}
    for field in fields(known):
        value = getattr(known, field.name)
        if isinstance(value, BoxStates):
            arrays |= {"means": value.means.copy(), "covariances": value.covariances.copy()}
        else:
            arrays[field.name] = value.copy()
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Known:
    """Return the tracks that `to_arrays` gave."""
    states = BoxStates(arrays["means"].copy(), arrays["covariances"].copy())
    values: list[Any] = [states if name == "states" else arrays[name].copy() for name in _NAMES]
    return Known(*values)


def _take(value: np.ndarray | BoxStates, rows: np.ndarray) -> np.ndarray | BoxStates:
    if isinstance(value, BoxStates):
        return BoxStates(value.means[rows], value.covariances[rows])
    return np.asarray(value[rows])


def _joined(first: np.ndarray | BoxStates, second: np.ndarray | BoxStates) -> np.ndarray | BoxStates:
    if isinstance(first, BoxStates) and isinstance(second, BoxStates):
        return BoxStates(
            np.concatenate([first.means, second.means]), np.concatenate([first.covariances, second.covariances])
        )
    return np.concatenate([first, second])
