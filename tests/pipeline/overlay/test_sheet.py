from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.errors import InputError
from pipeline.media import VideoWriter
from pipeline.overlay.sheet import write_contact_sheet


@pytest.mark.parametrize(("count", "wanted"), [(1, [0]), (3, [0, 4, 9]), (50, list(range(10)))])
def test_the_sheet_shows_frames_spread_over_the_video(tmp_path: Path, count: int, wanted: list[int]) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48, Fraction(10)) as video:
        for index in range(10):
            video.write(np.full((48, 64, 3), 20 * index, np.uint8))
    assert write_contact_sheet(tmp_path / "a.mp4", tmp_path / "sheet.png", count) == wanted
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    columns = min(4, len(wanted))
    assert sheet.shape == (-(-len(wanted) // columns) * 360, columns * 480, 3)
    assert abs(int(sheet[10, 10, 0]) - 20 * wanted[0]) < 8


def test_a_name_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end it in \.png or \.jpg"):
        write_contact_sheet(tmp_path / "a.mp4", tmp_path / "sheet", 1)
