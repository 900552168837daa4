"""Train the image autoencoder on crops, continuing where the last call stopped."""

import argparse

from configs.command import OptionParser
from dpmesh.body import load_body
from dpmesh.network.config import BackboneConfig
from dpmesh.training.autoencoder.trainer import Autoencoder, AutoencoderTraining
from dpmesh.training.commands.options import (
    add_crop_options,
    add_loop_options,
    check_sources,
    open_crops,
    open_validation,
    run_command,
    start_process,
)
from dpmesh.training.engine.checkpoint import find_config
from dpmesh.training.engine.loop import LoopPlan


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video train autoencoder", description=__doc__)
    add_crop_options(parser)
    add_loop_options(parser, batch_rows=32, learning_rate=1e-3)
    parser.add_argument("--config", help="network configuration; compact if not given")
    return check_sources(parser, parser.parse_args(arguments))


def run(options: argparse.Namespace) -> None:
    """Train."""
    plan = LoopPlan(
        start_process(options),
        batch_rows=options.batch_rows,
        weight_decay=options.weight_decay,
        is_bfloat16=not options.float32,
    )
    config = find_config(options.output, options.config)
    backbone = BackboneConfig(**config["backbone_config"])
    training = AutoencoderTraining(Autoencoder(backbone), plan, options.output, device=options.device, config=config)
    training.resume()
    source = open_crops(options, load_body(None, device=options.device), backbone.image_px)
    training.train(source, open_validation(options, backbone.image_px), pause_after=options.pause_after)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
