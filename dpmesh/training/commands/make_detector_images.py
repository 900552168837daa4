"""Fill a folder with an Ultralytics pose data set."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import cv2
import numpy as np
import torch

from configs.command import OptionParser
from configs.skeletons import MIRRORED_17
from dpmesh.body import load_body
from dpmesh.training.commands.option_types import positive_int, whole
from dpmesh.training.commands.options import add_image_options, image_settings, log_to_stderr, run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import claim_folder, fill, run_jobs, write_whole
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.people.population import Studio
from dpmesh.training.people.scenes import Scenes, make_scenes, sample_size
from dpmesh.training.render.backgrounds import list_backgrounds

BATCH = 8


def label_lines(boxes_xyxy: np.ndarray, keypoints: np.ndarray, width: int, height: int) -> str:
    """Return the Ultralytics pose label file: class, box centre and size, 17 x y visibility, all over the size."""
    lines = []
    for box, points in zip(boxes_xyxy, keypoints, strict=True):
        x1, y1, x2, y2 = box / (width, height, width, height)
        numbers = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
        joints = " ".join(f"{x / width:.5f} {y / height:.5f} {int(v)}" for x, y, v in points)
        lines.append("0 " + " ".join(f"{n:.5f}" for n in numbers) + " " + joints + "\n")
    return "".join(lines)


def write_images(scenes: Scenes, images: Path, labels: Path, first: int, quality: int) -> None:
    """Write the images as `first`, `first` + 1, ...; labels come first: an image that exists has its own."""
    height, width = scenes.image.shape[-2:]
    for k, image in enumerate(scenes.image.permute(0, 2, 3, 1).cpu().numpy()):
        mine = scenes.image_index == k
        text = label_lines(scenes.boxes_xyxy[mine].cpu().numpy(), scenes.keypoints[mine].cpu().numpy(), width, height)
        coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        write_whole(labels / f"{first + k:06d}.txt", functools.partial(Path.write_text, data=text))
        write_whole(images / f"{first + k:06d}.jpg", functools.partial(Path.write_bytes, data=coded))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(
        prog="dpmesh-video data detector-images",
        description="Make detector images; a killed run continues where it was.",
    )
    add_image_options(parser)
    parser.add_argument("--output", required=True, type=Path, help="data set folder; both splits go into the same")
    parser.add_argument("--count", required=True, type=positive_int, help=f"pictures; rounded up to batches of {BATCH}")
    parser.add_argument("--image-px", type=positive_int, default=640, help="longer side")
    parser.add_argument(
        "--people-min", type=whole, default=0, choices=range(9), help="draw no picture with fewer people"
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Make the images that are missing."""
    settings = image_settings(options) | {"batch": BATCH, "people_min": options.people_min}
    claim_folder(options.output / "images" / options.split, settings)
    (options.output / "labels" / options.split).mkdir(parents=True, exist_ok=True)
    _describe(options.output)
    run_jobs(functools.partial(_work, options), options.jobs)


def _work(options: argparse.Namespace, job: int, jobs: int) -> None:
    log_to_stderr()
    torch.set_num_threads(1)
    body = load_body(options.body, device=options.device)
    backgrounds = list_backgrounds(options.backgrounds, options.split)
    studio = Studio(body, PoseBank.read(options.poses), backgrounds, options.split, device=options.device)
    images, labels = options.output / "images" / options.split, options.output / "labels" / options.split
    batches = list(range(job, -(-options.count // BATCH), jobs))

    def make(k: int) -> None:
        rng = Rng((options.seed, batches[k]), options.device)
        width, height = sample_size(rng, options.image_px)
        scenes = make_scenes(studio, rng, BATCH, width, height, options.people_min)
        write_images(scenes, images, labels, batches[k] * BATCH, 92)

    last = [images / f"{(batch + 1) * BATCH - 1:06d}.jpg" for batch in batches]
    fill(last, make, f"detector images {options.split}")


def _describe(folder: Path) -> None:
    flip = list(MIRRORED_17)
    text = f"train: images/train\nval: images/val\nkpt_shape: [17, 3]\nflip_idx: {flip}\nnames:\n  0: person\n"
    write_whole(folder / "data.yaml", lambda draft: draft.write_text(text))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
