"""The trainings behind the table: what all variants share, then one training per variant and seed; each goes on."""

import json
import logging
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from dpmesh.body import BodyModel
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.training.ablation.variants import FULL, Variant
from dpmesh.training.autoencoder.trainer import Autoencoder, AutoencoderTraining
from dpmesh.training.diffusion.trainer import DiffusionTraining, PoseDiffusion
from dpmesh.training.engine.checkpoint import CHECKPOINT, read_checkpoint
from dpmesh.training.engine.loop import Loop, LoopPlan
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.engine.shards import write_whole
from dpmesh.training.noise.simulated import CLEAN, KeypointNoise
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.evaluate import LEVELS, Errors, measure_errors
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan, read_teacher

log = logging.getLogger(__name__)

ALL = "all"
AUTOENCODER_RATE = 1e-3
SHARED_SEED = 1000
"""Of what all variants share, so that no variant's random start is also the start of the prior."""
NOISE = KeypointNoise()


@dataclass(frozen=True, slots=True)
class Budget:
    """Steps of each training and how a step is taken; what is not shared is the same for every variant."""

    steps: int
    autoencoder_steps: int
    prior_steps: int
    teacher_steps: int
    batch_rows: int
    learning_rate: float
    is_bfloat16: bool = True


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one training led to."""

    name: str
    seed: int
    errors: dict[str, Errors]  # by level of occlusion, `ALL` among them
    crops: dict[str, int]  # held-out crops per level
    parameters: int
    minutes: float  # of training


class Ablation:
    """Trains and measures variants in one folder."""

    def __init__(
        self,
        base: NetworkConfig,
        body: BodyModel,
        budget: Budget,
        train: CropShards,
        held: CropShards,
        output: Path,
        *,
        device: str = "cpu",
    ) -> None:
        self._base, self._body, self._budget = base, body, budget
        self._train, self._held, self._output, self._device = train, held, output, device

    def result(self, variant: Variant, seed: int) -> RunResult:
        """Return what a variant reaches; what is on disk is read, what was broken off goes on."""
        folder = self._output / "runs" / f"{variant.name}_{seed}"
        note = folder / "result.json"
        if note.exists():
            found = json.loads(note.read_text())
            errors = {level: Errors(**values) for level, values in found.pop("errors").items()}
            return RunResult(errors=errors, **found)
        trainer = self._trained(variant, seed, folder)
        measured = measure_errors(
            trainer.averaged(),
            self._body,
            self._held,
            NOISE,
            device=self._device,
            is_image_used=variant.is_image_used,
        )
        parts = {ALL: measured} | {level: measured.of_level(level) for level in LEVELS}
        result = RunResult(
            name=variant.name,
            seed=seed,
            errors={level: part.means() for level, part in parts.items()},
            crops={level: len(part.apart_mm) for level, part in parts.items()},
            parameters=sum(parameter.numel() for parameter in trainer.network.parameters()),
            minutes=read_checkpoint(trainer.checkpoint_path)["minutes"],
        )
        text = json.dumps(asdict(result), indent=1)
        write_whole(note, lambda draft: draft.write_text(text))
        return result

    def _trained(self, variant: Variant, seed: int, folder: Path) -> Trainer:
        prior = self._prior() if variant.has_prior else None
        teacher = read_teacher(self._teacher()) if variant.has_reasoning else None
        log.info("%s, seed %d", variant.title, seed)
        trainer = self._recovery(variant, seed, folder, self._budget.steps, NOISE, teacher)
        self._go_on(trainer, prior, "backbone")
        return trainer

    def _teacher(self) -> Path:
        """Return the checkpoint of the full network on clean keypoints, trained where that is left to do."""
        folder = self._output / "teacher"
        if not _is_done(folder, self._budget.teacher_steps):
            log.info("teacher")
            trainer = self._recovery(FULL, SHARED_SEED, folder, self._budget.teacher_steps, CLEAN, None)
            self._go_on(trainer, self._prior(), "backbone")
        return folder / CHECKPOINT

    def _prior(self) -> Path:
        """Return the checkpoint of the diffusion prior, trained where that is left to do, its autoencoder before it."""
        first, folder, backbone = self._output / "autoencoder", self._output / "prior", self._base.backbone
        steps, encoder_steps = self._budget.prior_steps, self._budget.autoencoder_steps
        if _is_done(folder, steps):
            return folder / CHECKPOINT
        if not _is_done(first, encoder_steps):
            log.info("autoencoder")
            torch.manual_seed(SHARED_SEED)
            plan = self._plan(encoder_steps, AUTOENCODER_RATE)
            self._go_on(AutoencoderTraining(Autoencoder(backbone), plan, first, device=self._device))
        log.info("prior")
        torch.manual_seed(SHARED_SEED)
        plan = self._plan(steps, self._budget.learning_rate)
        training = DiffusionTraining(PoseDiffusion(backbone), plan, folder, device=self._device)
        self._go_on(training, first / CHECKPOINT, "backbone.latents")
        return folder / CHECKPOINT

    def _recovery(
        self,
        variant: Variant,
        seed: int,
        folder: Path,
        steps: int,
        noise: KeypointNoise,
        teacher: DPMesh | None,
    ) -> Trainer:
        torch.manual_seed(seed)
        shared = self._plan(steps, self._budget.learning_rate, seed)
        options = {item.name: getattr(shared, item.name) for item in fields(shared)}
        plan = TrainingPlan(**options, is_image_used=variant.is_image_used, noise=noise)
        network = DPMesh(**variant.config_of(self._base).to_mappings())
        return Trainer(network, self._body, plan, folder, device=self._device, teacher=teacher)

    def _plan(self, steps: int, rate: float, seed: int = 0) -> LoopPlan:
        budget = self._budget
        return LoopPlan(
            Schedule(rate, steps, warm_up_steps=min(200, max(1, steps // 5))),
            batch_rows=budget.batch_rows,
            seed=seed,
            is_bfloat16=budget.is_bfloat16,
            report_steps=20,
            checkpoint_steps=100,
        )

    def _go_on(self, training: Loop[Any, Crops, CropShards], start: Path | None = None, part: str = "") -> None:
        if not training.resume() and start is not None:
            training.start_from(start, part)
        training.train(self._train, None)


def _is_done(folder: Path, steps: int) -> bool:
    path = folder / CHECKPOINT
    return path.exists() and read_checkpoint(path)["step"] >= steps
