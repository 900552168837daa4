import numpy as np
import pytest

from trackers.types import Detections, no_detections, no_tracks, select_detections


def _people(count: int) -> Detections:
    boxes = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    return Detections(boxes, np.linspace(0.9, 0.1, count, dtype=np.float32), np.zeros((count, 17, 3), np.float32))


def test_nobody_is_zero_rows_in_every_field() -> None:
    assert len(no_detections()) == 0
    assert no_tracks().track_ids.shape == (0,)
    assert no_tracks().keypoints.shape == (0, 17, 3)


def test_rows_of_another_count_are_refused() -> None:
    people = _people(3)
    with pytest.raises(ValueError, match=r"scores: got shape \(3,\)"):
        Detections(people.boxes_xyxy[:2], people.scores, people.keypoints[:2])


def test_eighteen_keypoints_are_refused() -> None:
    with pytest.raises(ValueError, match="keypoints"):
        Detections(np.zeros((1, 4), np.float32), np.zeros(1, np.float32), np.zeros((1, 18, 3), np.float32))


def test_a_mask_and_the_same_indices_choose_the_same_people() -> None:
    people = _people(4)
    by_mask = select_detections(people, np.array([False, True, False, True]))
    wanted = people.scores[[1, 3]].tolist()
    assert by_mask.scores.tolist() == select_detections(people, [1, 3]).scores.tolist() == wanted


def test_an_empty_list_chooses_nobody() -> None:
    assert len(select_detections(_people(4), [])) == 0


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot choose from 4 people"):
        select_detections(_people(4), np.array([True, False]))
