"""Errors of a recovery network on held-out crops; run as a command, with the image and without it."""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from dpmesh.body import BodyModel, load_body
from dpmesh.geometry.align import mpjpe_mm, pa_mpjpe_mm
from dpmesh.network.model import DPMesh
from dpmesh.training.recovery.batches import prepare
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.noise import KeypointNoise

LIMBS_OF_24 = (1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21)
SEED = 12345  # the keypoints are equally wrong at every call
BATCH = 64


@torch.no_grad()
def measure_errors(
    network: DPMesh,
    body: BodyModel,
    crops: CropShards,
    noise: KeypointNoise,
    *,
    device: str = "cpu",
    is_image_used: bool = True,
    limit: int = 1024,
) -> tuple[float, float]:
    """Return MPJPE (pelvis on pelvis) and PA-MPJPE in millimetres over 14 joints of at least `limit` crops."""
    rng = np.random.default_rng(SEED)
    root_aligned, aligned = [], []
    for batch in crops.in_order(BATCH):
        ready = prepare(batch, rng, device, noise, is_augmented=False)
        output = network.forward(ready.image if is_image_used else None, ready.joints, ready.mask)
        root = ready.truth.camera_from_crop @ output.pose[:, 0].float()
        pose = torch.cat([root[:, None], output.pose[:, 1:].float()], dim=1)
        joints = body.joints_from_matrices(pose, output.betas.float(), joint_set="smpl24")
        chosen = [0, *LIMBS_OF_24]
        found, wanted = joints[:, chosen].cpu().numpy(), ready.truth.joints30_cam[:, chosen].cpu().numpy()
        root_aligned.append(mpjpe_mm(found[:, 1:] - found[:, :1], wanted[:, 1:] - wanted[:, :1]))
        aligned.append(pa_mpjpe_mm(found[:, 1:], wanted[:, 1:]))
        if BATCH * len(aligned) >= limit:
            break
    return float(np.concatenate(root_aligned).mean()), float(np.concatenate(aligned).mean())


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m dpmesh.training.recovery.evaluate", description=__doc__)
    parser.add_argument("model", type=Path, help="folder with config and weights")
    parser.add_argument("--crops", type=Path, required=True, help="folder of held-out shards")
    parser.add_argument("--limit", type=int, default=1024)
    options = parser.parse_args()
    network = DPMesh.from_pretrained(options.model).float().eval()
    body, crops = load_body(None), CropShards([options.crops])
    for name, rate in (("simulated keypoint errors", 0.0), ("keypoints of the detector where it looked", 1.0)):
        for is_image_used in (True, False):
            errors = measure_errors(
                network,
                body,
                crops,
                KeypointNoise(detected_rate=rate),
                is_image_used=is_image_used,
                limit=options.limit,
            )
            image = "with the image" if is_image_used else "without"
            sys.stdout.write(f"{name}, {image}: MPJPE {errors[0]:.1f} mm, PA-MPJPE {errors[1]:.1f} mm\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
