"""Train the bundled detector on images made as it goes, continuing where the last call stopped."""

import argparse
import math
from pathlib import Path

import torch

from configs.command import OptionParser
from dpmesh.body import load_body
from dpmesh.training.commands.live import add_live_options, open_live_studio
from dpmesh.training.commands.option_types import positive_float, positive_int
from dpmesh.training.commands.options import check_sources, run_command
from dpmesh.training.engine.checkpoint import CHECKPOINT, check_checkpoint
from dpmesh.training.engine.schedule import Schedule


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video train detector", description=__doc__)
    add_live_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="checkpoint and log go here")
    parser.add_argument(
        "--minutes", type=positive_float, default=60.0, help="length of the training, in minutes of computing"
    )
    parser.add_argument(
        "--pause-after", type=positive_float, default=math.inf, help="end this call after so many minutes"
    )
    parser.add_argument("--batch-pixels", type=positive_int, default=32 * 320 * 320)
    parser.add_argument("--learning-rate", type=positive_float, default=0.002, help="peak learning rate")
    parser.add_argument("--threads", type=positive_int, default=2, help="threads of torch")
    parser.add_argument("--export", type=Path, help="write the averaged weights here and stop")
    return check_sources(parser, parser.parse_args(arguments))


def run(options: argparse.Namespace) -> None:
    """Train or export."""
    if options.export is not None:
        check_checkpoint(options.output / CHECKPOINT)
    from dpmesh.training.detector.trainer import DetectorPlan, DetectorTrainer, LivePictures

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    plan = DetectorPlan(Schedule(options.learning_rate, minutes=options.minutes), options.batch_pixels)
    trainer = DetectorTrainer(plan, options.output, device=options.device)
    trainer.resume()
    if options.export is not None:
        trainer.export(options.export)
        return
    studio = open_live_studio(options, load_body(None, device=options.device))
    trainer.train(LivePictures(studio, plan, options.device), None, pause_after=options.pause_after)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
