"""Errors of a recovery network on held-out crops; run as a command, with the image and without it."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from configs.errors import DpmeshVideoError
from dpmesh.body import BodyModel, load_body
from dpmesh.geometry.align import find_similarity
from dpmesh.network.model import DPMesh
from dpmesh.training.recovery.batches import prepare
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.noise import KeypointNoise
from dpmesh.training.recovery.posefix import PoseFixNoise
from dpmesh.training.render.chance import Chance
from dpmesh.training.render.visibility import VISIBLE

LIMBS_OF_24 = (1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21)
SEED = 12345  # the keypoints are equally wrong at every call
BATCH = 64


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean distances over 14 joints, millimetres."""

    mpjpe_mm: float  # pelvis on pelvis
    pa_mpjpe_mm: float  # after a similarity
    unseen_pa_mpjpe_mm: float  # the same alignment, only joints that the crop does not show; 0 where it shows all


@torch.no_grad()
def measure_errors(
    network: DPMesh,
    body: BodyModel,
    crops: CropShards,
    noise: KeypointNoise | PoseFixNoise,
    *,
    device: str = "cpu",
    is_image_used: bool = True,
) -> Errors:
    """Return the errors over all crops."""
    root_aligned, aligned, unseen = [], [], []
    chosen = list(LIMBS_OF_24)
    for number, batch in enumerate(crops.in_order(BATCH)):
        # The keypoint errors are drawn on the CPU, so that every device is asked the same.
        ready = prepare(batch, Chance((SEED, number)), noise, is_augmented=False)
        image = ready.image.to(device) if is_image_used else None
        output = network.forward(image, ready.joints.to(device), ready.mask.to(device))
        root = output.pose[:, 0].float().cpu()
        if output.scale is not None:  # the published network's root is in the camera's axes already
            root = ready.truth.camera_from_crop @ root
        pose = torch.cat([root[:, None], output.pose[:, 1:].float().cpu()], dim=1)
        joints = body.joints_from_matrices(pose.to(device), output.betas.float(), joint_set="smpl24").cpu()
        found, wanted = joints.numpy(), ready.truth.joints30_cam[:, :24].numpy()
        apart = np.linalg.norm((found - found[:, :1]) - (wanted - wanted[:, :1]), axis=-1)[:, chosen]
        moved = find_similarity(found[:, chosen], wanted[:, chosen]).apply(found[:, chosen])
        left = np.linalg.norm(moved - wanted[:, chosen], axis=-1)
        root_aligned.append(apart.mean(1))
        aligned.append(left.mean(1))
        unseen.append(left[batch.visible30[:, chosen].numpy() != VISIBLE])
    parts = (np.concatenate(part) for part in (root_aligned, aligned, unseen))
    means = (1000 * float(part.mean()) if len(part) else 0.0 for part in parts)
    return Errors(*means)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m dpmesh.training.recovery.evaluate", description=__doc__)
    parser.add_argument("model", type=Path, help="folder with config and weights")
    parser.add_argument("--crops", type=Path, required=True, help="folder of held-out shards")
    parser.add_argument("--limit", type=int, default=2000)
    options = parser.parse_args()
    try:
        crops = CropShards([options.crops], limit=options.limit)
    except DpmeshVideoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    network = DPMesh.from_pretrained(options.model).float().eval()
    body = load_body(None)
    for is_image_used in (True, False):
        errors = measure_errors(network, body, crops, KeypointNoise(), is_image_used=is_image_used)
        numbers = {name: round(value, 1) for name, value in asdict(errors).items()}
        sys.stdout.write(f"{'with the image' if is_image_used else 'without'}: {json.dumps(numbers)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
