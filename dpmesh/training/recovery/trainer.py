"""Training of the recovery network: what it is given, what it is paid for, how wrong it is on held-out crops."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from torch import Tensor

from configs.errors import InputError
from dpmesh.body import BodyModel
from dpmesh.network.model import DPMesh
from dpmesh.training.crops import Crops
from dpmesh.training.loop import Loop, LoopPlan
from dpmesh.training.recovery.batches import TrainingBatch, prepare
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.evaluate import measure_errors
from dpmesh.training.recovery.losses import recovery_losses
from dpmesh.training.recovery.noise import KeypointNoise
from dpmesh.training.recovery.posefix import PoseFixNoise
from dpmesh.training.recovery.published_look import with_published_look
from dpmesh.training.recovery.published_losses import PublishedRecipe


@dataclass(frozen=True, slots=True)
class TrainingPlan(LoopPlan):
    """How a recovery network is trained."""

    is_image_used: bool = True  # False trains what lies past the image features, much faster
    noise: KeypointNoise | PoseFixNoise = field(default_factory=KeypointNoise)
    has_published_losses: bool = False  # and looks: the released training's, for networks with the published camera


class Trainer(Loop[DPMesh, Crops, CropShards]):
    """Trains a recovery network on crops."""

    plan: TrainingPlan

    def __init__(
        self, network: DPMesh, body: BodyModel, plan: TrainingPlan, output: Path, *, device: str = "cpu"
    ) -> None:
        has_published_camera = network.settings.regressor.camera_head == "published"
        if plan.has_published_losses != has_published_camera:
            raise InputError(
                f"camera_head is {network.settings.regressor.camera_head!r}: only networks with the published camera"
                " train with the published losses, and these with no others; give --losses accordingly"
            )
        recipe = PublishedRecipe() if plan.has_published_losses else None
        super().__init__(network, plan, output, device=device, config=network.settings.to_mappings(), learned=recipe)
        self._body = body

    def losses(self, batch: Crops, turn: int) -> dict[str, Tensor]:
        """Return the weighted losses by name."""
        ready = self._prepare(batch.to(self.device), turn)
        with self.autocast():
            image = ready.image if self.plan.is_image_used else None
            output = self.running(image, ready.joints, ready.mask)
        if self.plan.has_published_losses:
            return self.running_losses(output, ready.truth, self._body)
        return recovery_losses(output, ready.truth, self._body)

    def measure(self, network: DPMesh, held: CropShards) -> dict[str, float]:
        """Return held-out errors with noisy keypoints that are the same at every call."""
        errors = measure_errors(
            network,
            self._body,
            held,
            KeypointNoise(),
            device=self.device,
            is_image_used=self.plan.is_image_used,
        )
        return asdict(errors.means())

    def _prepare(self, crops: Crops, turn: int) -> TrainingBatch:
        plan, chance = self.plan, self.chance(1, turn)
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
