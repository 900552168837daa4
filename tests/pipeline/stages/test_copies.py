"""Two tracks on one person: the younger one goes."""

import numpy as np

from pipeline.stages.recover import without_copies
from pipeline.types import Observations


def rows(track_id: list[int], frame: list[int], x: list[float], certainty: float = 0.9) -> Observations:
    """People of 100 px height whose keypoints lie on an upright line at `x`."""
    count = len(track_id)
    keypoints = np.full((count, 17, 3), certainty, np.float32)
    keypoints[..., 0] = np.array(x)[:, None]
    keypoints[..., 1] = np.linspace(0, 100, 17)
    boxes = np.stack([np.array(x) - 20, np.zeros(count), np.array(x) + 20, np.full(count, 100.0)], axis=1)
    return Observations(
        frame_index=np.array(frame),
        time_s=np.zeros(count),
        track_id=np.array(track_id),
        boxes_xyxy=boxes.astype(np.float32),
        scores=np.ones(count, np.float32),
        keypoints=keypoints,
        pose=np.zeros((count, 24, 3), np.float32),
        betas=np.zeros((count, 10), np.float32),
        trans=np.zeros((count, 3), np.float32),
        joint_confidence=np.zeros((count, 24), np.float32),
        joint_visible=np.zeros((count, 24), np.bool_),
        focal_px=np.ones(count, np.float32),
        principal_px=np.zeros((count, 2), np.float32),
    )


def test_the_younger_of_two_tracks_with_the_same_keypoints_goes() -> None:
    assert without_copies(rows([7, 2, 9], [0, 0, 0], [52.0, 50.0, 51.0]), 0.3).track_id.tolist() == [2]


def test_people_side_by_side_stay() -> None:
    assert without_copies(rows([1, 2], [0, 0], [50.0, 60.0]), 0.3).track_id.tolist() == [1, 2]


def test_the_same_place_in_another_frame_is_no_copy() -> None:
    assert without_copies(rows([1, 2], [0, 1], [50.0, 50.0]), 0.3).track_id.tolist() == [1, 2]


def test_keypoints_that_are_guesses_prove_nothing() -> None:
    assert without_copies(rows([1, 2], [0, 0], [50.0, 50.0], certainty=0.1), 0.3).track_id.tolist() == [1, 2]


def test_a_chunk_without_people_stays_empty() -> None:
    assert len(without_copies(rows([], [], []), 0.3).track_id) == 0
