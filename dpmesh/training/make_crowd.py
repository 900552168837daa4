"""Crowds as detections without images, with their truth, to measure trackers on.

Clips cycle through people who cross, a queue, dances and all of it together; every second clip is filmed by a moving
camera, and every fourth has cuts. Boxes and keypoints have the errors of a detector. No images are made.
"""

import argparse
import logging
from pathlib import Path

import numpy as np

from configs.command import OptionParser
from configs.option_types import positive_float, positive_int, whole
from dpmesh.training.commands.options import run_command
from dpmesh.training.crowds.files import write_crowd
from dpmesh.training.crowds.paths import KINDS
from dpmesh.training.crowds.scene import DENSITIES, make_crowd

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Write the clips; return the exit code."""
    return run_command(lambda: parse(arguments), write_crowds)


def write_crowds(options: argparse.Namespace) -> None:
    """Write `DENSITY_KIND_SEED` folders."""
    for density in options.densities:
        for number in range(options.clips):
            for height_m in options.heights or [None]:
                seed = options.seed + number
                kind = KINDS[number % len(KINDS)] if height_m is None else "crossing"
                rng = np.random.default_rng((seed, DENSITIES[density]))
                is_still = height_m is not None
                crowd = make_crowd(
                    kind,
                    DENSITIES[density],
                    options.frames,
                    rng,
                    is_moving=number % 2 == 1 and not is_still,
                    has_cuts=number % 4 == 3 and not is_still,
                    height_m=height_m,
                )
                name = kind if height_m is None else f"{height_m:g}m"
                folder = options.output / f"{density}_{name}_{seed}"
                write_crowd(folder, crowd)
                log.info("%s: %d detections, %d true boxes", folder, len(crowd.found.scores), len(crowd.truth_id))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data crowd-detections", description=__doc__)
    parser.add_argument("output", type=Path, help="folder, which gets a folder per clip")
    parser.add_argument(
        "--densities", nargs="+", choices=list(DENSITIES), default=list(DENSITIES),
        help="how many people: " + ", ".join(f"{name} {count}" for name, count in DENSITIES.items()),
    )  # fmt: skip
    parser.add_argument("--clips", type=positive_int, default=len(KINDS), help="of each density")
    parser.add_argument(
        "--heights", type=positive_float, nargs="+",
        help="metres: people who cross, seen by a still camera at each height, in place of the four kinds",
    )  # fmt: skip
    parser.add_argument("--frames", type=positive_int, default=400, help="of each clip, 25 per second")
    parser.add_argument("--seed", type=whole, default=1, help="random seed of the first clip; the next counts on")
    options = parser.parse_args(arguments)
    if options.frames < 10:
        parser.error(f"--frames: {options.frames} is too short for a crowd; give 10 or more")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
