"""Simulated hints for a batch: their errors go along with those of the lift, which sees the same people."""

import torch
from torch import Tensor

from dpmesh.body import BodyModel
from dpmesh.network.hints import hint_places
from dpmesh.network.model import DPMesh
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.hints import HintNoise, KnownPeople, noisy_hints


@torch.no_grad()
def simulate_hints(
    network: DPMesh, body: BodyModel, joints: Tensor, mask: Tensor, people: KnownPeople, noise: HintNoise, rng: Rng
) -> Tensor:
    """Return hints (R, 12, 4) of people in the axes of their crops.

    Args:
        network: its lift tells what the keypoints alone say.
        body: of the network.
        joints: (R, 30, 2) keypoints in grid cells, of which people lie in no other way than in `people`.
        mask: (R, 30, 1) confidence.
        people: who is seen.
        noise: how wrong the source is.
        rng: what draws.
    """
    output = network.forward(None, joints, mask)
    lifted = body.joints_from_matrices(output.pose.float(), output.betas.float(), joint_set="smpl24")
    return noisy_hints(people, hint_places(lifted), noise, rng)
