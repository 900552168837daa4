"""A detector on overlapping tiles of a frame, for people who are small in it; nobody is counted twice at a seam."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trackers.association import assign, box_overlaps
from trackers.input_size import InputSize, tile_boxes
from trackers.types import Detections, concatenate_detections, no_detections, select_detections

if TYPE_CHECKING:
    from trackers.detector import Detector, PeopleFinder

STRIDE_PX = 32  # sides of an input are multiples of it
EDGE = 0.01  # of a tile's side: a box that comes so near to an inner edge may be cut there
SAME_MIN = 0.5  # IoU from which boxes of two windows are one person
COVERED_MIN = 0.6  # of a cut box's area: inside the whole box of somebody it is a part of them


@dataclass(frozen=True, slots=True)
class Window:
    """The people of a part of a frame, in pixels of the frame."""

    people: Detections
    is_cut: np.ndarray  # (N,) bool, whose box ends at an edge that is not the frame's


class TiledFinder:
    """Looks at tiles of each frame, at the whole frame besides, and joins what is found."""

    def __init__(self, detector: Detector, size: InputSize, people_max: int) -> None:
        """
        Args:
            detector: gives `sized` detectors.
            size: of which tiles or a second size are wanted.
        """
        self._detector, self._size, self._people_max = detector, size, people_max

    def find(self, images: Sequence[np.ndarray], frame_indices: Sequence[int]) -> list[Detections]:
        """Return the people of each image, best score first."""
        size = self._size
        if size.tile_px:
            windows = [self._look_at_tiles(image) for image in images]
        else:
            windows = [[_whole(people)] for people in self._detector.sized(size.image_px).detect(images)]
        if size.whole_px:
            for row, people in enumerate(self._detector.sized(size.whole_px).detect(images)):
                windows[row].append(_whole(people))
        return [_best(join_windows(found), self._people_max) for found in windows]

    def _look_at_tiles(self, image: np.ndarray) -> list[Window]:
        """Return the tiles of one image; they have one shape, and are scaled as the frame is."""
        height, width = image.shape[:2]
        scale = self._size.image_px / max(height, width)
        boxes = tile_boxes((height, width), self._size.tile_px / scale)
        crops = [image[top:bottom, left:right] for left, top, right, bottom in boxes]
        side_px = math.ceil(max(crops[0].shape[:2]) * scale / STRIDE_PX) * STRIDE_PX
        found = self._detector.sized(side_px).detect(crops)
        return [
            _window(people, box, (width, height), edge_px=EDGE * max(crop.shape[:2]))
            for people, box, crop in zip(found, boxes, crops, strict=True)
        ]


def _whole(people: Detections) -> Window:
    return Window(people, np.zeros(len(people), bool))


def _window(people: Detections, box: tuple[int, int, int, int], size_px: tuple[int, int], edge_px: float) -> Window:
    """Return the people of a tile in pixels of the frame."""
    corner = np.array(box[:2], np.float32)
    boxes = people.boxes_xyxy + np.tile(corner, 2)
    is_cut = np.zeros(len(people), bool)
    for axis in (0, 1):
        if box[axis] > 0:
            is_cut |= boxes[:, axis] < box[axis] + edge_px
        if box[axis + 2] < size_px[axis]:
            is_cut |= boxes[:, axis + 2] > box[axis + 2] - edge_px
    keypoints = people.keypoints.copy()
    is_there = (keypoints != 0).any(axis=-1, keepdims=True)  # what was not found is at 0 and stays there
    keypoints[..., :2] += np.where(is_there, corner, np.float32(0))
    return Window(replace(people, boxes_xyxy=boxes, keypoints=keypoints), is_cut)


def _best(people: Detections, people_max: int) -> Detections:
    return select_detections(people, np.argsort(-people.scores, kind="stable")[:people_max])


def join_windows(windows: Sequence[Window]) -> Detections:
    """Return everybody who is in any window of a frame, once.

    Who is in two windows is taken from the one that does not cut them, or else from the earlier one, with the higher
    of both scores. A cut box that lies in somebody's whole box of another window is left out.

    Args:
        windows: the finer ones first.
    """
    windows = [window for window in windows if len(window.people)]
    if not windows:
        return no_detections()
    people = concatenate_detections([window.people for window in windows])
    is_cut = np.concatenate([window.is_cut for window in windows])
    origin = np.repeat(np.arange(len(windows)), [len(window.people) for window in windows])
    boxes, scores = people.boxes_xyxy, people.scores.copy()
    kept = np.flatnonzero(origin == 0)
    for number in range(1, len(windows)):
        mine = np.flatnonzero(origin == number)
        pairs = assign(1.0 - box_overlaps(boxes[kept], boxes[mine]), 1.0 - SAME_MIN)
        is_new = np.ones(len(mine), bool)
        for row, column in pairs:
            one, other = kept[row], mine[column]
            is_new[column] = False
            best = max(scores[one], scores[other])
            if is_cut[one] and not is_cut[other]:
                kept[row] = other
            scores[kept[row]] = best
        kept = np.concatenate([kept, mine[is_new]])
    kept = kept[~_is_part(boxes[kept], is_cut[kept], origin[kept])]
    return select_detections(replace(people, scores=scores), kept)


def _is_part(boxes: np.ndarray, is_cut: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return whose (N,) cut box lies in a whole box of another window."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    area = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=-1), 1e-6)
    is_other = origin[:, None] != origin[None]
    covered = (shared / area[:, None] >= COVERED_MIN) & is_other & ~is_cut[None]
    result: np.ndarray = is_cut & covered.any(axis=1)
    return result


def finder_of(detector: Detector, size: InputSize, people_max: int) -> PeopleFinder:
    """Return a detector that looks at frames as a size says."""
    if size.tile_px or size.whole_px:
        return TiledFinder(detector, size, people_max)
    return detector.sized(size.image_px)
