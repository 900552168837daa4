"""The detector's training loop: pictures made as they are needed, resumable, with an average of the weights."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import PoseModel

from configs.lock import locked
from dpmesh.training.engine.average import follow, start_average
from dpmesh.training.engine.checkpoint import CHECKPOINT, load_weights, of_another_training, read_checkpoint
from dpmesh.training.engine.curves import log_numbers
from dpmesh.training.engine.divergence import GradientWatch, check_finite
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.schedule import Schedule, Stopwatch
from dpmesh.training.engine.shards import write_whole
from dpmesh.training.engine.stopping import StopRequest
from dpmesh.training.people.population import Studio
from dpmesh.training.people.scenes import Scenes, make_scenes, sample_size

log = logging.getLogger(__name__)

ARCHITECTURE = Path(__file__).with_name("detector.yaml")
_LONGER_PX = (320, 448, 640)
_LONGER_PROBABILITY = (0.35, 0.3, 0.35)
_LOSS_NAMES = ("box_loss", "pose_loss", "kobj_loss", "cls_loss", "dfl_loss")


@dataclass(frozen=True, slots=True)
class DetectorPlan:
    """How a detector is trained."""

    schedule: Schedule
    batch_pixels: int = 32 * 320 * 320
    """Pixels of all pictures of one step: large pictures come in smaller batches."""
    weight_decay: float = 5e-4
    average_decay: float = 0.9995
    clip_norm: float = 10.0
    seed: int = 0
    crowded_rate: float = 0.4
    """Share of the batches whose pictures start from three people or more."""
    report_steps: int = 50
    checkpoint_steps: int = 500
    checkpoint_minutes: float = 3.0


def labels_of(scenes: Scenes) -> dict[str, Tensor]:
    """Return pictures and labels as Ultralytics' losses take them: boxes x, y, width, height and points in shares."""
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


class DetectorTrainer:
    """Trains the bundled detector; everything a later process needs to go on is in `checkpoint.pt`."""

    def __init__(self, plan: DetectorPlan, output: Path, *, device: str = "cpu") -> None:
        self.plan = plan
        self.step = 0
        self._minutes = 0.0
        self._output = output
        self._gradients = GradientWatch(self.checkpoint_path)
        self._device = device
        self.network = build_detector().to(device)
        weights, others = _split(self.network)
        groups = [{"params": weights, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(groups, lr=plan.schedule.learning_rate, fused=device.startswith("cuda"))
        self._average = start_average(self.network.state_dict())
        output.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint_path(self) -> Path:
        """Where the state for a later process lies."""
        return self._output / CHECKPOINT

    def resume(self) -> bool:
        """Continue from the checkpoint if there is one; return whether there was.

        Raises:
            InputError: the checkpoint is damaged or of another training.
        """
        if not self.checkpoint_path.exists():
            return False
        state = read_checkpoint(self.checkpoint_path, self._device)
        load_weights(self.network, state["network"], self.checkpoint_path)
        try:
            self._optimizer.load_state_dict(state["optimizer"])
        except ValueError as error:
            raise of_another_training(self.checkpoint_path) from error
        self._average, self.step, self._minutes = state["average"], state["step"], state["minutes"]
        log.info("%s: goes on at step %d", self._output, self.step)
        return True

    def save(self) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            RunError: the averaged weights are not finite; the checkpoint stays as it was.
        """
        check_finite(self._average, self.checkpoint_path)
        state = {
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": self._average,
            "step": self.step,
            "minutes": self._minutes,
        }
        write_whole(self.checkpoint_path, lambda draft: torch.save(state, draft))

    def train(self, studio: Studio, *, pause_after: float = math.inf) -> None:
        """Go on until the schedule ends or this call has lasted `pause_after` minutes.

        Raises:
            RunError: the training has diverged, or another one writes into the same folder.
            KeyboardInterrupt: it was asked to stop, and has saved.
        """
        with locked(self._output), StopRequest() as stop:
            self._train(studio, pause_after, stop)
        if stop.is_asked:
            raise stop.stopped_at(self.step)

    def _train(self, studio: Studio, pause_after: float, stop: StopRequest) -> None:
        plan = self.plan
        watch = Stopwatch(self._minutes)
        sums: dict[str, Tensor] = {}
        summed = 0
        image_count = 0
        saved = self._minutes
        self.network.train()
        while plan.schedule.fraction(self.step, self._minutes) < 1.0 and watch.here < pause_after and not stop.is_asked:
            rng = Rng((plan.seed, 5, self.step), self._device)
            longer = int(rng.numpy.choice(_LONGER_PX, p=_LONGER_PROBABILITY))
            width, height = sample_size(rng, longer)
            count = max(1, plan.batch_pixels // (width * height))
            people = 3 if rng.numpy.random() < plan.crowded_rate else 0
            scenes = make_scenes(studio, rng, count, width, height, people)
            image_count += count
            for name, value in self._step(labels_of(scenes)).items():
                sums[name] = sums[name] + value if name in sums else value
            summed += 1
            self._minutes = watch.minutes
            if self.step % plan.report_steps == 0:
                means = {name: round(float(value) / summed, 4) for name, value in sums.items()}
                self._report({"images_per_s": round(image_count / (60 * watch.here), 1), **means})
                sums, summed = {}, 0
            if self.step % plan.checkpoint_steps == 0 or self._minutes - saved >= plan.checkpoint_minutes:
                self.save()
                saved = self._minutes
        self.save()

    def export(self, path: Path) -> None:
        """Write the averaged weights as an Ultralytics checkpoint that names nothing of this machine.

        Raises:
            RunError: they are not finite.
        """
        check_finite(self._average, self.checkpoint_path)
        network = build_detector()
        network.load_state_dict({name: value.cpu() for name, value in self._average.items()})
        write_detector(network, path)

    def _step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        for group in self._optimizer.param_groups:
            group["lr"] = self.plan.schedule.rate(self.step, self._minutes)
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            predictions = self.network(batch["img"])
        # The losses decode boxes, where bfloat16 would step by whole pixels.
        losses, parts = self.network.loss(batch, _to_float(predictions))
        self._optimizer.zero_grad(set_to_none=True)
        (losses.sum() / len(batch["img"])).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        if self._gradients.is_sound(norm, self.step):
            self._optimizer.step()
        self.step += 1
        follow(self._average, self.network.state_dict(), self.step, self.plan.average_decay)
        if isinstance(parts, Tensor):  # Ultralytics before it gave names with the losses
            parts = dict(zip(_LOSS_NAMES, parts, strict=False))
        return {name: value.detach() for name, value in parts.items()} | {"grad_norm": norm}

    def _report(self, values: dict[str, float]) -> None:
        values = {"step": self.step, "minutes": round(self._minutes, 2)} | values
        log_numbers(self._output / "log.jsonl", values)
        log.info("%s", "  ".join(f"{name} {value}" for name, value in values.items()))


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


def _split(network: PoseModel) -> tuple[list[Tensor], list[Tensor]]:
    """Return the weights that decay, and biases and norms, which do not."""
    trained = [value for value in network.parameters() if value.requires_grad]
    return [value for value in trained if value.ndim > 1], [value for value in trained if value.ndim <= 1]


def _to_float(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _to_float(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_float(item) for item in value)
    return value
