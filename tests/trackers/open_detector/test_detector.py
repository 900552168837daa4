"""The detector that comes with the package, on real frames."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from configs.errors import WeightsError
from configs.schema import DetectSettings
from configs.skeletons import MIRRORED_17
from configs.weights import resolve
from trackers.association import box_overlaps
from trackers.detector import PoseDetector
from trackers.open_detector.detector import OpenDetector, fit_image

SETTINGS = DetectSettings(image_px=640)


def make(settings: DetectSettings = SETTINGS, **changes: str | int) -> OpenDetector:
    return OpenDetector(resolve("open-detector"), settings, device="cpu", **changes)


@pytest.fixture(scope="module")
def detector() -> OpenDetector:
    return make()


@pytest.fixture(scope="module")
def frames(test_data: Path) -> list[np.ndarray]:
    with av.open(str(test_data / "data" / "videos" / "mmpose_demo.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][:3]


def test_no_image_gives_no_result_and_an_empty_image_nobody(detector: OpenDetector) -> None:
    assert detector.find([], []) == []
    (nobody,) = detector.find([np.full((90, 160, 3), 128, np.uint8)], [0])
    assert len(nobody) == 0 and nobody.keypoints.shape == (0, 17, 3)


def test_an_image_of_another_kind_is_refused(detector: OpenDetector) -> None:
    for image in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32), np.zeros((0, 9, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"image: got .*, expected uint8 \(H, W, 3\), not empty"):
            detector.detect([image])


def test_people_of_a_street_are_those_of_a_large_network(
    detector: OpenDetector, frames: list[np.ndarray], test_data: Path
) -> None:
    weights = test_data / "data" / "weights" / "yolov8n-pose-dequant.pt"
    for found, wanted in zip(
        detector.detect(frames), PoseDetector(weights, SETTINGS, device="cpu").detect(frames), strict=True
    ):
        sure = wanted.scores >= 0.5
        overlaps = box_overlaps(wanted.boxes_xyxy[sure], found.boxes_xyxy)
        assert sure.sum() >= 4
        assert (overlaps.max(axis=1) > 0.5).all()
        assert (found.scores[overlaps.argmax(axis=1)] > 0.75).all()
        surest = wanted.keypoints[sure][0]
        same = found.keypoints[overlaps.argmax(axis=1)[0]]
        side = np.ptp(surest[:, 1])
        seen = (surest[:, 2] > 0.6) & (same[:, 2] > 0.3)
        assert seen.sum() >= 8
        assert np.median(np.linalg.norm(surest[seen, :2] - same[seen, :2], axis=1)) < 0.05 * side


def test_a_batch_gives_what_a_loop_gives(detector: OpenDetector, frames: list[np.ndarray]) -> None:
    turned = np.ascontiguousarray(frames[1].transpose(1, 0, 2))  # another shape in the same call
    images = [frames[0], turned, cv2.resize(frames[2], (321, 203)), frames[1]]
    for batched, alone in zip(detector.detect(images), [detector.detect([image])[0] for image in images], strict=True):
        assert len(batched) == len(alone)
        assert np.allclose(batched.boxes_xyxy, alone.boxes_xyxy, atol=0.01)
        assert np.allclose(batched.scores, alone.scores, atol=1e-4)
        assert np.allclose(batched.keypoints, alone.keypoints, atol=0.01)


def test_boxes_lie_in_the_picture_and_scores_fall(frames: list[np.ndarray]) -> None:
    height, width = frames[0].shape[:2]
    for people in make(SETTINGS.model_copy(update={"score_min": 0.3})).detect(frames):
        assert (people.boxes_xyxy >= 0).all() and (people.boxes_xyxy <= [width, height, width, height]).all()
        assert (np.diff(people.scores) <= 0).all() and people.scores.min() >= 0.3
        is_blank = people.keypoints[..., 2].max(axis=1) == 0.0
        assert is_blank.any() and not is_blank.all()  # a small person that only one of the networks finds
        assert not people.keypoints[is_blank].any()


def test_people_and_overlaps_are_limited_as_asked(frames: list[np.ndarray]) -> None:
    two = make(SETTINGS.model_copy(update={"people_max": 2})).detect(frames[:1])[0]
    assert len(two) == 2
    apart = make(SETTINGS.model_copy(update={"overlap_max": 0.2})).detect(frames[:1])[0]
    overlaps = box_overlaps(apart.boxes_xyxy, apart.boxes_xyxy)
    assert overlaps[~np.eye(len(apart), dtype=bool)].max() <= 0.21  # boxes are clipped after that


def test_a_larger_input_finds_more_small_people(detector: OpenDetector, frames: list[np.ndarray]) -> None:
    large = make(SETTINGS.model_copy(update={"image_px": 1280})).detect(frames[:1])[0]
    assert (large.scores > 0.5).sum() > (detector.detect(frames[:1])[0].scores > 0.5).sum()


def test_a_mirrored_detector_finds_in_the_mirror_what_it_finds_outside(frames: list[np.ndarray]) -> None:
    image = frames[0]
    one, other = make(SETTINGS.model_copy(update={"is_flip_test_on": True})).detect(
        [image, np.ascontiguousarray(image[:, ::-1])]
    )
    sure = (one.scores > 0.9) & (one.keypoints[..., 2].max(axis=1) > 0.5)
    assert sure.any()
    back = image.shape[1] - other.keypoints[:, list(MIRRORED_17), 0]
    for x in one.keypoints[sure, :, 0]:
        assert np.abs(back - x).mean(axis=1).min() < 4.0


def test_threads_and_half_precision_find_the_same_people(detector: OpenDetector, frames: list[np.ndarray]) -> None:
    wanted = detector.detect(frames)
    batches = SETTINGS.model_copy(update={"batch_frames": 1})
    for one, other in zip(wanted, make(batches, threads=2).detect(frames), strict=True):
        assert np.allclose(one.boxes_xyxy, other.boxes_xyxy, atol=0.01)
    half = make(dtype="bfloat16").detect(frames[:1])[0]
    sure = wanted[0].scores > 0.9
    assert (box_overlaps(wanted[0].boxes_xyxy[sure], half.boxes_xyxy).max(axis=1) > 0.8).all()


def test_one_network_alone_will_do(tmp_path: Path, frames: list[np.ndarray]) -> None:
    (tmp_path / "nanodet").symlink_to(resolve("open-detector") / "nanodet")
    people = OpenDetector(tmp_path, SETTINGS, device="cpu").detect(frames[:1])[0]
    assert (people.scores > 0.5).sum() >= 4
    assert not people.keypoints.any()


def test_a_folder_without_networks_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="movenet"):
        OpenDetector(tmp_path, SETTINGS, device="cpu")


@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (64, 64), (1, 500)])
def test_an_image_is_fitted_with_black_around(shape: tuple[int, int]) -> None:
    padded, letterbox = fit_image(np.full((*shape, 3), 200, np.uint8), 96)
    assert padded.shape[0] % 32 == padded.shape[1] % 32 == 0
    assert max(padded.shape) == 96
    (scale_x, scale_y), (left, top) = letterbox.scale_xy, letterbox.shift_px
    inner = padded[top : top + round(shape[0] * scale_y), left : left + round(shape[1] * scale_x)]
    assert (inner == 200).all() and int((padded == 200).sum()) == inner.size
