"""Errors of a recovery network on held-out crops; run as a command, with the image and without it."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from dpmesh.body import BodyModel, load_body
from dpmesh.geometry.align import find_similarity
from dpmesh.network.config import LATENT_PX
from dpmesh.network.model import DPMesh
from dpmesh.quarter_turns import quarter_turns, turn_matrices, upright_images, upright_joints
from dpmesh.training.command import of_size, run_command
from dpmesh.training.option_types import positive_int
from dpmesh.training.recovery.batches import prepare
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.noise import CLEAN, KeypointNoise, measured_noise
from dpmesh.training.recovery.posefix import PoseFixNoise
from dpmesh.training.render.chance import Chance
from dpmesh.training.render.visibility import VISIBLE

LIMBS_OF_24 = (1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21)
SEED = 12345  # the keypoints are equally wrong at every call
BATCH = 64


LEVELS = {"none": (0.0, 0.1), "half": (0.1, 0.5), "heavy": (0.5, 1.01)}
"""Levels of occlusion: which share of the 14 joints the crop does not show, hidden or cut off; from, to below."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean distances over 14 joints, millimetres."""

    mpjpe_mm: float  # pelvis on pelvis
    pa_mpjpe_mm: float  # after a similarity
    unseen_pa_mpjpe_mm: float  # the same alignment, only joints that the crop does not show; 0 where it shows all


@dataclass(frozen=True, slots=True)
class JointErrors:
    """Distances in millimetres of every crop and joint."""

    apart_mm: np.ndarray  # (N, 14) pelvis on pelvis
    aligned_mm: np.ndarray  # (N, 14) after a similarity
    is_unseen: np.ndarray  # (N, 14) bool, joints that the crop does not show
    is_turned: np.ndarray  # (N,) bool, people who lie or are upside down, whose crops a run turns

    def means(self) -> Errors:
        """Return the means over all crops."""
        unseen = self.aligned_mm[self.is_unseen]
        parts = (self.apart_mm, self.aligned_mm, unseen)
        return Errors(*(float(part.mean()) if part.size else 0.0 for part in parts))

    def of_level(self, name: str) -> "JointErrors":
        """Return the crops of one of `LEVELS`."""
        low, high = LEVELS[name]
        share = self.is_unseen.mean(axis=1)
        return self.of_rows((share >= low) & (share < high))

    def of_rows(self, rows: np.ndarray) -> "JointErrors":
        """Return some crops, rows (N,) bool."""
        return JointErrors(*(getattr(self, name)[rows] for name in self.__slots__))


@torch.no_grad()
def measure_errors(
    network: DPMesh,
    body: BodyModel,
    crops: CropShards,
    noise: KeypointNoise | PoseFixNoise,
    *,
    device: str = "cpu",
    is_image_used: bool = True,
    are_turned: bool = True,
) -> JointErrors:
    """Return the errors of all crops.

    Args:
        are_turned: whether people who lie or are upside down are turned for the network, as in a run.
    """
    apart, aligned, unseen, lying = [], [], [], []
    chosen = list(LIMBS_OF_24)
    for number, batch in enumerate(crops.in_order(BATCH)):
        # The keypoint errors are drawn on the CPU, so that every device is asked the same.
        ready = prepare(batch, Chance((SEED, number)), noise, is_augmented=False)
        is_sure, side = ready.mask[..., 0].numpy() > 0, np.full(len(batch), float(LATENT_PX))
        turns = quarter_turns(ready.joints.numpy(), is_sure, side)
        lying.append(turns > 0)
        turns = turns * (are_turned and network.settings.regressor.camera_head != "published")
        image = upright_images(ready.image, turns).to(device) if is_image_used else None
        joints = upright_joints(ready.joints, turns)
        output = network.forward(image, joints.to(device), ready.mask.to(device))
        root = output.pose[:, 0].float().cpu()
        if output.scale is not None:  # the published network's root is in the camera's axes already
            root = ready.truth.camera_from_crop @ turn_matrices(turns) @ root
        pose = torch.cat([root[:, None], output.pose[:, 1:].float().cpu()], dim=1)
        joints = body.joints_from_matrices(pose.to(device), output.betas.float(), joint_set="smpl24").cpu()
        found, wanted = joints.numpy(), ready.truth.joints30_cam[:, :24].numpy()
        apart.append(np.linalg.norm((found - found[:, :1]) - (wanted - wanted[:, :1]), axis=-1)[:, chosen])
        moved = find_similarity(found[:, chosen], wanted[:, chosen]).apply(found[:, chosen])
        aligned.append(np.linalg.norm(moved - wanted[:, chosen], axis=-1))
        unseen.append(batch.visible30[:, chosen].numpy() != VISIBLE)
    apart_mm, aligned_mm = 1000 * np.concatenate(apart), 1000 * np.concatenate(aligned)
    return JointErrors(apart_mm, aligned_mm, np.concatenate(unseen), np.concatenate(lying))


def parse() -> argparse.Namespace:
    """Return the command's options."""
    parser = argparse.ArgumentParser(prog="python -m dpmesh.training.recovery.evaluate", description=__doc__)
    parser.add_argument("model", type=Path, help="folder with config and weights")
    parser.add_argument("--crops", type=Path, required=True, help="folder of held-out shards")
    parser.add_argument("--limit", type=positive_int, default=2000)
    parser.add_argument(
        "--noise", choices=("own", "measured", "reader", "clean"), default="own", help="the keypoints' errors"
    )
    parser.add_argument("--as-they-are", action="store_true", help="do not turn people who lie or are upside down")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    crops = CropShards([options.crops], limit=options.limit)
    network = DPMesh.from_pretrained(options.model).float().eval()
    of_size(crops, network.settings.backbone.image_px)
    body = load_body(None)
    noises = {
        "own": KeypointNoise(),
        "measured": measured_noise("detector"),
        "reader": measured_noise("reader"),
        "clean": CLEAN,
    }
    noise = noises[options.noise]
    for is_image_used in (True, False):
        errors = measure_errors(
            network, body, crops, noise, is_image_used=is_image_used, are_turned=not options.as_they_are
        )
        sys.stdout.write(f"{'with the image' if is_image_used else 'joints alone'}\n")
        parts = {"all": errors, **{name: errors.of_level(name) for name in LEVELS}}
        parts["lying"] = errors.of_rows(errors.is_turned)
        for name, part in parts.items():
            told = {key: round(value, 1) for key, value in asdict(part.means()).items()}
            sys.stdout.write(f"  {name:<6} {len(part.apart_mm):>5} crops  {json.dumps(told)}\n")


def main() -> int:
    """Run the command; return its exit code."""
    return run_command(parse, run)


if __name__ == "__main__":
    sys.exit(main())
