"""Fill a folder with shards of synthetic crops."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import torch

from configs.command import OptionParser
from configs.option_types import positive_int
from dpmesh.body import load_body
from dpmesh.training.commands.options import add_image_options, image_settings, log_to_stderr, run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import claim_folder, fill, run_jobs, write_arrays
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.people.crops import Crops, make_crops
from dpmesh.training.people.population import Studio
from dpmesh.training.render.backgrounds import list_backgrounds

SHARD = 1000
BATCH = 25


def shard_paths(folder: Path, count: int) -> list[Path]:
    """Return the files that `count` crops fill; the last one is always full."""
    return [folder / f"crops_{first:07d}.npz" for first in range(0, count, SHARD)]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(
        prog="dpmesh-video data crops",
        description="Make synthetic crops; a killed run continues where it was.",
    )
    add_image_options(parser)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument(
        "--count", required=True, type=positive_int, help=f"crops; rounded up to whole shards of {SHARD}"
    )
    parser.add_argument("--image-px", type=positive_int, default=128)
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Make the shards that are missing."""
    claim_folder(options.output, image_settings(options) | {"shard": SHARD, "batch": BATCH})
    run_jobs(functools.partial(_work, options), options.jobs)


def _work(options: argparse.Namespace, job: int, jobs: int) -> None:
    log_to_stderr()
    torch.set_num_threads(1)
    body = load_body(options.body, device=options.device)
    backgrounds = list_backgrounds(options.backgrounds, options.split)
    studio = Studio(body, PoseBank.read(options.poses), backgrounds, options.split, device=options.device)
    paths = shard_paths(options.output, options.count)
    mine = list(range(job, len(paths), jobs))

    def make(k: int) -> None:
        first = mine[k] * SHARD
        parts: list[Crops] = []
        for start in range(first, first + SHARD, BATCH):
            rng = Rng((options.seed, start), options.device)
            parts.append(make_crops(studio, rng, BATCH, options.image_px).to("cpu"))
        write_arrays(paths[mine[k]], Crops.join(parts))

    fill([paths[k] for k in mine], make, f"crops {options.split}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
