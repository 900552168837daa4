"""Command: train the recovery network on crops, continuing where the last call stopped."""

import argparse
import json
import logging
import math
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from configs.errors import DpmeshVideoError
from dpmesh.body import load_body
from dpmesh.network.model import DPMesh
from dpmesh.training.live import add_live_options, open_live_studio
from dpmesh.training.recovery.crops import CropShards, CropSource, LiveCrops
from dpmesh.training.recovery.noise import KeypointNoise
from dpmesh.training.recovery.posefix import PoseFixNoise
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan, find_config
from dpmesh.training.schedule import Schedule


def parse() -> argparse.Namespace:
    """Return the command's options."""
    parser = argparse.ArgumentParser(prog="python -m dpmesh.training.recovery", description=__doc__)
    parser.add_argument("--crops", type=Path, nargs="+", default=[], help="folders of shards made by make_crops")
    add_live_options(parser)
    parser.add_argument("--validation", type=Path, help="folder of held-out shards")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint, log and exported weights go here")
    parser.add_argument("--config", default="compact", help="network configuration")
    parser.add_argument("--steps", type=int, help="length of the training")
    parser.add_argument("--minutes", type=float, help="length of the training, in minutes of computing")
    parser.add_argument("--pause-after", type=float, default=math.inf, help="end this call after so many minutes")
    parser.add_argument("--batch-rows", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--noise", choices=("own", "posefix"), default="own", help="model of the keypoints' errors")
    parser.add_argument("--blind", type=float, default=0.0, help="share of crops without any keypoint, with own noise")
    parser.add_argument("--losses", choices=("own", "published"), default="own", help="published: for --config release")
    parser.add_argument("--float32", action="store_true", help="do not compute in bfloat16")
    parser.add_argument("--without-images", action="store_true", help="only the lift from joints to bodies")
    parser.add_argument("--start-from", type=Path, help="checkpoint of an earlier stage")
    parser.add_argument("--backbone-from", type=Path, help="checkpoint whose image features are taken over")
    parser.add_argument("--keep-lift", action="store_true", help="what joints alone tell is learned, and stays")
    parser.add_argument("--export", type=Path, help="write the averaged weights here as fp16 and stop")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Train or export."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    steps = options.steps if options.steps or options.minutes else 4000
    plan = TrainingPlan(
        Schedule(options.learning_rate, steps, options.minutes),
        batch_rows=options.batch_rows,
        is_bfloat16=not options.float32,
        is_image_used=not options.without_images,
        noise=PoseFixNoise() if options.noise == "posefix" else KeypointNoise(blind_rate=options.blind),
        has_published_losses=options.losses == "published",
    )
    body = load_body(None, device=options.device)
    network = DPMesh(**find_config(options.output, options.config))
    if options.keep_lift and network.joint_lift is not None:
        network.joint_lift.keep_joints()
    trainer = Trainer(network, body, plan, options.output, device=options.device)
    if not trainer.resume():
        if options.start_from is not None:
            trainer.start_from(options.start_from)
        if options.backbone_from is not None:
            trainer.start_from(options.backbone_from, part="backbone")
    validation = CropShards([options.validation], limit=1024) if options.validation else None
    if options.export is not None:
        if validation is not None:
            print(json.dumps({"step": trainer.step, **asdict(trainer.validate(validation))}))
        trainer.averaged().half().save_pretrained(options.export)
        return
    source: CropSource
    if options.poses is None:
        source = CropShards(options.crops)
    else:
        studio = open_live_studio(options, body)
        source = LiveCrops(studio, network.settings.backbone.image_px, has_images=plan.is_image_used)
    trainer.train(source, validation, pause_after=options.pause_after)


def main() -> int:
    """Run the command; return its exit code."""
    options = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        run(options)
    except DpmeshVideoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
