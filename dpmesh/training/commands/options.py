"""What the commands of the trainings share: options, the crops they name, and how a command ends."""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from configs.command import exit_code_of
from configs.errors import InputError, SettingsError
from configs.log import log_to_stderr as show_log
from configs.option_types import fraction, positive_float, positive_int, whole
from dpmesh.body import BodyModel
from dpmesh.body.load import read_structure
from dpmesh.training.commands.live import add_live_options, open_live_studio
from dpmesh.training.engine.schedule import Schedule
from dpmesh.training.engine.shards import digest, digest_body
from dpmesh.training.mocap.bank import check_bank
from dpmesh.training.recovery.crops import CropShards, CropSource, LiveCrops
from dpmesh.training.render.backgrounds import list_backgrounds

STEPS = 4000
"""Length of a training whose command gives none."""


def run_command(parse: Callable[[], argparse.Namespace], run: Callable[[argparse.Namespace], object]) -> int:
    """Run a command and return its exit code; user errors are one line on stderr."""

    def command() -> None:
        options = parse()
        log_to_stderr()
        _check_device(vars(options).get("device", "cpu"))
        run(options)

    return exit_code_of(command)


def _check_device(name: str) -> None:
    if "LOCAL_RANK" in os.environ:  # this process has a GPU of its own, see `start_process`
        return
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        told = str(error).partition("\n")[0]
        raise SettingsError(f"device {name!r} cannot be used ({told}); give --device cpu") from error


def log_to_stderr() -> None:
    """Show what a command tells as it goes."""
    show_log(line="%(asctime)s %(message)s")


def add_loop_options(
    parser: argparse.ArgumentParser,
    *,
    batch_rows: int,
    learning_rate: float,
    has_bfloat16: bool = True,
    weight_decay: float = 1e-4,
) -> None:
    """Add the options of every training that uses `Loop`."""
    parser.add_argument("--output", type=Path, required=True, help="checkpoint, log, curves and samples go here")
    parser.add_argument("--steps", type=positive_int, help="length of the training")
    parser.add_argument("--minutes", type=positive_float, help="length of the training, in minutes of computing")
    parser.add_argument(
        "--pause-after", type=positive_float, default=math.inf, help="end this call after so many minutes"
    )
    parser.add_argument("--batch-rows", type=positive_int, default=batch_rows, help="rows per batch and process")
    parser.add_argument("--learning-rate", type=positive_float, default=learning_rate, help="peak learning rate")
    parser.add_argument("--weight-decay", type=positive_float, default=weight_decay, help="of AdamW")
    parser.add_argument(
        "--drop-at",
        type=fraction,
        help="hold the learning rate, and cut it to a tenth from this share of the training on, as 0.833;"
        " half a cosine if not given",
    )
    parser.add_argument("--threads", type=positive_int, default=2, help="threads of torch")
    if has_bfloat16:
        parser.add_argument("--float32", action="store_true", help="do not compute in bfloat16")


def add_crop_options(parser: argparse.ArgumentParser) -> None:
    """Add where crops come from, `--device` among it."""
    parser.add_argument("--crops", type=Path, nargs="+", default=[], help="folders made by `dpmesh-video data crops`")
    parser.add_argument("--validation", type=Path, help="folder of held-out shards")
    add_live_options(parser)


def check_sources(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    """Return the options of `add_crop_options` if they name a source of images; otherwise end the command."""
    if options.poses is not None and options.backgrounds is None:
        parser.error("--poses: needs --backgrounds, a folder of pictures without people")
    if vars(options).get("export") is None and not options.crops and options.poses is None:
        parser.error("nothing to train on; give --crops or --poses and --backgrounds")
    return options


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command that fills a folder with images is told, but for how many and how large."""
    parser.add_argument("--poses", required=True, type=Path, help="pose bank, from `dpmesh-video data mocap`")
    parser.add_argument("--backgrounds", required=True, type=Path, help="folder of pictures without people")
    parser.add_argument("--seed", type=whole, default=1, help="random seed")
    parser.add_argument("--split", choices=["train", "val"], default="train", help="which subjects")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    parser.add_argument("--jobs", type=positive_int, default=1, help="processes")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")


def image_settings(options: argparse.Namespace) -> dict[str, int | str]:
    """Return what the images depend on, for `claim_folder`.

    Raises:
        InputError: there is no pose bank, or no background of the split: no folder is to be locked for such a
            command.
    """
    check_bank(options.poses)
    backgrounds = list_backgrounds(options.backgrounds, options.split)
    return {
        "seed": options.seed,
        "image_px": options.image_px,
        "split": options.split,
        "body": digest_body(read_structure(options.body)),
        "poses": digest(options.poses),
        "backgrounds": digest(np.array([f"{path.name} {path.stat().st_size}" for path in backgrounds])),
    }


def start_process(options: argparse.Namespace) -> Schedule:
    """Make this process ready to train, on its own GPU where `accelerate launch` started several; return the length."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.device == "cuda" and "LOCAL_RANK" in os.environ:
        options.device = f"cuda:{os.environ['LOCAL_RANK']}"
    steps = STEPS if options.steps is None and options.minutes is None else options.steps
    if options.drop_at is None:
        return Schedule(options.learning_rate, steps, options.minutes)
    return Schedule(options.learning_rate, steps, options.minutes, warm_up_steps=0, drop_at=options.drop_at)


def steps_of(epochs: int, shards: CropShards, batch_rows: int) -> int:
    """Return how many steps pass so often over crops, shared among the processes of the training."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return epochs * max(1, len(shards) // (batch_rows * processes))


def open_crops(options: argparse.Namespace, body: BodyModel, image_px: int, *, has_images: bool = True) -> CropSource:
    """Return the crops of a training: shards, or made as they are needed where there are poses.

    Raises:
        InputError: there are no shards, or their images are not of the size that the network takes.
    """
    if options.poses is not None:
        return LiveCrops(open_live_studio(options, body), image_px, has_images=has_images)
    return of_size(CropShards(options.crops), image_px if has_images else None)


def open_validation(options: argparse.Namespace, image_px: int, *, has_images: bool = True) -> CropShards | None:
    """Return the held-out crops, if any were given; errors as of `open_crops`."""
    if options.validation is None:
        return None
    return of_size(CropShards([options.validation], limit=1024), image_px if has_images else None)


def of_size(shards: CropShards, image_px: int | None) -> CropShards:
    """Return the shards; InputError where a network that takes images of `image_px` cannot see them."""
    found = shards.crops.image.shape[-1]
    if image_px not in (None, found):
        raise InputError(
            f"the crops have {found} px, the network takes {image_px}; give make_crops --image-px {image_px}"
        )
    return shards
