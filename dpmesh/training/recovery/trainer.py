"""The training loop: time-boxed, resumable, with an average of the weights and a held-out error as it goes."""

import json
import logging
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from configs.errors import InputError
from dpmesh.body import BodyModel
from dpmesh.network.config import preset as network_preset
from dpmesh.network.model import DPMesh
from dpmesh.training.average import follow, start_average
from dpmesh.training.crops import Crops
from dpmesh.training.recovery.batches import TrainingBatch, prepare
from dpmesh.training.recovery.crops import CropShards, CropSource
from dpmesh.training.recovery.evaluate import Errors, measure_errors
from dpmesh.training.recovery.losses import recovery_losses
from dpmesh.training.recovery.noise import KeypointNoise
from dpmesh.training.recovery.posefix import PoseFixNoise
from dpmesh.training.recovery.published_look import with_published_look
from dpmesh.training.recovery.published_losses import PublishedRecipe
from dpmesh.training.render.chance import Chance
from dpmesh.training.schedule import Schedule, Stopwatch

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How a network is trained."""

    schedule: Schedule
    batch_rows: int = 64
    weight_decay: float = 1e-4
    average_decay: float = 0.998
    clip_norm: float = 1.0
    seed: int = 0
    is_bfloat16: bool = True
    is_image_used: bool = True  # False trains what lies past the image features, much faster
    noise: KeypointNoise | PoseFixNoise = field(default_factory=KeypointNoise)
    has_published_losses: bool = False  # and looks: the released training's, for networks with the published camera
    report_steps: int = 50
    checkpoint_steps: int = 500
    validation_steps: int = 1000


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Return what `Trainer.save` wrote; nothing in the file is executed."""
    return torch.load(path, map_location=device, weights_only=True)


def find_config(output: Path, preset: str) -> dict[str, Any]:
    """Return the network's arguments: those of the checkpoint in a folder if there is one, else the preset's."""
    path = output / CHECKPOINT
    return read_checkpoint(path)["config"] if path.exists() else network_preset(preset).to_mappings()


class Trainer:
    """Trains a network on crops; everything a later process needs to go on is in `checkpoint.pt`."""

    def __init__(
        self, network: DPMesh, body: BodyModel, plan: TrainingPlan, output: Path, *, device: str = "cpu"
    ) -> None:
        self.network = network.to(device)
        self.plan = plan
        self.step = 0
        self._minutes = 0.0
        self._body = body
        self._output = output
        self._device = device
        has_published_camera = network.settings.regressor.camera_head == "published"
        if plan.has_published_losses != has_published_camera:
            raise InputError(
                f"camera_head is {network.settings.regressor.camera_head!r}: only networks with the published camera"
                " train with the published losses, and these with no others; give --losses accordingly"
            )
        self._published = PublishedRecipe().to(device) if plan.has_published_losses else None
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(
            trained,
            lr=plan.schedule.learning_rate,
            weight_decay=plan.weight_decay,
            betas=(0.9, 0.98),
            fused=device.startswith("cuda"),
        )
        if self._published is not None:
            self._optimizer.add_param_group({"params": list(self._published.parameters()), "weight_decay": 0.0})
        self._average = start_average(network.state_dict())
        output.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint_path(self) -> Path:
        """Where the state for a later process lies."""
        return self._output / CHECKPOINT

    def resume(self) -> bool:
        """Continue from the checkpoint if there is one; return whether there was."""
        if not self.checkpoint_path.exists():
            return False
        state = read_checkpoint(self.checkpoint_path, self._device)
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._published is not None:
            self._published.load_state_dict(state["published"])
        self._average = state["average"]
        self.step, self._minutes = state["step"], state["minutes"]
        return True

    def start_from(self, checkpoint: Path, part: str = "") -> None:
        """Take over the averaged weights of another training, and begin a schedule of our own.

        Args:
            checkpoint: of another `Trainer`.
            part: only this part of the network ("backbone"); all of it when empty.

        Raises:
            InputError: the checkpoint's network has other tensors there.
        """
        stored = read_checkpoint(checkpoint, self._device)["average"]
        wanted = self.network.state_dict()
        names = [name for name in wanted if name.startswith(f"{part}." if part else "")]
        other = [name for name in names if name not in stored or stored[name].shape != wanted[name].shape]
        if other:
            raise InputError(f"{checkpoint}: is of another network, {other[0]} differs; train it with this --config")
        self.network.load_state_dict(wanted | {name: stored[name] for name in names})
        self._average = start_average(self.network.state_dict())

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each whole or not at all."""
        state = {
            "config": self.network.settings.to_mappings(),
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "published": None if self._published is None else self._published.state_dict(),
            "average": self._average,
            "step": self.step,
            "minutes": self._minutes,
        }
        part = self.checkpoint_path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint_path)

    def train(self, crops: CropSource, validation: CropShards | None, *, pause_after: float = math.inf) -> None:
        """Go on until the schedule ends or this call has lasted `pause_after` minutes."""
        plan = self.plan
        watch, first = Stopwatch(self._minutes), self.step
        sums: dict[str, Tensor] = {}
        summed = 0
        self.network.train()
        while plan.schedule.share(self.step, self._minutes) < 1.0 and watch.here < pause_after:
            batch = crops.batch(plan.batch_rows, self.step).to(self._device)
            chance = Chance((plan.seed, 1, self.step), self._device)
            ready = self._prepare(batch, chance)
            losses = self._step(ready)
            self._minutes = watch.minutes
            for name, value in losses.items():
                sums[name] = sums[name] + value if name in sums else value
            summed += 1
            if self.step % plan.report_steps == 0:
                pace = (self.step - first) * plan.batch_rows / (60 * watch.here)
                means = {name: round(float(value) / summed, 4) for name, value in sums.items()}
                self._report({"crops_per_s": round(pace, 1), **means})
                sums, summed = {}, 0
            if self.step % plan.checkpoint_steps == 0:
                self.save()
            if validation is not None and self.step % plan.validation_steps == 0:
                self._report(asdict(self.validate(validation)))
        self.save()
        if validation is not None:
            self._report(asdict(self.validate(validation)))

    def averaged(self) -> DPMesh:
        """Return a copy of the network with the averaged weights, ready to run."""
        copy: DPMesh = DPMesh(**self.network.settings.to_mappings())
        copy.to(self._device)
        copy.load_state_dict(self._average)
        return copy.eval()

    def validate(self, crops: CropShards) -> Errors:
        """Return held-out errors with noisy keypoints that are the same at every call."""
        return measure_errors(
            self.averaged(),
            self._body,
            crops,
            KeypointNoise(),
            device=self._device,
            is_image_used=self.plan.is_image_used,
        ).means()

    def _prepare(self, crops: Crops, chance: Chance) -> TrainingBatch:
        plan = self.plan
        has_look = plan.has_published_losses and plan.is_image_used
        batch = prepare(
            crops,
            chance,
            plan.noise,
            is_augmented=True,
            has_images=plan.is_image_used,
            is_recoloured=not has_look,
        )
        return with_published_look(batch, chance) if has_look else batch

    def _step(self, batch: TrainingBatch) -> dict[str, Tensor]:
        for group in self._optimizer.param_groups:
            group["lr"] = self.plan.schedule.rate(self.step, self._minutes)
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self.plan.is_bfloat16):
            image = batch.image if self.plan.is_image_used else None
            output = self.network(image, batch.joints, batch.mask)
        if self._published is None:
            losses = recovery_losses(output, batch.truth, self._body)
        else:
            losses = self._published(output, batch.truth, self._body)
        total = torch.stack(list(losses.values())).sum()
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        if torch.isfinite(norm):
            self._optimizer.step()
        self.step += 1
        follow(self._average, self.network.state_dict(), self.step, self.plan.average_decay)
        return {name: value.detach() for name, value in losses.items()} | {"grad_norm": norm}

    def _report(self, values: dict[str, float]) -> None:
        values = {"step": self.step, "minutes": round(self._minutes, 2)} | values
        with open(self._output / "log.jsonl", "a") as file:
            file.write(json.dumps(values) + "\n")
        log.info("%s", "  ".join(f"{name} {value}" for name, value in values.items()))
