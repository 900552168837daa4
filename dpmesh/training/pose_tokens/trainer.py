"""Training of the pose tokenizer: which poses it sees, what it is paid for, how far its joints are off.

Source: arXiv 2404.01424, appendix A (codes and their averages); the weights are ours, no training was published.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dpmesh.body import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix
from dpmesh.network.config import RegressorConfig
from dpmesh.network.heads import orthonormal
from dpmesh.network.pose_tokens import PoseTokenizer, Reconstruction
from dpmesh.training.engine.loop import Loop, LoopPlan
from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.population import PoseSource

COMMITMENT_WEIGHT = 0.25
JOINT_WEIGHT = 2.0
REVIVE_STEPS = 10
DEAD_FRACTION = 0.05
"""A code is dead when it is chosen this often or less, as a fraction of how often all are chosen on average."""


class PoseTokens(nn.Module):
    """The tokenizer, named as in `DPMesh`, so that recovery can take over its weights."""

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.pose_prior = PoseTokenizer(config)

    def forward(self, poses: Tensor) -> Reconstruction:
        """Encode, quantise and decode poses (R, 23, 9)."""
        return self.pose_prior(poses)


@dataclass(frozen=True, slots=True)
class PoseDraws:
    """Poses of a source without end."""

    poses: PoseSource
    seed: int = 0

    def batch(self, size: int, step: int) -> Tensor:
        """Return rotations (size, 23, 3, 3) of the body joints; the same step gives the same poses."""
        return body_rotations(self.poses.sample(np.random.default_rng((self.seed, 7, step)), size, "train"))


def body_rotations(pose: np.ndarray) -> Tensor:
    """Return the rotations (N, 23, 3, 3) of poses (N, 24, 3) in axis-angle, without the root."""
    return axis_angle_to_matrix(torch.from_numpy(np.asarray(pose, np.float32))[:, 1:])


class TokenTraining(Loop[PoseTokens, Tensor, Tensor]):
    """Trains a pose tokenizer; batches and held-out data are rotations (R, 23, 3, 3)."""

    unit = "poses"

    def __init__(self, network: PoseTokens, body: BodyModel, plan: LoopPlan, output: Path, **options: Any) -> None:
        super().__init__(network, plan, output, **options)
        self._body = body

    def losses(self, batch: Tensor, turn: int) -> dict[str, Tensor]:
        """Return the losses of rotations, of joints in metres and of features away from their codes."""
        wanted = batch.to(self.device)
        tokenizer = self.network.pose_prior
        if self.step % REVIVE_STEPS == 0:
            revive_codes(tokenizer, wanted.flatten(2), self.rng(8, turn))
        made = self.running(wanted.flatten(2))
        found = made.poses.unflatten(-1, (3, 3))
        apart = (self._joints(found) - self._joints(wanted)).norm(dim=-1)
        return {
            "rotations": (found - wanted).abs().mean(),
            "joints": JOINT_WEIGHT * apart.mean(),
            "commitment": COMMITMENT_WEIGHT * made.commitment,
        }

    @torch.no_grad()
    def measure(self, network: PoseTokens, held: Tensor) -> dict[str, float]:
        """Return the mean distance of joints, pelvis on pelvis, in millimetres, and how many codes are in use."""
        apart, classes = [], []
        for part in held.split(256):
            wanted = part.to(self.device)
            made = network.forward(wanted.flatten(2))
            found = orthonormal(made.poses.unflatten(-1, (3, 3)))
            apart.append((self._joints(found) - self._joints(wanted)).norm(dim=-1).flatten())
            classes.append(made.classes.flatten())
        share = torch.bincount(torch.cat(classes)).float()
        share = share[share > 0] / share.sum()
        return {
            "joints_mm": round(1000 * float(torch.cat(apart).mean()), 2),
            "codes_used": len(share),
            "perplexity": round(float((-(share * share.log()).sum()).exp()), 1),
        }

    def _joints(self, rotations: Tensor) -> Tensor:
        """Return the joints (R, 23, 3) of the mean shape with an unturned root, in metres from the pelvis."""
        root = torch.eye(3, device=rotations.device).expand(len(rotations), 1, 3, 3)
        betas = rotations.new_zeros(len(rotations), 10)
        joints = self._body.joints_from_matrices(torch.cat([root, rotations], dim=1), betas, joint_set="smpl24")
        return joints[:, 1:] - joints[:, :1]


@torch.no_grad()
def revive_codes(tokenizer: PoseTokenizer, poses: Tensor, rng: Rng) -> int:
    """Put codes that are hardly ever chosen where features of poses (R, 23, 9) lie; return how many.

    A new codebook is all dead, and so begins at features. Without this most codes are never chosen again: the average
    of a code without features moves ever farther out.

    Source: Dhariwal et al. 2020, "Jukebox", section 3.1 (random restarts).
    """
    pool = tokenizer.encode(poses).flatten(0, 1)
    usual = len(pool) / len(tokenizer.codebook)
    dead = tokenizer.cluster_size <= DEAD_FRACTION * usual
    count = int(dead.sum())
    drawn = pool[rng.integers(len(pool), count)]
    tokenizer.codebook[dead] = drawn
    tokenizer.code_sum[dead] = usual * drawn
    tokenizer.cluster_size[dead] = usual
    return count
