"""Errors of a recovery network on held-out crops, with the image and without it."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from configs.command import OptionParser
from configs.option_types import positive_int
from dpmesh.body import load_body
from dpmesh.network.model import DPMesh
from dpmesh.training.commands.options import of_size, run_command
from dpmesh.training.noise.simulated import CLEAN, KeypointNoise, measured_noise
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.evaluate import LEVELS, measure_errors


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video evaluate crops", description=__doc__)
    parser.add_argument("model", type=Path, help="folder with config and weights")
    parser.add_argument("--crops", type=Path, required=True, help="folder of held-out shards")
    parser.add_argument("--limit", type=positive_int, default=2000)
    parser.add_argument(
        "--noise", choices=("own", "measured", "reader", "clean"), default="own", help="the keypoints' errors"
    )
    parser.add_argument("--as-they-are", action="store_true", help="do not turn people who lie or are upside down")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    crops = CropShards([options.crops], limit=options.limit)
    network = DPMesh.from_pretrained(options.model).float().eval()
    of_size(crops, network.settings.backbone.image_px)
    body = load_body(None)
    noises = {
        "own": KeypointNoise(),
        "measured": measured_noise("detector"),
        "reader": measured_noise("reader"),
        "clean": CLEAN,
    }
    noise = noises[options.noise]
    for is_image_used in (True, False):
        errors = measure_errors(
            network, body, crops, noise, is_image_used=is_image_used, are_turned=not options.as_they_are
        )
        sys.stdout.write(f"{'with the image' if is_image_used else 'joints alone'}\n")
        parts = {"all": errors, **{name: errors.of_level(name) for name in LEVELS}}
        parts["lying"] = errors.take(errors.is_turned)
        for name, part in parts.items():
            told = {key: round(value, 1) for key, value in asdict(part.means()).items()}
            sys.stdout.write(f"  {name:<6} {len(part.apart_mm):>5} crops  {json.dumps(told)}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
