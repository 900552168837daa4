"""Keypoints that were computed before, instead of a detector."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from configs.errors import InputError
from configs.json_files import read_json
from trackers.boxes import box_around
from trackers.keypoint_files.folder import read_folder
from trackers.keypoint_files.frames import FrameNaming, index_frames
from trackers.keypoint_files.layout_vote import choose_layout, looks_wrong
from trackers.keypoint_files.people import PeopleRows
from trackers.keypoint_files.recognise import COUNTS_FROM_ONE, NORMALISED, read_content
from trackers.keypoint_files.units import NORMALISED_MAX, is_normalised
from trackers.keypoint_layouts import COCO_NAMES, KEPT, LAYOUTS, KeypointLayout, to_kept
from trackers.types import Detections, no_detections

log = logging.getLogger(__name__)

SCORE_MAX = 1.001  # a larger one is AlphaPose's sum of scores
USUAL = {17: "coco17", 18: "openpose18"}  # what so many points are where the people in view do not tell


class KeypointRecord:
    """Detections by frame index, from a file or folder. Frames that it does not name have nobody in them."""

    def __init__(
        self,
        path: Path,
        *,
        layout: str = "auto",
        first_number: int | None = None,
        image_names: Sequence[str] = (),
        is_id_kept: bool = False,
    ) -> None:
        """Read everything, so that what is wrong is known before the work on the video begins.

        Args:
            path: a `.json` of a whole video, or a folder with a file per frame; `docs/keypoint_files.md` lists both.
            layout: name of `LAYOUTS`, or "auto": recognised by names, number and geometry of the points.
            first_number: number in a file name that stands for frame 0. By default 1 where file names count from 1,
                else 0. Whole-number image ids are frame indices as they stand.
            image_names: file names of the frames of an image folder. Where any of them is named in `path`, names tell
                the frames; else numbers do.
            is_id_kept: whether detections carry the identities that the file has.

        Raises:
            InputError: not such a file or folder; names the file, the entry, what it holds and what is needed.
        """
        self._path = path
        self._is_warned = False
        rows = PeopleRows(None if layout == "auto" else LAYOUTS[layout])
        damaged: tuple[str, ...] = ()
        if path.is_dir():
            found = read_folder(path, rows)
            family, damaged = found.family, found.damaged
        elif path.exists():
            family = read_content(read_json(path, is_nan_allowed=True), str(path), rows)
        else:
            raise InputError(f"{path}: no such file or folder; give a keypoint file or folder (docs/keypoint_files.md)")
        self.problem = _describe_damage(path, damaged)
        if self.problem:
            log.warning("%s", self.problem)
        naming = FrameNaming(image_names, first_number)
        is_from_one = family in (COUNTS_FROM_ONE, "Ultralytics labels")
        indices = index_frames(rows.frames, path, naming, from_one=is_from_one)
        index_of = np.array([indices.get(key, -1) for key in rows.frames], np.int64)  # -1: of an image not there
        self._named = np.unique(index_of[index_of >= 0])
        frame = index_of[rows.frame]
        order = np.argsort(frame, kind="stable")
        order = order[frame[order] >= 0]
        self._frame = frame[order]
        self._layout = _settle_layout(rows, str(path))
        is_raw = len(rows.layouts) > 1
        points = to_kept(rows.points, self._layout) if is_raw and self._layout is not None else rows.points
        self._points = points[order]
        if looks_wrong(self._points, KEPT):
            log.warning("%s: read as %s, limbs come out as long as people; give the order of the points with "
                        "--keypoints-format", path, self.layout_name)  # fmt: skip
        self._boxes = rows.boxes_xyxy[order]
        self._scores = _usable_scores(rows.scores)[order]
        self._ids = _identities(rows, order, self._frame, str(path)) if is_id_kept else None
        self._is_normalised = is_normalised(self._points, family, str(path), is_usual=family in NORMALISED)
        given = self._boxes[~np.isnan(self._boxes)]
        self._are_boxes_normalised = (
            self._is_normalised and len(given) > 0 and bool(np.median(np.abs(given)) <= NORMALISED_MAX)
        )

    @property
    def layout_name(self) -> str:
        """Which layout the points have; empty where there is nobody."""
        return "" if self._layout is None else self._layout.name

    @property
    def has_feet(self) -> bool:
        """Whether detections carry foot points."""
        return self._layout is not None and self._layout.has_feet

    @property
    def frame_count(self) -> int:
        """Return the number of frames up to the last one that is named."""
        return int(self._named[-1]) + 1 if len(self._named) else 0

    def warn_beyond(self, frame_count: int) -> None:
        """Warn where frames are named that a video of this many frames does not have."""
        beyond = int((self._named >= frame_count).sum())
        if not beyond:
            return
        if beyond == len(self._named):
            found = f"none of its {beyond} frames ({self._named[0]} to {self._named[-1]}) is in the video"
        else:
            found = f"{beyond} of its {len(self._named)} frames lie beyond the end of the video"
        log.warning(
            "%s: %s, which has %d frames; check that the file belongs to this clip and counts its frames from 0",
            self._path, found, frame_count,
        )  # fmt: skip

    def find(self, images: Sequence[np.ndarray], frame_indices: Sequence[int]) -> list[Detections]:
        """Return the people of each frame, best score first.

        Only the size of an image is used: normalised coordinates become pixels, a keypoint that lies farther outside
        than the longer side is long counts as not seen, and a box that reaches as far is replaced by one round the
        keypoints.
        """
        return [self._detect(int(index), image) for image, index in zip(images, frame_indices, strict=True)]

    def _detect(self, index: int, image: np.ndarray) -> Detections:
        first, last = np.searchsorted(self._frame, [index, index + 1])
        if first == last:
            return no_detections()
        height, width = image.shape[:2]
        size = np.array([width, height], np.float32)
        points, boxes = self._points[first:last].copy(), self._boxes[first:last].copy()
        if self._is_normalised:
            points[..., :2] *= size
        if self._are_boxes_normalised:
            boxes *= np.tile(size, 2)
        reach = max(width, height)
        is_near = np.maximum(-points[..., :2], points[..., :2] - size).max(axis=-1) <= reach
        is_box_near = ~(np.maximum(-boxes, boxes - np.tile(size, 2)).max(axis=-1) > reach)  # NaN: there is none
        if not (is_near.all() and is_box_near.all()) and not self._is_warned:
            self._is_warned = True
            log.warning(
                "%s: in frame %d keypoints or a box lie more than %d px outside the image of %d x %d; they are left "
                "out, here and in later frames; check that the file is of this video and in its pixels",
                self._path, index, reach, width, height,
            )  # fmt: skip
        points[~is_near] = 0
        boxes[~is_box_near] = np.nan
        ids = None if self._ids is None else self._ids[first:last]
        return self._detections(points, boxes, self._scores[first:last], ids)

    def _detections(
        self, points: np.ndarray, boxes: np.ndarray, scores: np.ndarray, ids: np.ndarray | None
    ) -> Detections:
        """Return the people of whom a COCO keypoint is seen, best score first."""
        body = points[:, : len(COCO_NAMES)]
        seen = body[..., 2] > 0
        if not seen.any():
            return no_detections()
        mean = body[..., 2].sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        scores = np.where(np.isnan(scores), mean, scores).astype(np.float32)
        for row in np.flatnonzero(np.isnan(boxes).any(axis=1) & seen.any(axis=1)):
            boxes[row] = box_around(body[row][seen[row], :2])
        order = np.argsort(-scores, kind="stable")
        is_seen = np.asarray(seen.any(axis=1))
        order = order[is_seen[order]]
        return Detections(
            boxes_xyxy=boxes[order].astype(np.float32),
            scores=scores[order],
            keypoints=body[order].astype(np.float32),
            feet=points[order][:, len(COCO_NAMES) :].astype(np.float32) if self.has_feet else None,
            track_ids=None if ids is None else ids[order],
        )


def _describe_damage(path: Path, damaged: Sequence[str]) -> str:
    if not damaged:
        return ""
    more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return f"{path}: a frame's file cannot be read and counts as a frame with nobody in it: {damaged[0]}{more}"


def _settle_layout(rows: PeopleRows, source: str) -> KeypointLayout | None:
    if not len(rows) or len(rows.layouts) < 2:
        return rows.layouts[0] if len(rows.layouts) == 1 else None
    usual = LAYOUTS.get(USUAL.get(rows.count, ""))
    chosen = choose_layout(rows.points, rows.layouts, source, usual=usual)
    if chosen is not usual:
        log.info("%s: %d points per person, read as %s (%s)", source, rows.count, chosen.title, chosen.name)
    return chosen


def _usable_scores(scores: np.ndarray) -> np.ndarray:
    """Return scores (R,) of 0 to 1, NaN where the mean confidence stands for it: everywhere if they are sums."""
    if (scores > SCORE_MAX).any():
        return np.full(len(scores), np.nan)
    return scores.clip(0, 1)


def _identities(rows: PeopleRows, order: np.ndarray, frame: np.ndarray, source: str) -> np.ndarray:
    """Return the identity of each row (R,); every row has one, and no two of a frame the same."""
    has_id, ids = rows.has_id[order], rows.track_ids[order]
    if not has_id.all():
        raise InputError(
            f"{source}: {int((~has_id).sum())} of {len(has_id)} people have no identity (track_id, idx); "
            "leave out --keep-ids, and the tracker gives them"
        )
    if len(ids) and ids.min() < 0:
        raise InputError(f"{source}: has identity {ids.min()}; identities are whole numbers from 0")
    by_id = np.lexsort((ids, frame))
    is_double = (np.diff(frame[by_id]) == 0) & (np.diff(ids[by_id]) == 0)
    if is_double.any():
        row = by_id[int(np.flatnonzero(is_double)[0])]
        raise InputError(
            f"{source}: frame {frame[row]} has two people of identity {ids[row]}; correct it, or leave out --keep-ids"
        )
    return ids
