"""Who is found of people of known boxes."""

import json
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError, SettingsError
from pipeline.evaluation.small_people import FrameTruth, count_frame, main, read_marked, read_rendered


def boxes(*heights: int) -> np.ndarray:
    """Return boxes of these heights, side by side."""
    return np.array([[500 * n, 0, 500 * n + high // 2, high] for n, high in enumerate(heights)], np.float32)


def test_people_count_by_their_height_and_wrong_boxes_by_their_own() -> None:
    known = FrameTruth(0, boxes(30, 50, 150), np.array([True, True, True]))
    wrong = np.array([[5000, 0, 5040, 90]], np.float32)
    counts = count_frame(np.concatenate([boxes(30, 50, 150)[1:], wrong]), known)
    assert counts.people.tolist() == [0, 1, 1, 0, 1, 0]
    assert counts.found.tolist() == counts.right.tolist() == [0, 0, 1, 0, 1, 0]
    assert counts.detections.tolist() == [0, 0, 1, 1, 1, 0]


def test_who_is_hardly_visible_is_neither_missed_nor_wrong() -> None:
    known = FrameTruth(0, boxes(50, 50), np.array([True, False]))
    for found in (boxes(50, 50), boxes(50)):
        counts = count_frame(found, known)
        assert counts.people.sum() == counts.found.sum() == counts.detections.sum() == 1


def test_truth_of_a_rendered_clip_is_read_by_frame(tmp_path: Path) -> None:
    known = np.stack([boxes(50, 60), boxes(70, 80)], 1)
    known[1, 1] = np.nan
    np.savez(tmp_path / "a.truth.npz", boxes_xyxy=known, visible_share=np.array([[0.9, 0.9], [0.2, 0.0]], np.float32))
    first, second = read_rendered(tmp_path / "a.mp4")
    assert first.is_counted.tolist() == [True, False] and len(second.boxes_xyxy) == 1
    (tmp_path / "b.truth.npz").write_text("no")
    for name in ("b.mp4", "c.mp4"):
        with pytest.raises(InputError, match="not the truth of a rendered clip"):
            read_rendered(tmp_path / name)


def test_boxes_marked_by_hand_are_read_and_others_refused(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"a.mp4": {"7": [[0, 0, 10, 20], [5, 5, 9, 30, 0]], "9": []}}))
    first, second = read_marked(path)["a.mp4"]
    assert (first.index, first.is_counted.tolist()) == (7, [True, False]) and second.boxes_xyxy.shape == (0, 4)
    for text in ("[1]", '{"a": {"x": []}}', '{"a": {"1": [[1, 2]]}}', '{"a": {"1": [["b", 0, 1, 2]]}}'):
        path.write_text(text)
        with pytest.raises(InputError, match="not boxes of people"):
            read_marked(path)


def test_sizes_that_no_detector_takes_are_refused() -> None:
    with pytest.raises(SettingsError, match="'100' is no size"):
        main(["a.mp4", "--sizes", "100"])
