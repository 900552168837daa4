"""The detector's training: images made as they are needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import PoseModel

from dpmesh.training.engine.loop import Loop, LoopPlan
from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.population import Studio
from dpmesh.training.people.scenes import Scenes, make_scenes, sample_size

ARCHITECTURE = Path(__file__).with_name("detector.yaml")
_LONGER_PX = (320, 448, 640)
_LONGER_PROBABILITY = (0.35, 0.3, 0.35)
_LOSS_NAMES = ("box_loss", "pose_loss", "kobj_loss", "cls_loss", "dfl_loss")


@dataclass(frozen=True, slots=True)
class DetectorPlan(LoopPlan):
    """How a detector is trained."""

    batch_rows: int = 32 * 320 * 320
    """Pixels of all images of one step: large images come in smaller batches."""
    weight_decay: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    average_decay: float = 0.9995
    clip_norm: float = 10.0
    crowded_rate: float = 0.4
    """Share of the batches whose images start from three people or more."""


@dataclass(frozen=True, slots=True)
class LivePictures:
    """Images of people for the detector, made as they are needed."""

    studio: Studio
    plan: DetectorPlan
    device: str = "cpu"

    def batch(self, size: int, step: int) -> dict[str, Tensor]:
        """Return images of about `size` pixels together, with their labels."""
        rng = Rng((self.plan.seed, 5, step), self.device)
        longer = int(rng.numpy.choice(_LONGER_PX, p=_LONGER_PROBABILITY))
        width, height = sample_size(rng, longer)
        people = 3 if rng.numpy.random() < self.plan.crowded_rate else 0
        return labels_of(make_scenes(self.studio, rng, max(1, size // (width * height)), width, height, people))


def labels_of(scenes: Scenes) -> dict[str, Tensor]:
    """Return images and labels as Ultralytics' losses take them: boxes x, y, width, height and points in shares."""
    height, width = scenes.image.shape[-2:]
    size = scenes.boxes_xyxy.new_tensor([width, height])
    low, high = scenes.boxes_xyxy[:, :2] / size, scenes.boxes_xyxy[:, 2:] / size
    keypoints = torch.cat([scenes.keypoints[..., :2] / size, scenes.keypoints[..., 2:]], dim=-1)
    return {
        "img": scenes.image.float() / 255.0,
        "batch_idx": scenes.image_index,
        "cls": torch.zeros(len(scenes.image_index), 1, device=size.device),
        "bboxes": torch.cat([(low + high) / 2, high - low], dim=-1),
        "keypoints": keypoints,
    }


class DetectorTrainer(Loop[PoseModel, dict[str, Tensor], None]):
    """Trains the bundled detector on `LivePictures`."""

    unit = "pixels"

    def __init__(self, plan: DetectorPlan, output: Path, *, device: str = "cpu") -> None:
        super().__init__(build_detector(), plan, output, device=device)

    def groups(self, trained: list[nn.Parameter]) -> list[dict[str, Any]]:
        """Return the weights, which decay, and biases and norms, which do not."""
        matrices, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
        return [{"params": matrices}, {"params": others, "weight_decay": 0.0}]

    def losses(self, batch: dict[str, Tensor], turn: int) -> dict[str, Tensor]:
        """Return Ultralytics' losses by their names."""
        with self.autocast():
            predictions = self.running(batch["img"])
        # The losses decode boxes, where bfloat16 would step by whole pixels.
        losses, parts = self.network.loss(batch, _to_float(predictions))
        # Ultralytics before it gave names with the losses has none
        names = _LOSS_NAMES if isinstance(parts, Tensor) else tuple(parts)
        return dict(zip(names, losses / len(batch["img"]), strict=True))

    def export(self, path: Path) -> None:
        """Write the averaged weights as an Ultralytics checkpoint that names nothing of this machine.

        Raises:
            RunError: they are not finite.
        """
        write_detector(self.averaged().cpu(), path)


def build_detector() -> PoseModel:
    """Return the bundled detector's network with random weights."""
    architecture = yaml.safe_load(ARCHITECTURE.read_text())
    network = PoseModel(architecture, ch=3, nc=1, verbose=False)
    network.args = get_cfg(overrides={"task": "pose", "imgsz": max(_LONGER_PX)})  # type: ignore[assignment]
    network.names = {0: "person"}
    return network


def write_detector(network: PoseModel, path: Path) -> None:
    """Write a network as an Ultralytics checkpoint in float16."""
    network = network.half().eval()
    network.criterion = None
    network.args = {"task": "pose", "imgsz": max(_LONGER_PX)}  # type: ignore[assignment]
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": network, "ema": None, "epoch": -1, "train_args": network.args}, path)


def _to_float(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _to_float(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_float(item) for item in value)
    return value
