"""Cameras of the rows that recovery gets."""

import numpy as np

from pipeline.stages.recover import tracked_rows
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
