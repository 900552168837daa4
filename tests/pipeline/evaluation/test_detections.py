"""What one detector finds beside another."""

from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError, SettingsError
from pipeline.evaluation.detections import Compared, compare, main
from trackers.types import Detections, no_detections


def people(*lefts: float, score: float = 0.9, shift_px: float = 0.0) -> Detections:
    """Return people of 100 x 200 pixels, whose boxes begin at these x."""
    boxes = np.array([[x, 0, x + 100, 200] for x in lefts], np.float32).reshape(-1, 4)
    points = np.stack([boxes[:, :1] + shift_px + np.arange(17), np.full((len(boxes), 17), 50.0)], axis=-1)
    keypoints = np.concatenate([points, np.full((len(boxes), 17, 1), 0.9)], axis=-1).astype(np.float32)
    return Detections(boxes, np.full(len(boxes), score, np.float32), keypoints)


def test_the_same_people_are_found_with_their_keypoints() -> None:
    assert compare(people(0, 200), people(0, 200), 0.5, 0.5) == Compared(2, 2, 2, 0, 34, 34)


def test_people_who_are_missing_and_boxes_of_nobody_are_counted() -> None:
    assert compare(people(0, 500), people(0, 200), 0.5, 0.5) == Compared(2, 1, 2, 1, 17, 17)


def test_keypoints_elsewhere_in_the_box_are_not_near() -> None:
    assert compare(people(0, shift_px=15), people(0), 0.5, 0.5) == Compared(1, 1, 1, 0, 17, 0)


def test_a_box_of_somebody_of_whom_the_reference_is_unsure_is_neither_missing_nor_wrong() -> None:
    assert compare(people(0), people(0, score=0.2), 0.5, 0.5) == Compared(0, 0, 1, 0, 0, 0)


def test_low_scores_do_not_count_and_nobody_is_nobody() -> None:
    assert compare(people(0, score=0.3), people(0), 0.5, 0.5) == Compared(1, 0, 0, 0, 0, 0)
    assert compare(no_detections(), no_detections(), 0.5, 0.5) == Compared(0, 0, 0, 0, 0, 0)


def test_a_real_clip_is_compared(test_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = test_data / "data/weights/yolov8n-pose-dequant.pt"
    clip = test_data / "data/videos/mmaction2_demo_skeleton.mp4"
    assert main([str(clip), "--reference", str(weights), "--frames", "2"]) == 0
    name, number, found, *_, near = capsys.readouterr().out.splitlines()[-1].split()
    assert (name, number, found) == ("all", "4", "100%") and int(near.rstrip("%")) > 80


def test_clips_without_people_and_wrong_options_are_told(test_data: Path) -> None:
    weights = str(test_data / "data/weights/yolov8n-pose-dequant.pt")
    empty = str(test_data / "data/nasty_inputs/zero_people.mp4")
    with pytest.raises(InputError, match="the reference finds nobody on these clips"):
        main([empty, "--reference", weights, "--frames", "1"])
    with pytest.raises(SettingsError, match="--frames: 0 is too small"):
        main([empty, "--reference", weights, "--frames", "0"])
