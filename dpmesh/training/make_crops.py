"""`python -m dpmesh.training.make_crops`: fill a folder with shards of synthetic crops."""

from __future__ import annotations

import argparse
import functools
import logging
import sys
from pathlib import Path

import torch

from configs.errors import DpmeshVideoError
from dpmesh.body import load_body
from dpmesh.body.load import read_structure
from dpmesh.training.crops import Crops, make_crops
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.render.backgrounds import list_backgrounds
from dpmesh.training.render.chance import Chance
from dpmesh.training.shards import claim_folder, digest, digest_body, fill, run_jobs, write_arrays
from dpmesh.training.troupe import Studio

SHARD = 1000
BATCH = 25


def shard_paths(folder: Path, count: int) -> list[Path]:
    """Return the files that `count` crops fill; the last one is always full."""
    return [folder / f"crops_{first:07d}.npz" for first in range(0, count, SHARD)]


def _work(options: argparse.Namespace, job: int, jobs: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
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
            chance = Chance((options.seed, start), options.device)
            parts.append(make_crops(studio, chance, BATCH, options.image_px).to("cpu"))
        write_arrays(paths[mine[k]], Crops.join(parts))

    fill([paths[k] for k in mine], make, f"crops {options.split}")


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Make synthetic crops; a killed run continues where it was.")
    parser.add_argument("--poses", required=True, type=Path, help="pose bank, from `python -m dpmesh.training.mocap`")
    parser.add_argument("--backgrounds", required=True, type=Path, help="folder of pictures without people")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--count", required=True, type=int, help=f"crops; rounded up to whole shards of {SHARD}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--image-px", type=int, default=128)
    parser.add_argument("--split", choices=["train", "val"], default="train")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    settings: dict[str, int | str] = {"seed": options.seed, "image_px": options.image_px, "split": options.split}
    settings |= {"shard": SHARD, "batch": BATCH}
    try:
        settings["body"] = digest_body(read_structure(options.body))
        settings["poses"] = digest(options.poses) if options.poses.is_file() else ""
        claim_folder(options.output, settings)
        run_jobs(functools.partial(_work, options), options.jobs)
    except DpmeshVideoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
