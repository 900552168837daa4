"""Frames full of missing data are recognised; people before a green screen are not taken for such."""

import numpy as np
import pytest

from pipeline.media.green import WithoutGreen, green_warning, is_green
from pipeline.types import Frame


def picture(colour: tuple[int, int, int], share: float) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    image[: round(120 * share)] = colour
    return image


@pytest.mark.parametrize(
    ("colour", "share", "found"),
    [
        ((0, 135, 0), 1.0, True),  # BT.601
        ((0, 77, 0), 0.3, True),  # BT.709, the rest of the picture is there
        ((0, 135, 0), 0.02, False),
        ((0, 177, 64), 1.0, False),  # chroma key green
        ((0, 0, 0), 1.0, False),
        ((60, 120, 40), 1.0, False),  # grass
    ],
)
def test_the_green_of_missing_data_is_recognised(colour: tuple[int, int, int], share: float, found: bool) -> None:
    assert is_green(picture(colour, share)) == found


def test_green_frames_are_left_out_named_and_counted() -> None:
    images = [picture((0, 135, 0), float(index % 3 == 1)) for index in range(30)]
    frames = WithoutGreen(Frame(index, index / 30, image) for index, image in enumerate(images))
    assert [frame.index for frame in frames] == [index for index in range(30) if index % 3 != 1]
    assert green_warning(frames.left_out) == "10 green frames left out: 1, 4, 7, 10, 13, 16, 19, 22 and 2 more"
    assert green_warning([]) == ""
    before = WithoutGreen([], [3, 5]).left_out
    assert green_warning(before) == "2 green frames left out: 3, 5", "those before a restart are named too"
