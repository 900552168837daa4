"""The loop that every training of a torch network shares: time-boxed, resumable, with an average of the weights.

Processes started together by `accelerate launch` train one network: each takes its own batches, gradients are averaged.
"""

import copy
import logging
import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast
from torch import Tensor, nn
from torchvision.utils import save_image

from configs.errors import InputError
from configs.lock import locked
from dpmesh.training.engine.average import follow, start_average
from dpmesh.training.engine.checkpoint import CHECKPOINT, load_weights, read_checkpoint, take_over
from dpmesh.training.engine.curves import draw_curves, log_numbers
from dpmesh.training.engine.divergence import GradientWatch, check_finite
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.schedule import Schedule, Stopwatch
from dpmesh.training.engine.shards import write_whole
from dpmesh.training.engine.stopping import StopRequest

log = logging.getLogger(__name__)

Network = TypeVar("Network", bound=Any)  # an nn.Module; mypy does not see that networks of diffusers are some
Batch = TypeVar("Batch")
Held = TypeVar("Held")
Given = TypeVar("Given", covariant=True)


class Source(Protocol[Given]):
    """Gives batches without end."""

    def batch(self, size: int, step: int) -> Given:
        """Return the batch of one training step; the same step gives the same batch."""


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """Duration and optimiser settings of a training."""

    schedule: Schedule
    batch_rows: int = 64
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.98)
    average_decay: float = 0.998
    clip_norm: float = 1.0
    seed: int = 0
    is_bfloat16: bool = True
    report_steps: int = 50
    checkpoint_steps: int = 500
    checkpoint_minutes: float = 3.0
    """A checkpoint is written after so many steps or minutes, whichever comes first."""
    validation_steps: int = 1000


class Loop(Generic[Network, Batch, Held]):
    """Trains a network; `checkpoint.pt` holds everything needed to resume.

    A training derives from it and says what its network is paid for (`losses`), how good it is (`measure`) and, where
    that can be looked at, what it makes (`sample_image`).
    """

    unit = "crops"
    """What a row of a batch is."""
    grown: tuple[str, ...] = ()
    """Tensors that may read more numbers than those of the weights that a training starts from."""

    def __init__(
        self,
        network: Network,
        plan: LoopPlan,
        output: Path,
        *,
        device: str = "cpu",
        config: dict[str, Any] | None = None,
        learned: nn.Module | None = None,
    ) -> None:
        """Make ready for the first step.

        Args:
            network: what is trained; parameters that need no gradient stay as they are.
            plan: how.
            output: folder of the checkpoint, the log, the curves and the samples.
            device: of this process.
            config: arguments of the network, kept in the checkpoint.
            learned: parameters of the losses, trained beside the network without weight decay.
        """
        self.network = network.to(device)
        self.plan = plan
        self.device = device
        self.step = 0
        self._minutes = 0.0
        self._output = output
        self._gradients = GradientWatch(self.checkpoint_path)
        self._config = config
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self.groups(trained),
            lr=plan.schedule.learning_rate,
            weight_decay=plan.weight_decay,
            betas=plan.betas,
            fused=device.startswith("cuda"),
        )
        self._learned = None if learned is None else learned.to(device)
        if learned is not None:
            self._optimizer.add_param_group({"params": list(learned.parameters()), "weight_decay": 0.0})
        self._frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
        self._average = start_average(network.state_dict(), self._frozen)
        # A stage may leave parts of its network aside, as the lift that trains without the image features does.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator = Accelerator(cpu=device == "cpu", kwargs_handlers=[unused])
        self.running = self._accelerator.prepare_model(self.network, device_placement=False)
        self.running_losses: Any = None
        if learned is not None:
            self.running_losses = self._accelerator.prepare_model(learned, device_placement=False)
        output.mkdir(parents=True, exist_ok=True)

    def groups(self, trained: list[nn.Parameter]) -> list[dict[str, Any]]:
        """Return the parameters in the groups that the optimiser takes, with what differs from the plan."""
        return [{"params": trained}]

    def losses(self, batch: Batch, turn: int) -> dict[str, Tensor]:
        """Return the weighted losses by name; their sum is what a step lowers.

        The network is called as `self.running`, inside `self.autocast()`. `turn` numbers the batches of all processes.
        """
        raise NotImplementedError

    def measure(self, network: Network, held: Held) -> dict[str, float]:
        """Return how good a network is on held-out data, by name."""
        raise NotImplementedError

    def sample_image(self, network: Network, held: Held) -> Tensor | None:
        """Return (3, H, W), 0 to 1, of what a network makes of held-out data; None where nothing can be looked at."""
        return None

    @property
    def checkpoint_path(self) -> Path:
        """Where the state for a later process lies."""
        return self._output / CHECKPOINT

    def autocast(self) -> torch.autocast:
        """Return the context in which the network computes."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.plan.is_bfloat16)

    def rng(self, kind: int, turn: int) -> Rng:
        """Return what draws for one use of one batch."""
        return Rng((self.plan.seed, kind, turn), self.device)

    def resume(self) -> bool:
        """Continue from the checkpoint if there is one; return whether there was.

        Raises:
            InputError: the checkpoint is damaged, of another network, or of a training of other parts of it.
        """
        if not self.checkpoint_path.exists():
            return False
        state = read_checkpoint(self.checkpoint_path, self.device)
        load_weights(self.network, state["network"], self.checkpoint_path)
        try:
            self._optimizer.load_state_dict(state["optimizer"])
        except ValueError as error:
            known = "give the options that it was trained with, such as --keep-lift"
            raise InputError(f"{self.checkpoint_path}: other parts of the network were trained; {known}") from error
        if self._learned is not None:
            load_weights(self._learned, state.get("published"), self.checkpoint_path)
        own = self.network.state_dict()
        self._average = state["average"] | {name: own[name] for name in self._frozen}
        self.step, self._minutes = state["step"], state["minutes"]
        log.info("%s: resumes at step %d; options for the start of a training are ignored", self._output, self.step)
        return True

    def start_from(self, start: Path, part: str = "") -> None:
        """Take over the averaged weights of another training, and begin a schedule of our own.

        Args:
            start: the checkpoint of another `Loop`, or a folder of weights such as `dpmesh/data/compact`.
            part: only this part of the network ("backbone"); all of it when empty.

        Raises:
            InputError: the other network has other tensors there.
        """
        take_over(self.network, start, part, self.grown)
        self._average = start_average(self.network.state_dict(), self._frozen)

    def take_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Give the network these of its tensors, and begin the average anew."""
        self.network.load_state_dict(self.network.state_dict() | dict(weights))
        self._average = start_average(self.network.state_dict(), self._frozen)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            RunError: the averaged weights are not finite; the checkpoint stays as it was.
        """
        if not self._accelerator.is_main_process:
            return
        check_finite(self._average, self.checkpoint_path)
        state = {
            "config": self._config,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "published": None if self._learned is None else self._learned.state_dict(),
            "average": self._average,
            "step": self.step,
            "minutes": self._minutes,
        }
        write_whole(self.checkpoint_path, lambda draft: torch.save(state, draft))

    def train(self, source: Source[Batch], validation: Held | None, *, pause_after: float = math.inf) -> None:
        """Go on until the schedule ends or this call has lasted `pause_after` minutes.

        Raises:
            RunError: the training has diverged, or another one writes into the same folder.
            KeyboardInterrupt: it was asked to stop, and has saved.
        """
        with locked(self._output) if self._accelerator.is_main_process else nullcontext():
            with StopRequest() as stop:
                is_stopped = self._train(source, validation, pause_after, stop)
            if is_stopped:
                raise stop.stopped_at(self.step)
            self._look_back(validation)
            self._accelerator.wait_for_everyone()

    def _train(self, source: Source[Batch], validation: Held | None, pause_after: float, stop: StopRequest) -> bool:
        """Take steps and save; return whether that was asked to stop."""
        plan, processes = self.plan, self._accelerator.num_processes
        watch, first, before = Stopwatch(self._minutes), self.step, self._minutes
        sums: dict[str, Tensor] = {}
        summed, saved, is_stopped = 0, before, False

        def report() -> None:
            pace = (self.step - first) * plan.batch_rows * processes / (60 * watch.here)
            means = {name: round(float(value) / summed, 4) for name, value in sums.items()}
            self._report({f"{self.unit}_per_s": round(pace, 1), **means})

        self.network.train()
        while plan.schedule.fraction(self.step, self._minutes) < 1.0 and self._minutes - before < pause_after:
            turn = self.step * processes + self._accelerator.process_index
            losses = self._step(source.batch(plan.batch_rows, turn), turn)
            self._minutes, is_stopped = self._shared(watch.minutes, stop.is_asked)
            if is_stopped:
                break
            for name, value in losses.items():
                sums[name] = sums[name] + value if name in sums else value
            summed += 1
            if self.step % plan.report_steps == 0:
                report()
                sums, summed = {}, 0
            if self.step % plan.checkpoint_steps == 0 or self._minutes - saved >= plan.checkpoint_minutes:
                self.save()
                saved = self._minutes
            if self.step % plan.validation_steps == 0:
                self._look_back(validation)
        self.save()
        if summed:
            report()
        return is_stopped

    def averaged(self) -> Network:
        """Return a copy of the network with the averaged weights, ready to run.

        Raises:
            RunError: they are not finite.
        """
        check_finite(self._average, self.checkpoint_path)
        network = copy.deepcopy(self.network)
        network.load_state_dict(self._average)
        return network.eval()

    def _step(self, batch: Batch, turn: int) -> dict[str, Tensor]:
        for group in self._optimizer.param_groups:
            group["lr"] = self.plan.schedule.rate(self.step, self._minutes)
        losses = self.losses(batch, turn)
        total = torch.stack(list(losses.values())).sum()
        self._optimizer.zero_grad(set_to_none=True)
        self._accelerator.backward(total)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        if self._gradients.is_sound(norm, self.step):
            self._optimizer.step()
        self.step += 1
        moving = {name: value for name, value in self.network.state_dict().items() if name not in self._frozen}
        follow(self._average, moving, self.step, self.plan.average_decay)
        return {name: value.detach() for name, value in losses.items()} | {"grad_norm": norm}

    def _shared(self, minutes: float, is_asked: bool) -> tuple[float, bool]:
        """Return the first process's minutes and whether it was asked to stop: all processes stop at the same step."""
        if self._accelerator.num_processes == 1:
            return minutes, is_asked
        told = broadcast(torch.tensor([minutes, is_asked], dtype=torch.float32, device=self.device)).tolist()
        return told[0], bool(told[1])

    def _look_back(self, validation: Held | None) -> None:
        if validation is None or not self._accelerator.is_main_process:
            return
        network = self.averaged()
        self._report(self.measure(network, validation))
        draw_curves(self._output / "log.jsonl", self._output / "curves.png")
        sample_image = self.sample_image(network, validation)
        if sample_image is not None:
            samples = self._output / "samples"
            samples.mkdir(exist_ok=True)
            save_image(sample_image, samples / f"step_{self.step:07d}.png")

    def _report(self, values: dict[str, float]) -> None:
        if not self._accelerator.is_main_process:
            return
        values = {"step": self.step, "minutes": round(self._minutes, 2)} | values
        log_numbers(self._output / "log.jsonl", values)
        log.info("%s", "  ".join(f"{name} {value}" for name, value in values.items()))
