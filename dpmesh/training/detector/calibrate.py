"""Command: shift a detector's scores so that its best threshold is the one the tracker is set for.

A short training leaves scores low: the threshold with the best F1 on held-out images lies far below 0.4. The shift is
one number added to the logit of every score, so the order of detections stays as it is.
"""

import argparse
import math
import sys
from pathlib import Path

TARGET = 0.4


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m dpmesh.training.detector.calibrate", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="data.yaml; its val images decide")
    parser.add_argument("--image-px", type=int, default=320)
    parser.add_argument("--output", type=Path, required=True, help="where the shifted weights go, in float16")
    options = parser.parse_args()
    import torch
    from ultralytics import YOLO

    measured = YOLO(str(options.weights)).val(
        data=str(options.data.resolve()), imgsz=options.image_px, device="cpu", plots=False, workers=0, verbose=False
    )
    curve = measured.box.f1_curve.mean(axis=0)
    best = float(measured.box.px[curve.argmax()])
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
    return 0


def _logit(share: float) -> float:
    return math.log(share / (1.0 - share))


if __name__ == "__main__":
    sys.exit(main())
