"""The training loop: time-boxed, resumable, with an average of the weights and a held-out error as it goes."""

import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dpmesh.body import BodyModel
from dpmesh.network.config import preset as network_preset
from dpmesh.network.model import DPMesh
from dpmesh.training.recovery.batches import TrainingBatch, prepare
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.evaluate import measure_errors
from dpmesh.training.recovery.losses import recovery_losses
from dpmesh.training.recovery.noise import KeypointNoise

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How a network is trained."""

    steps: int
    batch_rows: int = 64
    learning_rate: float = 6e-4
    warm_up_steps: int = 200
    weight_decay: float = 1e-4
    average_decay: float = 0.998
    clip_norm: float = 1.0
    seed: int = 0
    is_bfloat16: bool = True
    is_image_used: bool = True  # False trains what lies past the image features, much faster
    checkpoint_steps: int = 200
    validation_steps: int = 400


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
        self._body = body
        self._output = output
        self._device = device
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(
            trained, lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=(0.9, 0.98)
        )
        self._average = {name: value.detach().clone() for name, value in network.state_dict().items()}
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
        self._average = state["average"]
        self.step = state["step"]
        return True

    def start_from(self, checkpoint: Path) -> None:
        """Take over the averaged weights of another training, and begin a schedule of our own."""
        self.network.load_state_dict(read_checkpoint(checkpoint, self._device)["average"])
        self._average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each whole or not at all."""
        state = {
            "config": self.network.settings.to_mappings(),
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": self._average,
            "step": self.step,
        }
        part = self.checkpoint_path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint_path)

    def train(self, crops: CropShards, validation: CropShards | None, *, minutes: float | None = None) -> None:
        """Go on until the planned steps are done or the minutes are over."""
        noise = KeypointNoise()
        end = math.inf if minutes is None else time.monotonic() + 60 * minutes
        started, first = time.monotonic(), self.step
        sums: dict[str, float] = {}
        self.network.train()
        while self.step < self.plan.steps and time.monotonic() < end:
            rng = np.random.default_rng((self.plan.seed, self.step))
            crops.refresh()
            for batch in crops.batches(self.plan.batch_rows, rng):
                losses = self._step(prepare(batch, rng, self._device, noise, is_augmented=True))
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value
                if self.step % 50 == 0:
                    rate = (self.step - first) * self.plan.batch_rows / (time.monotonic() - started)
                    means = {name: round(value / 50, 4) for name, value in sums.items()}
                    self._report({"step": self.step, "crops_per_s": round(rate, 1), **means})
                    sums = {}
                if self.step % self.plan.checkpoint_steps == 0:
                    self.save()
                if validation is not None and self.step % self.plan.validation_steps == 0:
                    self._report({"step": self.step, **self.validate(validation)})
                if self.step >= self.plan.steps or time.monotonic() >= end:
                    break
        self.save()
        if validation is not None:
            self._report({"step": self.step, **self.validate(validation)})

    def averaged(self) -> DPMesh:
        """Return a copy of the network with the averaged weights, ready to run."""
        copy: DPMesh = DPMesh(**self.network.settings.to_mappings())
        copy.to(self._device)
        copy.load_state_dict(self._average)
        return copy.eval()

    def validate(self, crops: CropShards) -> dict[str, float]:
        """Return held-out errors in millimetres with noisy keypoints that are the same at every call."""
        mpjpe, aligned = measure_errors(
            self.averaged(),
            self._body,
            crops,
            KeypointNoise(),
            device=self._device,
            is_image_used=self.plan.is_image_used,
        )
        return {"val_mpjpe_mm": round(mpjpe, 2), "val_pa_mpjpe_mm": round(aligned, 2)}

    def _step(self, batch: TrainingBatch) -> dict[str, float]:
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self.plan.is_bfloat16):
            image = batch.image if self.plan.is_image_used else None
            output = self.network(image, batch.joints, batch.mask)
        losses = recovery_losses(output, batch.truth, self._body)
        total = torch.stack(list(losses.values())).sum()
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        if torch.isfinite(norm):
            self._optimizer.step()
        self.step += 1
        self._update_average()
        return {name: float(value.detach()) for name, value in losses.items()} | {"grad_norm": float(norm)}

    @torch.no_grad()
    def _update_average(self) -> None:
        # The early average follows closely, so that a short training is not held back by its random start.
        decay = min(self.plan.average_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self._average[name].lerp_(value, 1 - decay)
            else:
                self._average[name].copy_(value)

    def _learning_rate(self) -> float:
        plan = self.plan
        if self.step < plan.warm_up_steps:
            return plan.learning_rate * (self.step + 1) / plan.warm_up_steps
        share = (self.step - plan.warm_up_steps) / max(1, plan.steps - plan.warm_up_steps)
        return plan.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))

    def _report(self, values: dict[str, float]) -> None:
        with open(self._output / "log.jsonl", "a") as file:
            file.write(json.dumps(values) + "\n")
        log.info("%s", "  ".join(f"{name} {value}" for name, value in values.items()))
