"""Command: train the recovery network on crops, continuing where the last call stopped."""

import argparse
import json
import logging
import sys
from pathlib import Path

import torch

from dpmesh.body import load_body
from dpmesh.network.model import DPMesh
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan, find_config


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m dpmesh.training.recovery", description=__doc__)
    parser.add_argument("--crops", type=Path, nargs="+", default=[], help="folders of shards made by make_crops")
    parser.add_argument("--validation", type=Path, help="folder of held-out shards")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint, log and exported weights go here")
    parser.add_argument("--config", default="compact", help="network configuration")
    parser.add_argument("--steps", type=int, default=4000, help="length of the learning-rate schedule")
    parser.add_argument("--minutes", type=float, help="stop after this time even if steps are left")
    parser.add_argument("--batch-rows", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--float32", action="store_true", help="do not compute in bfloat16")
    parser.add_argument("--without-images", action="store_true", help="first stage: joints to bodies, past the image")
    parser.add_argument("--start-from", type=Path, help="checkpoint of an earlier stage")
    parser.add_argument("--export", type=Path, help="write the averaged weights here as fp16 and stop")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    plan = TrainingPlan(
        options.steps,
        batch_rows=options.batch_rows,
        learning_rate=options.learning_rate,
        is_bfloat16=not options.float32,
        is_image_used=not options.without_images,
    )
    body = load_body(None, device=options.device)
    network = DPMesh(**find_config(options.output, options.config))
    trainer = Trainer(network, body, plan, options.output, device=options.device)
    if not trainer.resume() and options.start_from is not None:
        trainer.start_from(options.start_from)
    validation = CropShards([options.validation], limit=1024) if options.validation else None
    if options.export is None:
        trainer.train(CropShards(options.crops), validation, minutes=options.minutes)
        return 0
    if validation is not None:
        print(json.dumps({"step": trainer.step, **trainer.validate(validation)}))
    trainer.averaged().half().save_pretrained(options.export)
    return 0


if __name__ == "__main__":
    sys.exit(main())
