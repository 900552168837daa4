"""The detector's training: its labels, that it can stop and go on, and what it leaves behind."""

import json
import pickletools
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from configs.errors import RunError
from configs.lock import locked
from configs.schema import DetectSettings
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.people.population import Studio
from dpmesh.training.people.scenes import Scenes
from trackers.detector import PoseDetector
from trackers.ultralytics_loader import load_backend

if TYPE_CHECKING:
    from dpmesh.training.detector.trainer import DetectorTrainer


@pytest.fixture(scope="module", autouse=True)
def _quiet_ultralytics(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the first import of Ultralytics write its settings to a folder of the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("ultralytics")))
        patch.setenv("YOLO_OFFLINE", "true")
        import ultralytics.utils  # noqa: F401


def make_trainer(output: Path, steps: int) -> "DetectorTrainer":
    from dpmesh.training.detector.trainer import DetectorPlan, DetectorTrainer

    torch.manual_seed(0)
    plan = DetectorPlan(Schedule(0.002, steps, warm_up_steps=2), batch_rows=2 * 320 * 320, report_steps=1)
    return DetectorTrainer(plan, output)


def train(trainer: "DetectorTrainer", studio: Studio) -> None:
    from dpmesh.training.detector.trainer import DetectorPlan, LivePictures

    assert isinstance(trainer.plan, DetectorPlan)
    trainer.train(LivePictures(studio, trainer.plan), None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def trained(studio: Studio, folder: Path) -> "DetectorTrainer":
    trainer = make_trainer(folder, 2)
    train(trainer, studio)
    return trainer


def test_labels_are_shares_of_the_picture_and_the_box_is_told_by_its_middle() -> None:
    from dpmesh.training.detector.trainer import labels_of

    keypoints = torch.zeros(1, 17, 3)
    keypoints[0, 3] = torch.tensor([32.0, 48.0, 2.0])
    image = torch.full((2, 3, 64, 128), 255, dtype=torch.uint8)
    found = labels_of(Scenes(image, torch.tensor([1]), torch.tensor([[16.0, 8.0, 48.0, 56.0]]), keypoints))
    assert found["img"].shape == (2, 3, 64, 128) and float(found["img"].min()) == 1.0
    assert found["bboxes"].tolist() == [[0.25, 0.5, 0.25, 0.75]]
    assert found["keypoints"][0, 3].tolist() == [0.25, 0.75, 2.0]
    assert found["keypoints"].sum() == 3.0
    assert found["batch_idx"].tolist() == [1] and found["cls"].tolist() == [[0.0]]


def test_pictures_without_anybody_have_no_labels() -> None:
    from dpmesh.training.detector.trainer import labels_of

    nobody = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4), torch.zeros(0, 17, 3)
    found = labels_of(Scenes(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), *nobody))
    assert [len(found[name]) for name in ("batch_idx", "cls", "bboxes", "keypoints")] == [0, 0, 0, 0]


def test_a_step_changes_the_weights_and_reports_its_losses(
    trained: "DetectorTrainer", folder: Path, tmp_path: Path
) -> None:
    assert trained.step == 2
    start = make_trainer(tmp_path, 2).network.state_dict()
    state = trained.network.state_dict()
    assert state.keys() == start.keys()
    assert all(value.isfinite().all() for value in state.values())
    still = [name for name, value in trained.network.named_parameters() if torch.equal(value, start[name])]
    assert all(name.startswith("model.22.") for name in still)  # a level of the head that nobody fell to
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert all(np.isfinite(list(line.values())).all() and line["grad_norm"] > 0 for line in lines)


def test_training_stopped_and_continued_gives_the_weights_of_training_in_one_go(
    trained: "DetectorTrainer", studio: Studio, tmp_path: Path
) -> None:
    assert not make_trainer(tmp_path, 1).resume()
    with locked(tmp_path), pytest.raises(RunError, match="another run is writing here"):
        train(make_trainer(tmp_path, 1), studio)
    train(make_trainer(tmp_path, 1), studio)
    again = make_trainer(tmp_path, 2)
    assert again.resume() and again.step == 1
    train(again, studio)
    assert again.step == 2
    wanted = trained.network.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in again.network.state_dict().items())


@pytest.fixture(scope="module")
def exported(trained: "DetectorTrainer", tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "deep" / "detector.pt"
    trained.export(path)
    return path


def test_the_exported_file_is_a_detector_of_people(exported: Path) -> None:
    backend = load_backend(exported, device="cpu")
    assert backend.names == {0: "person"}
    assert list(backend.kpt_shape) == [17, 3]
    detector = PoseDetector(exported, DetectSettings(image_px=64), device="cpu")
    assert len(detector.detect([np.full((48, 64, 3), 90, np.uint8)])) == 1


def test_the_exported_file_names_nothing_of_the_machine_and_no_class_of_ours(exported: Path) -> None:
    with zipfile.ZipFile(exported) as file:
        (name,) = [name for name in file.namelist() if name.endswith("data.pkl")]
        arguments = [argument for _, argument, _ in pickletools.genops(file.read(name))]
        assert str(Path.cwd()).encode() not in b"".join(file.read(entry) for entry in file.namelist())
    words = [word for word in arguments if isinstance(word, str)]
    assert len(words) > 100
    assert not [word for word in words if "/" in word or "\\" in word]
    assert not [word for word in words if word.startswith(("dpmesh", "trackers"))]


def test_the_exported_weights_are_the_average_in_half_precision(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, 2)  # before the first step the average is the start
    trainer.export(tmp_path / "detector.pt")
    stored = torch.load(tmp_path / "detector.pt", map_location="cpu", weights_only=False)["model"].state_dict()
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(stored[name], value.half() if value.is_floating_point() else value), name
