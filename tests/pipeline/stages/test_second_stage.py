"""A second look at rough detections, with a reader that knows where the people stand."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.stages.second_stage import BOX_MARGIN, SCORE_MIN, refine_keypoints
from trackers.types import Detections, no_detections

PERSON = np.stack([np.linspace(100, 120, 17), np.linspace(50, 150, 17)], axis=1)


class Knowing:
    """Sees `PERSON`, surely where the box is round it, and hardly anything elsewhere."""

    def __init__(self) -> None:
        self.boxes: list[np.ndarray] = []

    def read(
        self, images: Sequence[np.ndarray], image_row: np.ndarray, boxes_xyxy: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        assert len(image_row) == len(boxes_xyxy) == len(guess)
        self.boxes.append(boxes_xyxy)
        middle = 0.5 * (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:])
        apart = np.linalg.norm(middle - PERSON.mean(axis=0), axis=1)
        certainty = np.select([apart < 5, apart < 40], [0.9, 0.6], 0.1)
        points = np.concatenate([np.tile(PERSON, (len(guess), 1, 1)), np.ones((len(guess), 17, 1))], axis=2)
        points[..., 2] = certainty[:, None]
        return points.astype(np.float32)


def people(*rows: tuple[float, float]) -> Detections:
    """Boxes of 40 x 110 px round (x, 100), with scores."""
    boxes = np.array([[x - 20, 45, x + 20, 155] for x, _ in rows], np.float32)
    scores = np.array([score for _, score in rows], np.float32)
    return Detections(boxes, scores, np.zeros((len(rows), 17, 3), np.float32))


def test_the_second_look_is_round_what_the_first_one_read() -> None:
    reader = Knowing()
    (found,) = refine_keypoints(reader, [np.zeros((200, 200, 3), np.uint8)], [people((130, 0.64))])  # type: ignore[arg-type]
    margin = BOX_MARGIN * 100
    wanted = [100 - margin, 50 - margin, 120 + margin, 150 + margin]
    assert reader.boxes[1][0] == pytest.approx(wanted)
    assert found.boxes_xyxy[0] == pytest.approx(wanted)
    assert np.allclose(found.keypoints[0, :, :2], PERSON)
    assert found.scores == pytest.approx([0.8 * 0.9])


def test_nobody_scores_little_and_keeps_the_box() -> None:
    (found,) = refine_keypoints(Knowing(), [np.zeros((200, 400, 3), np.uint8)], [people((300, 0.49))])  # type: ignore[arg-type]
    assert found.scores == pytest.approx([0.7 * 0.1])
    assert found.boxes_xyxy[0] == pytest.approx([280, 45, 320, 155])


def test_boxes_of_one_person_become_one_and_weak_ones_are_not_looked_at() -> None:
    reader = Knowing()
    frames = [people((130, 0.4), (105, 0.5), (110, SCORE_MIN - 0.01)), no_detections(), people((110, 0.9))]
    found = refine_keypoints(reader, [np.zeros((200, 200, 3), np.uint8)] * 3, frames)  # type: ignore[arg-type]
    assert [len(boxes) for boxes in reader.boxes] == [3, 2]
    assert [len(each) for each in found] == [1, 0, 1]
    assert found[0].scores == pytest.approx([np.sqrt(0.5) * 0.9])


def test_frames_without_anybody_stay_so() -> None:
    assert [len(each) for each in refine_keypoints(Knowing(), [], [])] == []  # type: ignore[arg-type]
    images = [np.zeros((20, 20, 3), np.uint8)]
    assert [len(each) for each in refine_keypoints(Knowing(), images, [no_detections()])] == [0]  # type: ignore[arg-type]
