"""The look at a clip: what it sees anywhere in the clip decides, and the same clip always gives the same."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from blob_detector import BlobDetector, draw

from configs.schema import RunSettings
from pipeline.flow.inputs import ClipInput
from pipeline.media import VideoWriter
from pipeline.media.probe import probe
from pipeline.nodes.look import Look, look_at_clip
from pipeline.run import plan_clips
from trackers.input_size import BASE_PX, InputSize

TALL, SMALL = (100, 20, 200, 320), (300, 100, 330, 160)


def write_clip(path: Path, boxes: list[list[tuple[int, int, int, int]]]) -> Path:
    with VideoWriter(path, 640, 360, Fraction(10)) as video:
        for frame in boxes:
            video.write(draw((360, 640), frame))
    return path


def look(path: Path, detector: BlobDetector, frame_count: int | None = -1, **changes: Any) -> Look:
    settings = RunSettings(**{name: value for name, value in changes.items()})
    models: Any = SimpleNamespace(detector=lambda: detector, detector_passes=2, threads=1)
    info = probe(path)
    return look_at_clip(info if frame_count == -1 else replace(info, frame_count=frame_count), settings, models)


def test_tall_people_keep_the_base_and_cost_one_short_look(tmp_path: Path) -> None:
    detector = BlobDetector(seen_px=100)
    found = look(write_clip(tmp_path / "a.mp4", [[TALL]] * 40), detector)
    assert found.size == InputSize(BASE_PX) and found.frame_count == 4
    assert detector.sizes == [(360, 640, 1280)] * 4
    assert abs(found.heights_px[0] - 300) < 4


def test_small_people_at_the_end_of_the_clip_are_seen(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [[TALL]] * 20 + [[SMALL, TALL]] * 20)
    found = look(path, BlobDetector(seen_px=100))
    assert found.size == InputSize(960)
    assert look(path, BlobDetector(seen_px=100)).arrays().keys() == found.arrays().keys()
    assert all(
        np.array_equal(found.arrays()[name], value) for name, value in look(path, BlobDetector(100)).arrays().items()
    )


def test_without_a_frame_count_the_start_is_looked_at(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [[TALL]] * 32 + [[SMALL]] * 8)
    assert look(path, BlobDetector(seen_px=100), None).size == InputSize(BASE_PX)
    early = write_clip(tmp_path / "b.mp4", [[SMALL]] * 8)
    assert look(early, BlobDetector(seen_px=100), None).size.image_px > BASE_PX


def test_only_the_part_that_is_read_counts(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [[TALL]] * 20 + [[SMALL]] * 20)
    assert look(path, BlobDetector(seen_px=100), decode={"end_s": 2.0}).size == InputSize(BASE_PX)
    assert look(path, BlobDetector(seen_px=100), decode={"start_s": 2.0}).size.image_px > BASE_PX


def test_nobody_and_people_below_the_least_height_change_nothing(tmp_path: Path) -> None:
    nobody = look(write_clip(tmp_path / "a.mp4", [[]] * 5), BlobDetector(seen_px=100))
    assert nobody.size == InputSize(BASE_PX) and np.isnan(nobody.heights_px).all()
    assert "nobody was seen" in nobody.describe(5, 2)
    few = write_clip(tmp_path / "b.mp4", [[SMALL]] * 5)
    assert look(few, BlobDetector(seen_px=100), detect={"person_px_min": 80}).size == InputSize(BASE_PX)


def test_a_cut_clip_is_looked_at_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [[SMALL]] * 40)
    assert look(path, BlobDetector(seen_px=100), 4000).size.image_px > BASE_PX


def test_frames_in_which_everybody_who_counts_is_tall_enough_need_no_look(tmp_path: Path) -> None:
    detector = BlobDetector(seen_px=100)
    found = look(write_clip(tmp_path / "a.mp4", [[SMALL]] * 5), detector, detect={"person_px_min": 90})
    assert found.size == InputSize(BASE_PX) and not detector.sizes and not found.frame_count
    assert found.describe(5, 2).endswith("frames are so small that no look is needed")
    fixed = look(write_clip(tmp_path / "b.mp4", [[SMALL]] * 5), BlobDetector(100, fixed_px=320))
    assert fixed.size.tile_px == fixed.size.whole_px == 320 and fixed.size.image_px >= 960


def test_a_plan_tells_the_size_and_its_cost_unless_the_size_is_given(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 96, 96, Fraction(10)) as video:
        video.write(np.zeros((96, 96, 3), np.uint8))
    clips = [ClipInput(tmp_path / "a.mp4", "a")]
    detect = {"weights": "bundled"}
    (open_one,) = plan_clips(clips, tmp_path / "out", RunSettings(detect=detect))
    assert (
        open_one.cost == "detector input 640 px, 1.0 times the work of 640: frames are so small that no look is needed"
    )
    (given,) = plan_clips(clips, tmp_path / "out", RunSettings(detect=detect | {"image_px": 320}))
    assert given.cost == "" and not (tmp_path / "out").exists()


def test_the_cost_is_told() -> None:
    found = Look(InputSize(1280), 4, np.array([42.0, 61.0]), (360, 640), 0.25)
    assert found.describe(300, 2) == (
        "detector input 1280 px, 4.0 times the work of 640: people are 42 to 61 px tall in 4 frames; "
        "about 2.00 s per frame, 10 min for 300 frames"
    )
    assert found.describe(None, 1).endswith("about 1.00 s per frame")


@pytest.mark.parametrize(("frames", "told"), [(10, "10 s"), (600, "10 min"), (36000, "10.0 h")])
def test_durations_are_readable(frames: int, told: str) -> None:
    assert f", {told} for " in Look(InputSize(640), 4, np.full(2, 300.0), (360, 640), 1.0).describe(frames, 1)
