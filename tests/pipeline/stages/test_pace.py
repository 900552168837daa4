from fractions import Fraction

import numpy as np
import pytest

from configs.errors import SettingsError
from configs.read import read_settings
from configs.schema import TrackSettings
from pipeline.overlay.write import _closed
from pipeline.stages.detect import DetectStage
from pipeline.stages.pace import choose_every
from pipeline.stages.track import TrackStage
from pipeline.types import Chunk, Frame
from trackers.types import Detections


class Walker:
    """Finds one person who walks to the right, and remembers where they looked."""

    def __init__(self) -> None:
        self.looked: list[int] = []

    def find(self, images, frame_indices) -> list[Detections]:
        self.looked += frame_indices
        boxes = [np.array([[10 + index, 10, 40 + index, 90]], np.float32) for index in frame_indices]
        points = np.full((1, 17, 3), 0.9, np.float32)
        return [Detections(box, np.full(1, 0.9, np.float32), points) for box in boxes]


def chunk_of(first: int, count: int) -> Chunk:
    image = np.zeros((120, 160, 3), np.uint8)
    return Chunk(0, tuple(Frame(first + t, (first + t) / 50, image) for t in range(count)))


@pytest.mark.parametrize(("rate", "every"), [("24", 1), ("30000/1001", 1), ("50", 2), ("60000/1001", 2), ("120", 5)])
def test_auto_leaves_24_looks_per_second(rate: str, every: int) -> None:
    assert choose_every("auto", Fraction(rate)) == every


@pytest.mark.parametrize(("given", "every"), [("2", 2), ("auto", "auto")])
def test_the_setting_is_a_number_or_auto(given: str, every: int | str) -> None:
    assert read_settings(None, {}, [f"detect.every={given}"]).detect.every == every


@pytest.mark.parametrize("given", ["0", "often", "-1", "1.5"])
def test_another_pace_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match=r"detect\.every"):
        read_settings(None, {}, [f"detect.every={given}"])


def test_a_number_is_taken_whatever_the_rate_of_the_video() -> None:
    assert choose_every(3, Fraction(25)) == 3


def test_every_second_frame_is_looked_at_and_nobody_is_missed_between() -> None:
    finder = Walker()
    detect, track = DetectStage(lambda: finder, lambda: None, every=2), TrackStage(TrackSettings(), every=2)
    detect.open()
    tracks = [found for first in (0, 5) for found in track.process(detect.process(chunk_of(first, 5))).tracks or ()]
    assert finder.looked == [0, 2, 4, 6, 8]
    assert [len(found.track_ids) for found in tracks] == [1, 0] * 5
    assert {int(number) for found in tracks for number in found.track_ids} == {1}


def test_who_is_seen_on_both_sides_of_a_skipped_frame_does_not_fade() -> None:
    seen = np.array([0, 1, 0, 1, 0, 0, 1, 0], bool)
    np.testing.assert_array_equal(_closed(seen, 2), np.array([0, 1, 1, 1, 0, 0, 1, 0], bool))
    np.testing.assert_array_equal(_closed(seen, 1), seen)
