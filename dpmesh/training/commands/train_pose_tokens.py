"""Train the pose tokenizer on a pose bank, continuing where the last call stopped."""

import argparse
from pathlib import Path

import numpy as np

from configs.command import OptionParser
from dpmesh.body import load_body
from dpmesh.network.config import RegressorConfig
from dpmesh.training.commands.options import add_loop_options, run_command, start_process
from dpmesh.training.engine.checkpoint import find_config
from dpmesh.training.engine.loop import LoopPlan
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.pose_tokens.trainer import PoseDraws, PoseTokens, TokenTraining, body_rotations

HELD_SEED, HELD_COUNT = 12345, 1024


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video train pose-tokens", description=__doc__)
    parser.add_argument("--poses", type=Path, required=True, help="pose bank, from `dpmesh-video data mocap`")
    add_loop_options(parser, batch_rows=256, learning_rate=1e-3, has_bfloat16=False)
    parser.add_argument("--config", help="network configuration; paper if not given")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Train."""
    # float32: bfloat16 cannot tell near codes apart
    plan = LoopPlan(
        start_process(options), batch_rows=options.batch_rows, weight_decay=options.weight_decay, is_bfloat16=False
    )
    config = find_config(options.output, options.config, "paper")
    network = PoseTokens(RegressorConfig(**config["regressor_config"]))
    body = load_body(None, device=options.device)
    training = TokenTraining(network, body, plan, options.output, device=options.device, config=config)
    training.resume()
    bank = PoseBank.read(options.poses)
    held = bank.sample(np.random.default_rng(HELD_SEED), HELD_COUNT, "val", augmentation=None)
    training.train(PoseDraws(bank), body_rotations(held), pause_after=options.pause_after)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
