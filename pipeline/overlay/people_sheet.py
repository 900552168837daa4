"""A contact sheet of people: one row per person, cut out of the video over time, so that a switch is seen at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from configs.errors import InputError
from pipeline.media import RandomFrames, VideoInfo
from pipeline.media.info import fit_size
from pipeline.motion.library import read_track
from pipeline.overlay.palette import identity_colours
from pipeline.overlay.sheet import check_sheet_name, write_sheet
from pipeline.types import MotionTrack

TILE_WH = (90, 160)
LABEL_WIDTH = 150
LINE_PX = 18  # of text, above a row's crops
MARGIN_RATIO = 0.1  # of the box, around it
GREY = 60


@dataclass(frozen=True, slots=True)
class _Row:
    """What is shown of one person."""

    track: MotionTrack
    shown: np.ndarray  # (C,) int64, rows of the track


def write_people_sheet(
    motions: Sequence[Path], video: VideoInfo, sheet_path: Path, count: int, max_side_px: int | None = None
) -> list[tuple[int, list[int]]]:
    """Write one row of crops per person into an image; return every person's number and the frames shown.

    Crops are spread evenly over the frames in which a person was seen, the first and the last of them included; frames
    on both sides of a gap in which nobody was seen are marked by a bar. The box is drawn in the person's colour.

    Args:
        motions: files of `motion/`.
        count: crops per person.
        max_side_px: what the run made its frames smaller to (`decode.max_side_px`): its boxes are of those.

    Raises:
        InputError: nobody is there, or the video cannot be read, or the image would be too large.
    """
    check_sheet_name(sheet_path)
    frame_scale = fit_size(video.width, video.height, max_side_px)[0] / video.width
    rows = [_row_of(read_track(path), count) for path in motions]
    if not rows:
        raise InputError(f"{sheet_path}: nobody is in this run, so there is no row to draw")
    wanted = np.unique(np.concatenate([row.track.frame_index[row.shown] for row in rows]))
    columns = max(len(row.shown) for row in rows)
    height = TILE_WH[1] + LINE_PX
    sheet = np.full((height * len(rows), LABEL_WIDTH + columns * TILE_WH[0], 3), GREY, np.uint8)
    for number, row in enumerate(rows):
        _label(sheet[number * height : (number + 1) * height, :LABEL_WIDTH], row.track)
    with RandomFrames(video) as frames:
        for frame in wanted.tolist():  # one image in memory at a time
            image = frames[frame].image
            for number, row in enumerate(rows):
                for column in np.flatnonzero(row.track.frame_index[row.shown] == frame).tolist():
                    left = LABEL_WIDTH + column * TILE_WH[0]
                    cell = sheet[number * height : (number + 1) * height, left : left + TILE_WH[0]]
                    _draw(cell, image, row, column, frame_scale)
    write_sheet(sheet, sheet_path, f"{len(rows)} people are too many for this format; end the name in .png")
    return [(row.track.track_id, row.track.frame_index[row.shown].tolist()) for row in rows]


def _row_of(track: MotionTrack, count: int) -> _Row:
    seen = np.flatnonzero(track.is_observed)
    seen = seen if len(seen) else np.arange(len(track.frame_index))
    return _Row(track, seen[np.unique(np.linspace(0, len(seen) - 1, count).round().astype(int))])


def _label(area: np.ndarray, track: MotionTrack) -> None:
    area[:, :8] = _colour(track)
    frames, times = track.frame_index, track.time_s
    lines = (
        f"person {track.track_id}",
        f"frames {frames[0]}-{frames[-1]}",
        f"{times[0]:.1f}-{times[-1]:.1f} s",
        f"seen in {int(track.is_observed.sum())}",
    )
    for number, line in enumerate(lines):
        _write(area, line, 14, 30 + 22 * number, 0.45)


def _draw(cell: np.ndarray, image: np.ndarray, row: _Row, column: int, frame_scale: float) -> None:
    place, (width, height) = row.shown[column], TILE_WH
    low, high = row.track.boxes_xyxy[place].reshape(2, 2).astype(np.float64) / frame_scale
    centre, size = 0.5 * (low + high), np.maximum(high - low, 2.0) * (1 + 2 * MARGIN_RATIO)
    size = np.maximum(size, size[::-1] * np.array([width / height, height / width]))  # of the tile's shape
    scale = np.array([width, height]) / size
    matrix = np.array(
        [[scale[0], 0, width / 2 - scale[0] * centre[0]], [0, scale[1], height / 2 - scale[1] * centre[1]]]
    )
    tile = cv2.warpAffine(image, matrix, TILE_WH, flags=cv2.INTER_AREA, borderValue=(GREY,) * 3)
    corners = [tuple(map(int, np.round(matrix @ [*corner, 1.0]))) for corner in (low, high)]
    cv2.rectangle(tile, corners[0], corners[1], _colour(row.track), 1)
    cell[LINE_PX:] = tile
    frames = row.track.frame_index
    if column and _has_gap(row.track, row.shown[column - 1], place):
        cell[LINE_PX:, :3] = 255
    _write(cell, str(frames[place]), 4, LINE_PX - 5, 0.4)


def _has_gap(track: MotionTrack, earlier: int, later: int) -> bool:
    """Return whether the person is missing in a frame between two rows: the motion was broken off and joined again."""
    return bool((np.diff(track.frame_index[earlier : later + 1]) > 1).any())


def _colour(track: MotionTrack) -> tuple[int, ...]:
    return tuple(identity_colours(np.array([track.track_id]))[0].tolist())


def _write(area: np.ndarray, text: str, left: int, bottom: int, size: float) -> None:
    patch = np.ascontiguousarray(area)
    cv2.putText(patch, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
    area[:] = patch
