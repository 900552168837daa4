"""Cameras of the rows that recovery gets, and how many rows it gets at once."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from configs.schema import RecoverSettings
from pipeline.stages.recover import ROWS_AT_ONCE, RecoverStage, tracked_rows
from pipeline.types import Chunk, Frame
from trackers.types import Tracks


def one_person() -> Tracks:
    return Tracks(
        track_ids=np.array([1]),
        boxes_xyxy=np.array([[10, 10, 20, 40]], np.float32),
        scores=np.array([0.9], np.float32),
        keypoints=np.zeros((1, 17, 3), np.float32),
    )


def test_a_letterboxed_frame_has_a_shorter_focal_length() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    chunk = Chunk(0, (Frame(0, 0.0, image), Frame(1, 0.04, image, 0.5)), tracks=(one_person(), one_person()))
    assert tracked_rows(chunk, 100.0).focal_px.tolist() == [100.0, 50.0]
    assert tracked_rows(chunk, None).focal_px.tolist() == [80.0, 40.0]


class _Copying:
    """Stands for the network: the place of a body tells whose box it was made from."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def recover(self, images: Sequence[np.ndarray], people: Any) -> Any:
        count = len(people.image_row)
        self.calls.append(count)
        trans = np.stack([people.boxes_xyxy[:, 0], people.image_row, np.zeros(count)], axis=1).astype(np.float32)
        params = SimpleNamespace(
            pose=np.zeros((count, 24, 3), np.float32), betas=np.zeros((count, 10), np.float32), trans=trans
        )
        return SimpleNamespace(params=params, joint_confidence=np.ones((count, 24), np.float32))


def test_a_crowd_is_recovered_in_parts_and_everybody_keeps_the_own_body() -> None:
    people = ROWS_AT_ONCE + 40
    boxes = np.tile(np.arange(people, dtype=np.float32)[:, None], (1, 4)) + np.float32([0, 0, 10, 30])
    crowd = Tracks(np.arange(1, people + 1), boxes, np.ones(people, np.float32), np.ones((people, 17, 3), np.float32))
    image = np.zeros((48, 64, 3), np.uint8)
    network = _Copying()
    stage = RecoverStage(lambda: network, RecoverSettings(), None)  # type: ignore[arg-type, return-value]
    stage.open()
    found = stage.process(Chunk(0, (Frame(7, 0.0, image), Frame(8, 0.04, image)), tracks=(crowd, crowd))).observations
    assert found is not None and network.calls == [ROWS_AT_ONCE, ROWS_AT_ONCE, 80]
    assert found.trans[:, 0].tolist() == 2 * list(range(people))
    assert found.trans[:, 1].tolist() == [0] * people + [1] * people
    assert found.frame_index.tolist() == [7] * people + [8] * people
