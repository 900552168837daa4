"""The bundled landmark network on people in images."""

from pathlib import Path

import numpy as np
import pytest

from configs.weights import resolve
from trackers.blazepose.estimator import LandmarkEstimator, Landmarks
from trackers.blazepose.keypoints import LAYOUT, hint_joints, kept_points
from trackers.blazepose.regions import Regions
from trackers.imported.load import load_graph


@pytest.fixture(scope="module")
def estimator() -> LandmarkEstimator:
    return LandmarkEstimator(load_graph(resolve("blazepose-full")), device="cpu", batch_rows=2)


def regions(count: int) -> Regions:
    rng = np.random.default_rng(0)
    return Regions(rng.uniform(40, 120, (count, 2)), rng.uniform(60, 120, count), rng.uniform(-1, 1, count))


def same(first: Landmarks, second: Landmarks) -> None:
    for name in ("points", "visibility", "certainty", "world", "scores"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_a_batch_is_its_rows_one_by_one(estimator: LandmarkEstimator) -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, (160, 160, 3), np.uint8) for _ in range(2)]
    places, row = regions(3), np.array([0, 1, 1])
    whole = estimator.estimate(images, row, places)
    for number in range(3):
        alone = estimator.estimate(images, row[number : number + 1], places.take([number]))
        same(alone, whole.take(np.array([number])))


def test_nobody_has_no_landmarks(estimator: LandmarkEstimator) -> None:
    found = estimator.estimate([], np.zeros(0, np.int64), regions(0))
    assert found.points.shape == (0, 33, 2)
    assert kept_points(found).shape == (0, 23, 3)
    assert hint_joints(found).shape == (0, 12, 4)


def test_an_empty_crop_holds_nobody(estimator: LandmarkEstimator) -> None:
    assert estimator.estimate([np.zeros((160, 160, 3), np.uint8)], np.zeros(1, np.int64), regions(1)).scores[0] < 0.5


def test_rows_are_put_in_the_place_of_others(estimator: LandmarkEstimator) -> None:
    images = [np.random.default_rng(2).integers(0, 255, (160, 160, 3), np.uint8)]
    found = estimator.estimate(images, np.zeros(3, np.int64), regions(3))
    changed = found.put(np.array([2]), found.take(np.array([0])))
    same(changed.take(np.array([0, 1, 2])), found.take(np.array([0, 1, 0])))
    assert changed.next_regions.sides_px[2] == found.next_regions.sides_px[0]


@pytest.mark.parametrize("turn", [0.0, 1.2])
def test_a_real_person_is_read_alike_however_the_image_is_turned(
    estimator: LandmarkEstimator, test_data: Path, turn: float
) -> None:
    import cv2

    from pipeline.media.read import read_frames

    frame = next(iter(read_frames(test_data / "data/videos/sam2_05_default_juggle.mp4"))).image
    upright = estimator.estimate([frame], np.zeros(1, np.int64), Regions(*MAN, np.zeros(1)))
    matrix = cv2.getRotationMatrix2D(MAN[0][0].tolist(), -np.degrees(turn), 1.0)
    turned = cv2.warpAffine(frame, matrix, frame.shape[1::-1])
    found = estimator.estimate([turned], np.zeros(1, np.int64), Regions(*MAN, np.array([turn])))
    assert min(upright.scores[0], found.scores[0]) > 0.9
    expected = upright.points[0] @ matrix[:, :2].T + matrix[:, 2]
    body = slice(11, 33)
    assert np.linalg.norm(found.points[0, body] - expected[body], axis=-1).max() < 0.03 * MAN[1][0]
    depth = upright.world[0, body, 2] - found.world[0, body, 2]
    assert np.abs(depth).max() < 0.08  # turning the image turns x and y, and leaves the depth
    head, feet = upright.world[0, 0, 1], upright.world[0, [27, 28], 1].mean()
    assert head < -0.4 < 0.4 < feet  # metres from mid-hip, y down


MAN = np.array([[640.0, 400.0]]), np.array([900.0])


def test_the_flip_test_reads_a_mirrored_image_as_the_mirror_image(test_data: Path) -> None:
    from pipeline.media.read import read_frames

    both = LandmarkEstimator(load_graph(resolve("blazepose-full")), device="cpu", is_flip_test_on=True)
    frame = next(iter(read_frames(test_data / "data/videos/sam2_05_default_juggle.mp4"))).image
    found = both.estimate([frame], np.zeros(1, np.int64), Regions(*MAN, np.zeros(1)))
    width = frame.shape[1]
    other_side = Regions(np.array([[width - MAN[0][0, 0], MAN[0][0, 1]]]), MAN[1], np.zeros(1))
    flipped = both.estimate([np.ascontiguousarray(frame[:, ::-1])], np.zeros(1, np.int64), other_side)
    names = LAYOUT.points
    for name in ("left_wrist", "right_knee", "left_heel", "nose"):
        swapped = {"left": "right", "right": "left"}
        other = "_".join(swapped.get(word, word) for word in name.split("_"))
        here, there = names.index(name), names.index(other)
        x, y = flipped.points[0, there]
        np.testing.assert_allclose([width - x, y], found.points[0, here], atol=1.5)
        np.testing.assert_allclose(flipped.world[0, there] * [-1, 1, 1], found.world[0, here], atol=5e-3)
