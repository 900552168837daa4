from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.errors import InputError
from pipeline.media import VideoWriter, probe
from pipeline.motion.library import write_track
from pipeline.overlay.people_sheet import LABEL_WIDTH, LINE_PX, TILE_WH, write_people_sheet
from pipeline.types import MotionTrack

FRAMES = 20


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A red square that goes right and a blue one that stands still."""
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 192, 96, Fraction(10)) as video:
        for index in range(FRAMES):
            image = np.full((96, 192, 3), 128, np.uint8)
            image[30:70, 20 + 4 * index : 50 + 4 * index] = (230, 20, 20)
            image[30:70, 150:180] = (20, 20, 230)
            video.write(image)
    return path


def person(number: int, frames: list[int], lefts: list[int]) -> MotionTrack:
    count = len(frames)
    return MotionTrack(
        track_id=number,
        frame_index=np.array(frames, np.int64),
        time_s=np.array(frames) / 10.0,
        pose=np.zeros((count, 24, 3), np.float32),
        betas=np.zeros(10, np.float32),
        trans=np.ones((count, 3), np.float32),
        joint_confidence=np.ones((count, 24), np.float32),
        is_observed=np.ones(count, bool),
        is_refined=np.zeros(count, bool),
        boxes_xyxy=np.array([[left, 30, left + 30, 70] for left in lefts], np.float32),
        focal_px=np.full(count, 200.0, np.float32),
    )


def middles(sheet: Path, row: int, columns: int) -> np.ndarray:
    """Return the colour (C, 3) RGB in the middle of each crop of a row."""
    image = cv2.imread(str(sheet))[..., ::-1]
    y = row * (TILE_WH[1] + LINE_PX) + LINE_PX + TILE_WH[1] // 2
    return image[y, [LABEL_WIDTH + column * TILE_WH[0] + TILE_WH[0] // 2 for column in range(columns)]].astype(int)


def test_a_row_shows_one_person_and_a_switch_is_seen(clip: Path, tmp_path: Path) -> None:
    whole = list(range(FRAMES))
    red = person(1, whole, [20 + 4 * index for index in whole])
    switched = person(2, [0, 5, 10, 15], [150, 150, 20 + 40, 20 + 60])  # blue, then red
    paths = [tmp_path / "person_001.npz", tmp_path / "person_002.npz"]
    for path, track in zip(paths, (red, switched), strict=True):
        write_track(path, track)
    shown = write_people_sheet(paths, probe(clip), tmp_path / "sheet.png", 4)
    assert shown == [(1, [0, 6, 13, 19]), (2, [0, 5, 10, 15])]
    first, second = (middles(tmp_path / "sheet.png", row, 4) for row in (0, 1))
    assert (first[:, 0] > first[:, 2] + 80).all()
    assert (second[:2, 2] > second[:2, 0] + 80).all() and (second[2:, 0] > second[2:, 2] + 80).all()


def test_boxes_of_smaller_frames_are_found_in_the_video(clip: Path, tmp_path: Path) -> None:
    track = person(1, [0], [75])  # the blue square in frames of half the size
    track = replace(track, boxes_xyxy=np.array([[75, 15, 90, 35]], np.float32))
    write_track(tmp_path / "person_001.npz", track)
    write_people_sheet([tmp_path / "person_001.npz"], probe(clip), tmp_path / "sheet.png", 3, max_side_px=96)
    colour = middles(tmp_path / "sheet.png", 0, 1)[0]
    assert colour[2] > colour[0] + 80


def test_a_run_without_people_has_no_sheet(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody"):
        write_people_sheet([], probe(clip), tmp_path / "sheet.png", 4)
