"""Train the recovery network with one part left out at a time, equally long, and print one table of errors."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from configs.command import OptionParser
from configs.option_types import positive_float, positive_int
from dpmesh.body import load_body
from dpmesh.network.config import preset
from dpmesh.training.ablation.runs import Ablation, Budget, RunResult
from dpmesh.training.ablation.table import format_table, write_table
from dpmesh.training.ablation.variants import VARIANTS
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.shards import claim_folder, digest
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.crops import CropShards


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    names = [variant.name for variant in VARIANTS]
    parser = OptionParser(prog="dpmesh-video train ablation", description=__doc__)
    parser.add_argument(
        "--crops", type=Path, nargs="+", required=True, help="folders made by `dpmesh-video data crops`"
    )
    parser.add_argument("--val", type=Path, required=True, help="folder of held-out shards")
    parser.add_argument("--output", type=Path, required=True, help="trainings and table; what is there is used")
    parser.add_argument("--steps", type=positive_int, required=True, help="of every variant, and of the autoencoder")
    parser.add_argument("--prior-steps", type=positive_int, help="of the diffusion prior; default: as --steps")
    parser.add_argument("--teacher-steps", type=positive_int, help="of the teacher; default: as --steps")
    parser.add_argument("--seeds", type=positive_int, default=2, help="trainings per variant")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--config", default="compact", help="network configuration of the full variant")
    parser.add_argument("--batch-rows", type=positive_int, default=16)
    parser.add_argument("--learning-rate", type=positive_float, default=5e-4, help="peak learning rate")
    parser.add_argument("--float32", action="store_true", help="do not compute in bfloat16")
    parser.add_argument("--threads", type=positive_int, default=1, help="threads of torch")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Train what is not trained yet, write the table after every run, and print it in the end."""
    torch.set_num_threads(options.threads)
    budget = Budget(
        steps=options.steps,
        autoencoder_steps=options.steps,
        prior_steps=options.prior_steps or options.steps,
        teacher_steps=options.teacher_steps or options.steps,
        batch_rows=options.batch_rows,
        learning_rate=options.learning_rate,
        is_bfloat16=not options.float32,
    )
    train, held = CropShards(options.crops), CropShards([options.val])
    claim_folder(
        options.output,
        asdict(budget)
        | {"config": options.config, "crops": len(train), "held_out_crops": len(held)}
        | {"crops_digest": _digest_of(train.crops), "held_out_digest": _digest_of(held.crops)},
    )
    body = load_body(None, device=options.device)
    ablation = Ablation(preset(options.config), body, budget, train, held, options.output, device=options.device)
    chosen = [variant for variant in VARIANTS if variant.name in options.only]
    results: list[RunResult] = []
    for seed in range(options.seeds):
        for variant in chosen:
            results.append(ablation.result(variant, seed))
            write_table(results, _caption(budget, len(train)), options.output)
    sys.stdout.write(format_table(results, _caption(budget, len(train))))


def _digest_of(crops: Crops) -> str:
    """Return what tells sets of crops apart: their poses and places, and every 16th pixel both ways."""
    return digest(*(part.numpy() for part in (crops.pose, crops.trans, crops.image[..., ::16, ::16])))


def _caption(budget: Budget, crops: int) -> str:
    return (
        f"Each network: {budget.steps} steps of {budget.batch_rows} of {crops} crops. Shared by all, one seed:"
        f" autoencoder {budget.autoencoder_steps}, diffusion prior {budget.prior_steps}, teacher on clean keypoints"
        f" {budget.teacher_steps} steps of as many."
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
