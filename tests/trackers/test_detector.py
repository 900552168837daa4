import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from configs.errors import WeightsError
from configs.schema import DetectSettings
from configs.skeletons import MIRRORED_17
from trackers.detector import PoseDetector

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def frames(test_data: Path) -> list[np.ndarray]:
    with av.open(str(test_data / "data" / "videos" / "mmpose_demo.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][:4]


@pytest.fixture(scope="module")
def detector(test_data: Path) -> PoseDetector:
    return PoseDetector(_weights(test_data), DetectSettings(image_px=256), device="cpu")


@pytest.fixture(scope="module")
def other_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with Ultralytics files that hold no pose network of 17 keypoints."""
    os.environ.setdefault("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("ultralytics")))
    os.environ.setdefault("YOLO_OFFLINE", "true")
    import torch
    from ultralytics.nn.tasks import DetectionModel, PoseModel

    folder = tmp_path_factory.mktemp("networks")
    torch.save({"model": DetectionModel("yolov8n.yaml", verbose=False)}, folder / "boxes.pt")
    for name, shape in (("five.pt", (5, 3)), ("flat.pt", (17, 2))):
        model = PoseModel("yolov8n-pose.yaml", data_kpt_shape=shape, verbose=False)
        model.kpt_shape = shape
        torch.save({"model": model}, folder / name)
    return folder


def _weights(test_data: Path) -> Path:
    return test_data / "data" / "weights" / "yolov8n-pose-dequant.pt"


def test_no_image_gives_no_result(detector: PoseDetector) -> None:
    assert detector.detect([]) == []


def test_a_batch_gives_what_a_loop_gives(detector: PoseDetector, frames: list[np.ndarray]) -> None:
    turned = np.ascontiguousarray(frames[1].transpose(1, 0, 2))  # another shape in the same call
    small = cv2.resize(frames[2], (321, 203))
    images = [frames[0], turned, small, frames[3]]
    for batched, alone in zip(detector.detect(images), [detector.detect([image])[0] for image in images], strict=True):
        assert len(batched) == len(alone)
        assert np.allclose(batched.boxes_xyxy, alone.boxes_xyxy, atol=0.01)
        assert np.allclose(batched.scores, alone.scores, atol=1e-4)
        assert np.allclose(batched.keypoints, alone.keypoints, atol=0.01)


def test_the_same_images_give_the_same_bits(detector: PoseDetector, frames: list[np.ndarray]) -> None:
    first, second = detector.detect(frames[:2]), detector.detect(frames[:2])
    for one, other in zip(first, second, strict=True):
        assert one.keypoints.tobytes() == other.keypoints.tobytes()


def test_a_mirrored_detector_finds_in_the_mirror_what_it_finds_outside(
    test_data: Path, frames: list[np.ndarray]
) -> None:
    mirrored = PoseDetector(_weights(test_data), DetectSettings(image_px=256, is_flip_test_on=True), device="cpu")
    image = frames[0][:, : frames[0].shape[1] // 32 * 32]
    one, other = mirrored.detect([image, np.ascontiguousarray(image[:, ::-1])])
    sure = one.scores > 0.5
    assert sure.any()
    back = image.shape[1] - other.keypoints[:, list(MIRRORED_17), 0]
    for x in one.keypoints[sure, :, 0]:
        assert np.abs(back - x).mean(axis=1).min() < 2.0


def test_people_are_those_of_ultralytics_own_predictor(
    detector: PoseDetector, frames: list[np.ndarray], test_data: Path
) -> None:
    from ultralytics import YOLO

    bgr = np.ascontiguousarray(frames[0][..., ::-1])
    wanted = YOLO(_weights(test_data)).predict(
        bgr, imgsz=256, conf=0.1, iou=0.65, max_det=100, verbose=False, device="cpu"
    )[0]
    found = detector.detect([frames[0]])[0]
    assert len(found) == len(wanted.boxes) >= 3
    assert np.allclose(found.scores, wanted.boxes.conf.numpy(), atol=1e-3)
    assert np.allclose(found.boxes_xyxy, wanted.boxes.xyxy.numpy(), atol=0.5)
    inside = found.keypoints[..., 2] > 0.5  # the rest of theirs is cut at the picture's edge
    assert np.allclose(found.keypoints[inside][:, :2], wanted.keypoints.xy.numpy()[inside], atol=0.5)


def test_red_and_blue_are_not_confused(detector: PoseDetector, frames: list[np.ndarray]) -> None:
    right = detector.detect([frames[0]])[0].scores
    swapped = detector.detect([np.ascontiguousarray(frames[0][..., ::-1])])[0].scores
    assert right.sum() > swapped.sum()


def test_boxes_lie_in_the_picture_and_scores_fall(detector: PoseDetector, frames: list[np.ndarray]) -> None:
    height, width = frames[0].shape[:2]
    for people in detector.detect(frames):
        assert (people.boxes_xyxy >= 0).all()
        assert (people.boxes_xyxy <= [width, height, width, height]).all()
        assert (np.diff(people.scores) <= 0).all()
        assert people.scores.min() >= 0.1
        assert people.keypoints[..., 2].max() <= 1


def test_at_most_the_asked_number_of_people_is_given(test_data: Path, frames: list[np.ndarray]) -> None:
    two = PoseDetector(_weights(test_data), DetectSettings(image_px=256, people_max=2), device="cpu")
    assert [len(people) for people in two.detect(frames[:2])] == [2, 2]


@pytest.mark.parametrize("is_flip_test_on", [False, True])
def test_a_flat_picture_has_nobody_in_it(test_data: Path, *, is_flip_test_on: bool) -> None:
    detector = PoseDetector(
        _weights(test_data), DetectSettings(image_px=256, is_flip_test_on=is_flip_test_on), device="cpu"
    )
    assert len(detector.detect([np.full((32, 32, 3), 127, np.uint8)])[0]) == 0


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_refused(detector: PoseDetector, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        detector.detect([image])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("boxes.pt", r"holds task 'detect' with 80 classes; .*17 keypoints are needed"),
        ("five.pt", r"a pose network with 5 keypoints; .*17 keypoints"),
        ("flat.pt", r"17 keypoints, without confidence"),
    ],
)
def test_other_networks_are_refused_by_what_they_hold(other_networks: Path, name: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        PoseDetector(other_networks / name, DetectSettings(), device="cpu")


@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04 broken archive"])
def test_a_broken_file_is_refused_and_left_where_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "yolo11n-pose.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"yolo11n-pose\.pt: cannot be loaded as a detector"):
        PoseDetector(path, DetectSettings(), device="cpu")
    assert path.read_bytes() == content


class _Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def test_a_file_with_code_in_it_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    import torch

    torch.save({"model": _Payload(str(tmp_path / "ran"))}, tmp_path / "bad.pt")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        PoseDetector(tmp_path / "bad.pt", DetectSettings(), device="cpu")
    assert not (tmp_path / "ran").exists()


QUIET = """
import os, sys
import numpy as np
import trackers.detector
assert "torch" not in sys.modules, "importing the detector loads torch"
import cv2, torch
before = torch.get_num_threads(), cv2.getNumThreads(), np.get_printoptions()["linewidth"]
from pathlib import Path
from configs.schema import DetectSettings
people = trackers.detector.PoseDetector(Path(sys.argv[1]), DetectSettings(image_px=192), device="cpu")
people.detect([np.zeros((64, 64, 3), np.uint8)])
assert before == (torch.get_num_threads(), cv2.getNumThreads(), np.get_printoptions()["linewidth"])
assert "OMP_NUM_THREADS" not in os.environ
"""


def test_ultralytics_stays_quiet_offline_and_in_the_cache(test_data: Path, tmp_path: Path) -> None:
    home, cache, work = (tmp_path / name for name in ("home", "cache", "work"))
    for folder in (home, cache, work):
        folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO", "OMP", "ULTRALYTICS"))}
    run = subprocess.run(
        [sys.executable, "-c", QUIET, str(_weights(test_data))],
        cwd=work,
        env={**kept, "HOME": str(home), "DPMESH_VIDEO_CACHE": str(cache), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert list(work.iterdir()) == []
    assert not (home / ".config" / "Ultralytics").exists()


def test_a_format_without_its_runtime_says_which_package_is_missing(
    test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    path = test_data / "data" / "weights" / "yolov8n-pose_int8_openvino_model"
    with pytest.raises(WeightsError, match=r"needs the package openvino; install it, or give \.pt weights"):
        PoseDetector(path, DetectSettings(), device="cpu")
