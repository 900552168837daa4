"""What the commands of the trainings share: options, the crops they name, and how a command ends."""

import argparse
import logging
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from configs.errors import DpmeshVideoError, InputError
from dpmesh.body import BodyModel
from dpmesh.training.live import add_live_options, open_live_studio
from dpmesh.training.recovery.crops import CropShards, CropSource, LiveCrops
from dpmesh.training.schedule import Schedule

STEPS = 4000
"""Length of a training whose command gives none."""


def run_command(parse: Callable[[], argparse.Namespace], run: Callable[[argparse.Namespace], object]) -> int:
    """Run a command and return its exit code; what a user can act on is one line on stderr."""
    options = parse()
    log_to_stderr()
    try:
        run(options)
    except DpmeshVideoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def log_to_stderr() -> None:
    """Show what a command tells as it goes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)


def add_loop_options(
    parser: argparse.ArgumentParser, *, batch_rows: int, learning_rate: float, has_bfloat16: bool = True
) -> None:
    """Add what every training with `Loop` is told."""
    parser.add_argument("--output", type=Path, required=True, help="checkpoint, log, curves and samples go here")
    parser.add_argument("--steps", type=int, help="length of the training")
    parser.add_argument("--minutes", type=float, help="length of the training, in minutes of computing")
    parser.add_argument("--pause-after", type=float, default=math.inf, help="end this call after so many minutes")
    parser.add_argument("--batch-rows", type=int, default=batch_rows, help="of each process")
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--threads", type=int, default=2)
    if has_bfloat16:
        parser.add_argument("--float32", action="store_true", help="do not compute in bfloat16")


def add_crop_options(parser: argparse.ArgumentParser) -> None:
    """Add where crops come from, `--device` among it."""
    parser.add_argument("--crops", type=Path, nargs="+", default=[], help="folders of shards made by make_crops")
    parser.add_argument("--validation", type=Path, help="folder of held-out shards")
    add_live_options(parser)


def start_process(options: argparse.Namespace) -> Schedule:
    """Make this process ready to train, on its own GPU where `accelerate launch` started several; return the length."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.device == "cuda" and "LOCAL_RANK" in os.environ:
        options.device = f"cuda:{os.environ['LOCAL_RANK']}"
    steps = options.steps if options.steps or options.minutes else STEPS
    return Schedule(options.learning_rate, steps, options.minutes)


def open_crops(options: argparse.Namespace, body: BodyModel, image_px: int, *, has_images: bool = True) -> CropSource:
    """Return the crops of a training: shards, or made as they are needed where there are poses.

    Raises:
        InputError: there are no shards, or their pictures are not of the size that the network takes.
    """
    if options.poses is not None:
        return LiveCrops(open_live_studio(options, body), image_px, has_images=has_images)
    return _of_size(CropShards(options.crops), image_px if has_images else None)


def open_validation(options: argparse.Namespace, image_px: int, *, has_images: bool = True) -> CropShards | None:
    """Return the held-out crops, if any were given; errors as of `open_crops`."""
    if options.validation is None:
        return None
    return _of_size(CropShards([options.validation], limit=1024), image_px if has_images else None)


def _of_size(shards: CropShards, image_px: int | None) -> CropShards:
    found = shards.crops.image.shape[-1]
    if image_px not in (None, found):
        raise InputError(
            f"the crops have {found} px, the network takes {image_px}; give make_crops --image-px {image_px}"
        )
    return shards
