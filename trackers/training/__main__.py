"""Command: train the bundled detector on images made by `python -m dpmesh.training.make_detector_images`."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import InputError

if TYPE_CHECKING:
    from ultralytics import YOLO

ARCHITECTURE = Path(__file__).with_name("detector.yaml")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m trackers.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data.yaml of the images")
    parser.add_argument("--output", type=Path, required=True, help="checkpoints and curves go here")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hours", type=float, help="train for this long in place of so many epochs")
    parser.add_argument("--image-px", type=int, default=320)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--start-from", type=Path, help="weights of an earlier training to begin with")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint in --output")
    parser.add_argument("--export", type=Path, help="copy the finished weights here")
    options = parser.parse_args()
    if not options.data.is_file():
        raise InputError(f"{options.data}: no such file; make it with `python -m dpmesh.training.make_detector_images`")
    import torch
    from ultralytics import YOLO

    from trackers.training.bfloat16 import bfloat16_networks

    torch.set_num_threads(options.threads)
    last = options.output / "train" / "weights" / "last.pt"
    network = YOLO(str(last if options.resume else options.start_from or ARCHITECTURE), task="pose")
    with bfloat16_networks(options.device.partition(":")[0]):
        _train(network, options)
    if options.export is not None:
        options.export.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(last, options.export)
    return 0


def _train(network: "YOLO", options: argparse.Namespace) -> None:
    network.train(
        data=str(options.data.resolve()),
        epochs=options.epochs,
        time=options.hours,
        imgsz=options.image_px,
        batch=options.batch,
        device=options.device,
        project=str(options.output.resolve()),
        name="train",
        exist_ok=True,
        resume=options.resume,
        pretrained=options.start_from is not None,
        optimizer="AdamW",
        lr0=options.learning_rate,
        lrf=0.02,
        warmup_epochs=0.5,
        weight_decay=0.0005,
        cos_lr=True,
        # The images hold scenes of many people at many sizes already; a mosaic would only cut them up.
        mosaic=0.0,
        scale=0.3,
        degrees=5.0,
        erasing=0.0,
        hsv_v=0.5,
        amp=False,
        val=False,
        plots=False,
        workers=0,
        cache=True,
        seed=0,
    )


if __name__ == "__main__":
    sys.exit(main())
