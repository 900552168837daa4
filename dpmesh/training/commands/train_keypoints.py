"""Train the keypoint reader on crops, continuing where the last call stopped."""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from configs.command import OptionParser
from configs.skeletons import COCO_OF_30
from dpmesh.network.prompts import read_heatmaps
from dpmesh.recovery.keypoint_refiner import CROP_PX, MAP_PX, KeypointNetwork
from dpmesh.training.commands.options import (
    add_loop_options,
    check_sources,
    of_size,
    open_validation,
    run_command,
    start_process,
)
from dpmesh.training.engine.checkpoint import CHECKPOINT, check_checkpoint
from dpmesh.training.engine.loop import Loop, LoopPlan
from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.annotated import as_annotated
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import mirrored, recoloured
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.map_loss import map_loss


def prepare(crops: Crops, rng: Rng, *, is_augmented: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return images (R, 3, 128, 128), COCO keypoints (R, 17, 2) in map cells and their visibility (R, 17).

    With augmentation every crop is mirrored, turned, moved, scaled and recoloured at random.
    """
    if is_augmented:
        crops = mirrored(crops, rng)
    places = as_annotated(crops)[:, list(COCO_OF_30)] / CROP_PX
    visible = crops.visible30[:, list(COCO_OF_30)]
    image = crops.image.float() / 255.0
    if is_augmented:
        image, places = _moved(recoloured(image, rng), places, rng)
    inside = ((places >= 0) & (places < 1)).all(-1)
    return image, places.nan_to_num(9.0) * MAP_PX, torch.where(inside, visible, 0)


def _moved(image: Tensor, places: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    rows = len(image)
    angle = rng.normal(0.2, rows) * rng.coin(0.6, rows)
    zoom = rng.log_uniform(0.85, 1.25, rows)
    shift = rng.normal(0.06, rows, 2)
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    # From a place in the new crop to its place in the old one, both about the middle.
    back = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    theta = torch.cat([back, 2 * shift[..., None]], dim=-1)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    turned = torch.linalg.solve(back[:, None], (places - 0.5 - shift[:, None])[..., None]).squeeze(-1)
    return F.grid_sample(image, grid, align_corners=False), turned + 0.5


@torch.no_grad()
def measure(network: KeypointNetwork, crops: CropShards, device: str) -> dict[str, float]:
    """Return the mean error of visible and of hidden keypoints over the crop's side, and shares below a twentieth."""
    network = network.eval()
    errors, marks = [], []
    for number, batch in enumerate(crops.in_order(64)):
        image, places, visible = prepare(batch.to(device), Rng((number,), device), is_augmented=False)
        cells, _ = read_heatmaps(network.forward(image).float())
        errors.append(((cells - places).norm(dim=-1) / MAP_PX).cpu())
        marks.append(visible.cpu())
    error, mark = torch.cat(errors), torch.cat(marks)
    named = {"visible": error[mark == 2], "hidden": error[mark == 1]}
    means = {f"{name}_error": round(float(part.mean()), 4) for name, part in named.items()}
    return means | {f"{name}_near": round(float((part < 0.05).float().mean()), 4) for name, part in named.items()}


class KeypointTraining(Loop[KeypointNetwork, Crops, CropShards]):
    """Trains a keypoint reader on crops."""

    def losses(self, batch: Crops, turn: int) -> dict[str, Tensor]:
        """Return the loss of the maps."""
        image, places, visible = prepare(batch.to(self.device), self.rng(6, turn), is_augmented=True)
        with self.autocast():
            logits = self.running(image)
        return {"loss": map_loss(logits, places, visible)}

    def measure(self, network: KeypointNetwork, held: CropShards) -> dict[str, float]:
        """Return errors over the crop's side, see `measure`."""
        return measure(network, held, self.device)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video train keypoint-reader", description=__doc__)
    parser.add_argument("--crops", type=Path, nargs="+", default=[], help="folders made by `dpmesh-video data crops`")
    parser.add_argument("--validation", type=Path, help="folder of held-out shards")
    add_loop_options(parser, batch_rows=64, learning_rate=2e-3)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--start-from", type=Path, help="checkpoint of another training, or a folder of weights")
    parser.add_argument("--export", type=Path, help="write the averaged weights here as fp16 and stop")
    return check_sources(parser, parser.parse_args(arguments))


def run(options: argparse.Namespace) -> None:
    """Train or export."""
    if options.export is not None:
        check_checkpoint(options.output / CHECKPOINT)
    plan = LoopPlan(
        start_process(options),
        batch_rows=options.batch_rows,
        weight_decay=1e-3,
        betas=(0.9, 0.999),
        clip_norm=5.0,
        is_bfloat16=not options.float32,
    )
    training = KeypointTraining(KeypointNetwork(), plan, options.output, device=options.device)
    if not training.resume() and options.start_from is not None:
        training.start_from(options.start_from)
    if options.export is not None:
        training.averaged().half().save_pretrained(options.export)
        return
    source, validation = of_size(CropShards(options.crops), CROP_PX), open_validation(options, CROP_PX)
    training.train(source, validation, pause_after=options.pause_after)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
