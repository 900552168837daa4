"""The second stage: people as detected, looked at again."""

from dataclasses import replace

import numpy as np
import pytest

from trackers.blazepose.estimator import Landmarks
from trackers.blazepose.keypoints import LAYOUT
from trackers.blazepose.regions import Regions
from trackers.second_stage import SecondStage, hints_apart_m
from trackers.types import Detections, no_detections

IMAGE = np.zeros((400, 400, 3), np.uint8)
POINTS = np.array(
    [[200, 60], [196, 56], [204, 56], [192, 58], [208, 58], [220, 90], [180, 90], [228, 130], [172, 130], [230, 170],
     [170, 170], [212, 170], [188, 170], [212, 230], [188, 230], [212, 290], [188, 290]], np.float32,
)  # fmt: skip


class Eyes:
    """Stands for the network: sees the same person wherever it looks, and counts how often."""

    def __init__(
        self, shift_px: float = 2.0, score: float = 1.0, shown: float = 0.9, step_px: float = 0.0, turn: float = 1.0
    ) -> None:
        self.shift_px, self.score, self.shown, self.step_px = shift_px, score, shown, step_px
        self.turn = turn
        self.looks: list[int] = []

    def estimate(self, images: list[np.ndarray], image_row: np.ndarray, regions: Regions) -> Landmarks:
        count = len(image_row)
        self.looks.append(count)
        points = np.zeros((count, 33, 2), np.float32)
        rows = np.array(LAYOUT.rows)
        points[:, rows[:17]] = POINTS + self.shift_px
        sure = np.full((count, 33), self.shown, np.float32)
        world = np.zeros((count, 33, 3), np.float32)
        world[:, rows[:17], :2] = (POINTS - POINTS[11:13].mean(axis=0)) * (0.01 * self.turn, 0.01)
        return Landmarks(
            points=points,
            visibility=sure,
            certainty=sure,
            world=world,
            scores=np.full(count, self.score, np.float32),
            next_regions=Regions(regions.centres_px + self.step_px, regions.sides_px, regions.turns_rad),
        )


def people(count: int = 1, score: float = 0.9, confidence: float = 0.9) -> Detections:
    keypoints = np.concatenate([POINTS, np.full((17, 1), confidence, np.float32)], axis=1)
    box = np.array([160, 40, 240, 310], np.float32)
    return Detections(np.tile(box, (count, 1)), np.full(count, score, np.float32), np.tile(keypoints, (count, 1, 1)))


def refine(eyes: Eyes, *found: Detections) -> list[Detections]:
    stage = SecondStage(eyes)  # type: ignore[arg-type]
    return stage.refine([IMAGE] * len(found), found)


def test_keypoints_are_joined_and_feet_and_hints_added() -> None:
    (found,) = refine(Eyes(), people())
    moved = found.keypoints[0, :, :2] - POINTS
    assert np.abs(moved).max() < 5.0 and moved.mean() > 0.2
    assert found.feet is not None and found.hints is not None
    np.testing.assert_allclose(found.feet[0, [0, 2, 3, 5], 2], 0.9, atol=1e-6)  # big toes and heels
    np.testing.assert_allclose(found.feet[0, [1, 4], 2], 0.0)  # small toes are not given
    np.testing.assert_allclose(found.hints[0, :, 3], 0.9, atol=1e-6)


def test_frames_keep_their_people_and_a_frame_without_any_stays_empty() -> None:
    found = refine(Eyes(), people(2), no_detections(), people(1))
    assert [len(each) for each in found] == [2, 0, 1]
    assert [len(each) for each in refine(Eyes(), no_detections())] == [0]


@pytest.mark.parametrize(
    "eyes", [Eyes(score=0.1), Eyes(shift_px=90.0)], ids=["nobody is in the crop", "somebody else is"]
)
def test_what_the_network_sees_of_others_is_left_out(eyes: Eyes) -> None:
    before = people()
    (found,) = refine(eyes, before)
    np.testing.assert_array_equal(found.keypoints, before.keypoints)
    assert found.feet is not None and not found.feet.any()
    assert found.hints is not None and not found.hints.any()


def test_people_of_a_low_score_are_not_looked_at() -> None:
    eyes, before = Eyes(), people(2)
    before = replace(before, scores=np.array([0.9, 0.1], np.float32))
    (found,) = refine(eyes, before)
    assert eyes.looks == [1]
    np.testing.assert_array_equal(found.keypoints[1], before.keypoints[1])


def test_a_region_far_off_is_looked_at_again() -> None:
    eyes = Eyes(step_px=200.0)
    refine(eyes, people(2))
    assert eyes.looks == [2, 2]


def test_hints_need_hips_and_knees() -> None:
    (found,) = refine(Eyes(shown=0.4), people())
    assert found.hints is not None and not found.hints.any()


def test_hints_that_do_not_project_where_the_keypoints_are_are_left_out() -> None:
    (right,), (mirrored,) = refine(Eyes(), people()), refine(Eyes(turn=-1.0), people())
    assert right.hints[0, :, 3].all() and not mirrored.hints.any()
    assert np.array_equal(right.keypoints, mirrored.keypoints), "the keypoints themselves agree"


def test_how_far_hints_are_apart_does_not_depend_on_place_and_size() -> None:
    keypoints = np.concatenate([POINTS[5:], np.ones((12, 1), np.float32)], axis=1)[None]
    hints = np.concatenate([(POINTS[5:] - 150) / 80, np.zeros((12, 1)), np.ones((12, 1))], axis=1)[None]
    assert hints_apart_m(hints, keypoints)[0] < 1e-6
    moved = hints.copy()
    moved[0, 4, 0] += 0.3
    assert 0.05 < hints_apart_m(moved, keypoints)[0] < 0.3 / np.sqrt(12)
    moved[0, :10, 3] = 0.0
    assert hints_apart_m(moved, keypoints)[0] == np.inf


def test_a_detector_of_boxes_alone_gets_its_keypoints_here() -> None:
    (found,) = refine(Eyes(), people(confidence=0.0))
    np.testing.assert_allclose(found.keypoints[0, :, :2], POINTS + 2.0, atol=6.0)
    assert (found.keypoints[0, :, 2] > 0.3).all()
