"""Training of the motion prior: losses and metrics."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpmesh.body import BodyModel
from dpmesh.geometry.align import find_similarity
from dpmesh.geometry.rotations import six_to_matrix
from dpmesh.training.engine.loop import Loop, LoopPlan
from refine.prior.network import MotionPrior
from refine.prior.schedule import TIME_COUNT, make_schedule
from refine.training.shards import MotionBatch, MotionShards

LIMBS = (1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21)  # hips to ankles, shoulders to wrists, in `smpl24`
CONDITION_DROPOUT = 0.12  # probability that the conditions of a window are dropped
PURE_NOISE_PROBABILITY = 0.4  # probability that a window is pure noise
NOISY_MAX = 700  # diffusion time of the other windows
MEASURED_ROWS = 64  # windows per batch
LINK_WEIGHT, LIMB_WEIGHT, NUMBER_WEIGHT, SPREAD_WEIGHT = 2.0, 0.5, 0.1, 0.01


class PriorTraining(Loop[MotionPrior, MotionBatch, MotionShards]):
    """Trains a motion prior."""

    unit = "windows"
    grown = ("told.weight",)

    def __init__(self, network: MotionPrior, body: BodyModel, plan: LoopPlan, output: Path, **options: Any) -> None:
        super().__init__(network, plan, output, **options)
        self._body = body
        self._kept = make_schedule().alphas_cumprod.to(self.device)

    def losses(self, batch: MotionBatch, turn: int) -> dict[str, Tensor]:
        """Return the losses of joints and their steps in metres, of the six numbers and of the predicted errors."""
        rng, count = self.rng(14, turn), len(batch.pose)
        time = torch.where(rng.coin(PURE_NOISE_PROBABILITY, count), TIME_COUNT - 1, rng.integers(NOISY_MAX, count))
        kept = self._kept[time, None, None, None]
        noisy = kept.sqrt() * batch.pose + (1.0 - kept).sqrt() * rng.normal(1.0, *batch.pose.shape)
        with self.autocast():
            made, spread = self.running(noisy, time, batch.conditions, ~rng.coin(CONDITION_DROPOUT, count))
        is_row = batch.conditions.is_row
        share = is_row / is_row.sum()
        links = (is_row[:, 1:] & is_row[:, :-1]) / is_row.sum()
        wrong = self._joints(made, batch.betas) - self._joints(batch.pose, batch.betas)
        apart = wrong.norm(dim=-1)
        steps = (wrong[:, 1:] - wrong[:, :-1]).norm(dim=-1)
        return {
            "joints": (apart.mean(-1) * share).sum(),
            "limbs": LIMB_WEIGHT * (apart[..., list(LIMBS)].mean(-1) * share).sum(),
            "steps": LINK_WEIGHT * (steps.mean(-1) * links).sum(),
            "numbers": NUMBER_WEIGHT * ((made - batch.pose).abs().mean((-2, -1)) * share).sum(),
            "spread": SPREAD_WEIGHT * (_surprise(made.detach(), batch.pose, spread).mean(-1) * share).sum(),
        }

    @torch.no_grad()
    def measure(self, network: MotionPrior, held: MotionShards) -> dict[str, float]:
        """Return errors of the mean motion and, named `was`, of the recovered one, in millimetres and m/s^2."""
        found: dict[str, list[Tensor]] = {}
        for start in range(0, len(held), MEASURED_ROWS):
            batch = held.rows(start, start + MEASURED_ROWS)
            noise = torch.randn(batch.pose.shape, generator=torch.Generator().manual_seed(start))
            time = torch.full((len(noise),), TIME_COUNT - 1)
            made, spread = network.forward(noise, time, batch.conditions)
            seen, true = batch.conditions.is_observed, self._joints(batch.pose, batch.betas)
            steps = batch.conditions.time_s.diff(dim=1)
            for name, pose in (("", made), ("was_", batch.recovered)):
                joints = self._joints(pose, batch.betas)
                apart = (joints - true)[..., list(LIMBS), :].norm(dim=-1).mean(-1)
                found.setdefault(f"{name}joints_mm", []).append(1000 * apart[seen])
                found.setdefault(f"{name}gaps_mm", []).append(1000 * apart[~seen])
                found.setdefault(f"{name}aligned_mm", []).append(1000 * _aligned(joints[seen], true[seen]))
                if steps.shape[1] > 1:
                    bend = (joints - true).diff(n=2, dim=1).norm(dim=-1).mean((1, 2)) / steps.mean(1).square()
                    found.setdefault(f"{name}acceleration", []).append(bend)
            found.setdefault("surprise", []).append(_surprise(made, batch.pose, spread).flatten())
        return {name: round(float(torch.cat(values).mean()), 2) for name, values in found.items()}

    def _joints(self, poses: Tensor, betas: Tensor) -> Tensor:
        """Return the joints (N, T, 24, 3) about the pelvis."""
        count, frames = poses.shape[:2]
        rotations = six_to_matrix(poses.float()).flatten(0, 1)
        joints = self._body.joints_from_matrices(rotations, betas.repeat_interleave(frames, 0), joint_set="smpl24")
        return (joints - joints[:, :1]).unflatten(0, (count, frames))


def _surprise(made: Tensor, pose: Tensor, spread: Tensor) -> Tensor:
    """Return how unlikely (N, T, 24) the errors are under the predicted deviations: Gaussian, up to a constant."""
    squared = 0.5 * (six_to_matrix(made) - six_to_matrix(pose)).square().sum((-2, -1))
    return 0.5 * squared * (-2.0 * spread).exp() + 3.0 * spread + 3.0 * math.log(5.0)


def _aligned(joints: Tensor, true: Tensor) -> Tensor:
    """Return the mean distance (R,) of limbs after a similarity."""
    found, wanted = (each[:, list(LIMBS)].double().numpy() for each in (joints, true))
    return torch.from_numpy(find_similarity(found, wanted).apply(found) - wanted).norm(dim=-1).mean(-1)
