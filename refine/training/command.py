"""Train the motion prior, continuing where the last call stopped; or write what was trained as weights."""

import argparse
from pathlib import Path
from typing import Any

import torch

from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import positive_int
from dpmesh.body import load_body
from dpmesh.training.commands.options import add_loop_options, run_command, start_process
from dpmesh.training.engine.checkpoint import CHECKPOINT, config_of, load_weights, read_checkpoint, read_config
from dpmesh.training.engine.divergence import check_finite
from dpmesh.training.engine.loop import LoopPlan
from refine.prior.network import MotionPrior
from refine.training.shards import MotionShards
from refine.training.trainer import PriorTraining

USUAL = {"width": 176, "layers": 4, "has_bones": True}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video train motion-prior", description=__doc__)
    parser.add_argument("--motion", type=Path, help="folder of `dpmesh-video data motion`")
    parser.add_argument("--validation", type=Path, help="the same, of --split val")
    add_loop_options(parser, batch_rows=32, learning_rate=1e-3, weight_decay=1e-2)
    parser.add_argument(
        "--rows", type=positive_int, help="cut clips into windows of so many rows, to see what neighbours are worth"
    )
    parser.add_argument("--width", type=positive_int, help=f"{USUAL['width']} if not given")
    parser.add_argument("--layers", type=positive_int, help=f"{USUAL['layers']} if not given")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--start-from", type=Path, help="checkpoint of another training, or a folder of weights")
    parser.add_argument("--export", type=Path, help="do not train; write the weights of --output there, as float16")
    options = parser.parse_args(arguments)
    if options.export is None and options.motion is None:
        parser.error("--motion: needed to train; or give --export")
    return options


def run(options: argparse.Namespace) -> None:
    """Train, or write weights."""
    path = options.output / CHECKPOINT
    if options.export is not None:
        stored = read_checkpoint(path)
        check_finite(stored["average"], path)
        network = MotionPrior(**config_of(stored, path, *USUAL))
        load_weights(network, stored["average"], path)
        network.to(torch.float16).save_pretrained(options.export)
        return
    schedule = start_process(options)
    config = _find_config(path, {"width": options.width, "layers": options.layers})
    plan = LoopPlan(
        schedule, batch_rows=options.batch_rows, weight_decay=options.weight_decay, average_decay=0.997,
        is_bfloat16=not options.float32,
    )  # fmt: skip
    body = load_body(None, device=options.device)
    network = MotionPrior(**config)
    training = PriorTraining(network, body, plan, options.output, device=options.device, config=config)
    if not training.resume() and options.start_from is not None:
        training.start_from(options.start_from)
    held = None if options.validation is None else MotionShards(options.validation, rows=options.rows)
    training.train(MotionShards(options.motion, rows=options.rows), held, pause_after=options.pause_after)


def _find_config(path: Path, asked: dict[str, int | None]) -> dict[str, Any]:
    """Return the network's arguments: those of a checkpoint, or as asked for where there is none."""
    wanted = {name: value for name, value in asked.items() if value is not None}
    if not path.exists():
        return USUAL | wanted
    found = read_config(path, *USUAL)
    for name, value in wanted.items():
        if found[name] != value:
            raise InputError(
                f"{path}: its {name} is {found[name]}; leave --{name} out to go on, or give another --output"
            )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
