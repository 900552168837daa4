"""Shift a detector's scores so that its best threshold is the one the tracker is set for.

A short training leaves scores low: the threshold with the best F1 on held-out images lies far below 0.4. The shift is
one number added to the logit of every score, so the order of detections stays as it is.
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

from configs.command import OptionParser
from configs.errors import InputError
from dpmesh.training.commands.option_types import positive_int
from dpmesh.training.commands.options import run_command

TARGET = 0.4


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video train detector-calibration", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="data.yaml; its val images decide")
    parser.add_argument("--image-px", type=positive_int, default=320)
    parser.add_argument("--output", type=Path, required=True, help="where the shifted weights go, in float16")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Find the best threshold and write the shifted weights."""
    for path in (options.weights, options.data):
        if not path.is_file():
            raise InputError(f"{path}: no such file; give exported weights and the data.yaml of make_detector_images")
    import torch
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as folder:  # Ultralytics makes folders for its results where it was started
        measured = YOLO(str(options.weights)).val(
            data=str(options.data.resolve()), imgsz=options.image_px, device="cpu", plots=False, workers=0,
            verbose=False, project=folder,
        )  # fmt: skip
    curve = measured.box.f1_curve.mean(axis=0)
    best = float(measured.box.px[curve.argmax()])
    if not 0.0 < best < 1.0:
        raise InputError(f"{options.weights}: finds nobody in the val images of {options.data}; train it longer")
    shift = _logit(TARGET) - _logit(best)
    # A checkpoint of Ultralytics is a pickle of its classes; this one is from our own training.
    checkpoint = torch.load(options.weights, map_location="cpu", weights_only=False)
    with torch.no_grad():
        for branch in checkpoint["model"].model[-1].cv3:
            branch[-1].bias += shift
    options.output.parent.mkdir(parents=True, exist_ok=True)
    checkpoint["model"].half()
    torch.save(checkpoint, options.output)
    sys.stderr.write(f"best F1 {curve.max():.3f} at score {best:.3f}, moved to {TARGET}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)


def _logit(fraction: float) -> float:
    return math.log(fraction / (1.0 - fraction))
