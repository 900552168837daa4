"""Errors of keypoints belong to the people they are of."""

from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError, SettingsError
from pipeline.evaluation.small_keypoints import main, person_errors
from trackers.types import Detections


def test_errors_are_of_the_matching_person_and_relative_to_the_height() -> None:
    boxes = np.array([[0, 0, 20, 40], [100, 0, 120, 50]], np.float32)
    points = np.zeros((2, 17, 2)) + boxes[:, None, :2]
    keypoints = np.concatenate([points[::-1] + np.array([3.0, 4.0]), np.full((2, 17, 1), 0.9)], -1).astype(np.float32)
    keypoints[0, 5, 2] = 0.1
    found = Detections(boxes[::-1].copy(), np.array([0.9, 0.8], np.float32), keypoints)
    errors = person_errors(found, boxes, points)
    assert sorted(errors) == [0, 1]
    assert np.allclose(errors[0].distances[0], 5 / 40) and np.allclose(errors[1].distances[0], 5 / 50)
    assert errors[0].given[0].all() and not errors[1].given[0][5]


def test_a_clip_without_keypoints_of_the_truth_and_wrong_factors_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.truth.npz", boxes_xyxy=np.zeros((1, 1, 4), np.float32))
    with pytest.raises(InputError, match="no keypoints of a rendered clip"):
        main([str(tmp_path / "a.mp4")])
    with pytest.raises(SettingsError, match="give factors from"):
        main([str(tmp_path / "a.mp4"), "--shrink", "2"])
