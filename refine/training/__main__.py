"""Command: train the motion prior, continuing where the last call stopped; or write what was trained as weights."""

import argparse
import sys
from pathlib import Path

import torch

from dpmesh.body import load_body
from dpmesh.training.command import add_loop_options, run_command, start_process
from dpmesh.training.loop import CHECKPOINT, LoopPlan, read_checkpoint
from refine.motion_prior import MotionPrior
from refine.training.shards import MotionShards
from refine.training.trainer import PriorTraining


def parse() -> argparse.Namespace:
    """Return the command's options."""
    parser = argparse.ArgumentParser(prog="python -m refine.training", description=__doc__)
    parser.add_argument("--motion", type=Path, help="folder of `python -m dpmesh.training.make_motion`")
    parser.add_argument("--validation", type=Path, help="the same, of --split val")
    add_loop_options(parser, batch_rows=32, learning_rate=1e-3)
    parser.add_argument("--width", type=int, default=176)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--export", type=Path, help="do not train; write the weights of --output there, as float16")
    options = parser.parse_args()
    if options.export is None and options.motion is None:
        parser.error("--motion: needed to train; or give --export")
    return options


def run(options: argparse.Namespace) -> None:
    """Train, or write weights."""
    path = options.output / CHECKPOINT
    if options.export is not None:
        stored = read_checkpoint(path)
        network = MotionPrior(**stored["config"])
        network.load_state_dict(stored["average"])
        network.to(torch.float16).save_pretrained(options.export)
        return
    schedule = start_process(options)
    config = read_checkpoint(path)["config"] if path.exists() else {"width": options.width, "layers": options.layers}
    plan = LoopPlan(
        schedule, batch_rows=options.batch_rows, weight_decay=1e-2, average_decay=0.997,
        is_bfloat16=not options.float32,
    )  # fmt: skip
    body = load_body(None, device=options.device)
    network = MotionPrior(**config)
    training = PriorTraining(network, body, plan, options.output, device=options.device, config=config)
    training.resume()
    held = None if options.validation is None else MotionShards(options.validation)
    training.train(MotionShards(options.motion), held, pause_after=options.pause_after)


def main() -> int:
    """Run the command; return its exit code."""
    return run_command(parse, run)


if __name__ == "__main__":
    sys.exit(main())
