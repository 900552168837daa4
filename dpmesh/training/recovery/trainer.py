"""Training of the recovery network: what it is given, what it is paid for, how wrong it is on held-out crops."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from configs.errors import InputError
from dpmesh.body import BodyModel
from dpmesh.network.model import DPMesh
from dpmesh.training.engine.checkpoint import read_config, take_over
from dpmesh.training.engine.loop import Loop, LoopPlan
from dpmesh.training.noise.hints import HintNoise
from dpmesh.training.noise.posefix import PoseFixNoise
from dpmesh.training.noise.simulated import CLEAN, KeypointNoise, NoiseMix
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import TrainingBatch, prepare
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.evaluate import measure_errors
from dpmesh.training.recovery.hints import simulate_hints
from dpmesh.training.recovery.losses import EQUATION_9, OWN_WEIGHTS, recovery_losses
from dpmesh.training.recovery.published_augmentation import with_published_augmentation
from dpmesh.training.recovery.published_losses import PublishedRecipe
from dpmesh.training.recovery.reasoning import reasoning_losses


@dataclass(frozen=True, slots=True)
class TrainingPlan(LoopPlan):
    """How a recovery network is trained."""

    is_image_used: bool = True  # False trains what lies past the image features, much faster
    noise: KeypointNoise | NoiseMix | PoseFixNoise = field(default_factory=KeypointNoise)
    hint_noise: HintNoise | None = None  # None gives no hints
    has_published_losses: bool = False  # and looks: the released training's, for networks with the published camera
    is_weighed_as_paper: bool = False  # losses by equation 9, whichever they are
    is_reasoning_multi_scale: bool = False  # the teacher's hierarchical features are followed, see `reasoning_losses`


class Trainer(Loop[DPMesh, Crops, CropShards]):
    """Trains a recovery network on crops."""

    plan: TrainingPlan

    def __init__(
        self,
        network: DPMesh,
        body: BodyModel,
        plan: TrainingPlan,
        output: Path,
        *,
        device: str = "cpu",
        teacher: DPMesh | None = None,
    ) -> None:
        """Make ready; with a teacher, which sees clean keypoints and stays as it is, the features follow its own."""
        has_published_camera = network.settings.regressor.camera_head == "published"
        if plan.has_published_losses != has_published_camera:
            raise InputError(
                f"camera_head is {network.settings.regressor.camera_head!r}: only networks with the published camera"
                " train with the published losses, and these with no others; give --losses accordingly"
            )
        if teacher is not None and not plan.is_image_used:
            raise InputError("a teacher gives image features, which training without images has not; leave one out")
        self._recipe: Any = None  # of the published losses, with parameters of its own where it learns their weights
        if plan.has_published_losses:
            self._recipe = PublishedRecipe(is_weighed_as_paper=plan.is_weighed_as_paper)
        learned = None if plan.is_weighed_as_paper else self._recipe
        super().__init__(network, plan, output, device=device, config=network.settings.to_mappings(), learned=learned)
        self._body = body
        self._teacher = None if teacher is None else teacher.to(device).eval().requires_grad_(False)

    def losses(self, batch: Crops, turn: int) -> dict[str, Tensor]:
        """Return the weighted losses by name."""
        crops = batch.to(self.device)
        ready = self._prepare(crops, turn)
        with self.autocast():
            image = ready.image if self.plan.is_image_used else None
            output = self.running(image, ready.joints, ready.mask, hints=self._hints(ready, turn))
        if self.plan.has_published_losses:
            weighed = self._recipe if self.running_losses is None else self.running_losses
            paid = weighed(output, ready.truth, self._body)
        else:
            weights = EQUATION_9 if self.plan.is_weighed_as_paper else OWN_WEIGHTS
            paid = recovery_losses(output, ready.truth, self._body, weights)
        if self._teacher is None:
            return paid
        clean = self._prepare(crops, turn, is_clean=True)
        with torch.no_grad(), self.autocast():
            wanted = self._teacher.forward(clean.image, clean.joints, clean.mask)
        return paid | reasoning_losses(output, wanted, is_multi_scale=self.plan.is_reasoning_multi_scale)

    def measure(self, network: DPMesh, held: CropShards) -> dict[str, float]:
        """Return held-out errors with noisy keypoints that are the same at every call."""
        errors = measure_errors(
            network,
            self._body,
            held,
            KeypointNoise(),
            device=self.device,
            is_image_used=self.plan.is_image_used,
            hint_noise=self.plan.hint_noise,
        )
        return asdict(errors.means())

    def _hints(self, ready: TrainingBatch, turn: int) -> Tensor | None:
        noise = self.plan.hint_noise
        if noise is None:
            return None
        return simulate_hints(
            self.network, self._body, ready.joints, ready.mask, ready.truth, noise, self.rng(11, turn)
        )

    def _prepare(self, crops: Crops, turn: int, *, is_clean: bool = False) -> TrainingBatch:
        """Return what the network is given of crops; clean, what a teacher is: the same view, keypoints as they are."""
        plan = self.plan
        has_published_augmentation = plan.has_published_losses and plan.is_image_used
        batch = prepare(
            crops,
            self.rng(1, turn),
            CLEAN if is_clean else plan.noise,
            is_augmented=True,
            has_images=plan.is_image_used,
            is_recoloured=not has_published_augmentation and not is_clean,
        )
        return with_published_augmentation(batch, self.rng(9, turn)) if has_published_augmentation else batch


def read_teacher(checkpoint: Path) -> DPMesh:
    """Return the network of a recovery training with its averaged weights."""
    network: DPMesh = DPMesh(**read_config(checkpoint, "backbone_config", "regressor_config"))
    take_over(network, checkpoint)
    return network
