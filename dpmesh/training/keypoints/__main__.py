"""Command: train the keypoint reader on crops, continuing where the last call stopped."""

import argparse
import json
import logging
import math
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from configs.errors import DpmeshVideoError
from dpmesh.keypoint_reader import CROP_PX, MAP_PX, KeypointNetwork
from dpmesh.network.prompts import read_heatmaps
from dpmesh.training.average import follow, start_average
from dpmesh.training.crops import Crops
from dpmesh.training.map_loss import map_loss
from dpmesh.training.recovery.batches import as_annotated, mirrored, recoloured
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.render.chance import Chance
from dpmesh.training.schedule import Schedule, Stopwatch
from dpmesh.training.troupe import COCO_OF_30

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
_AVERAGE_DECAY = 0.998


def prepare(crops: Crops, chance: Chance, *, is_augmented: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return images (R, 3, 128, 128), COCO keypoints (R, 17, 2) in map cells and their visibility (R, 17).

    With augmentation every crop is mirrored, turned, moved, scaled and recoloured by chance.
    """
    if is_augmented:
        crops = mirrored(crops, chance)
    places = as_annotated(crops)[:, list(COCO_OF_30)] / CROP_PX
    visible = crops.visible30[:, list(COCO_OF_30)]
    image = crops.image.float() / 255.0
    if is_augmented:
        image, places = _moved(recoloured(image, chance), places, chance)
    inside = ((places >= 0) & (places < 1)).all(-1)
    return image, places.nan_to_num(9.0) * MAP_PX, torch.where(inside, visible, 0)


def _moved(image: Tensor, places: Tensor, chance: Chance) -> tuple[Tensor, Tensor]:
    rows = len(image)
    angle = chance.normal(0.2, rows) * chance.coin(0.6, rows)
    zoom = chance.log_uniform(0.85, 1.25, rows)
    shift = chance.normal(0.06, rows, 2)
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
        image, places, visible = prepare(batch.to(device), Chance((number,), device), is_augmented=False)
        cells, _ = read_heatmaps(network.forward(image).float())
        errors.append(((cells - places).norm(dim=-1) / MAP_PX).cpu())
        marks.append(visible.cpu())
    error, mark = torch.cat(errors), torch.cat(marks)
    named = {"visible": error[mark == 2], "hidden": error[mark == 1]}
    means = {f"{name}_error": round(float(part.mean()), 4) for name, part in named.items()}
    return means | {f"{name}_near": round(float((part < 0.05).float().mean()), 4) for name, part in named.items()}


def train(options: argparse.Namespace) -> None:
    """Train until the minutes are over."""
    schedule = Schedule(options.learning_rate, minutes=options.minutes)
    network: KeypointNetwork = KeypointNetwork().to(options.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=1e-3)
    average = start_average(network.state_dict())
    step, minutes = 0, 0.0
    path = options.output / CHECKPOINT
    options.output.mkdir(parents=True, exist_ok=True)
    if path.exists():
        state = torch.load(path, map_location=options.device, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        average, step, minutes = state["average"], state["step"], state["minutes"]
    averaged: KeypointNetwork = KeypointNetwork().to(options.device)
    if options.export is not None:
        averaged.load_state_dict(average)
        averaged.half().save_pretrained(options.export)
        return
    crops = CropShards(options.crops)
    validation = CropShards([options.validation], limit=1024)
    watch, total, first = Stopwatch(minutes), torch.zeros(()), step
    while schedule.share(step, minutes) < 1.0 and watch.here < options.pause_after:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step, minutes)
        chance = Chance((6, step), options.device)
        batch = crops.batch(options.batch_rows, step).to(options.device)
        image, places, visible = prepare(batch, chance, is_augmented=True)
        with torch.autocast(torch.device(options.device).type, torch.bfloat16):
            logits = network.train()(image)
        loss = map_loss(logits, places, visible)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        step += 1
        minutes = watch.minutes
        total = total + loss.detach().cpu()
        follow(average, network.state_dict(), step, _AVERAGE_DECAY)
        if step % 100 == 0:
            pace = (step - first) * options.batch_rows / (60 * watch.here)
            values = {"step": step, "minutes": round(minutes, 2), "crops_per_s": round(pace, 1)}
            values |= {"loss": round(float(total) / 100, 4)}
            total = torch.zeros(())
            if step % 1000 == 0:
                averaged.load_state_dict(average)
                values |= measure(averaged, validation, options.device)
            log.info("%s", json.dumps(values))
        if step % 500 == 0:
            _save(path, network, optimizer, average, step, minutes)
    _save(path, network, optimizer, average, step, minutes)
    averaged.load_state_dict(average)
    log.info("%s", json.dumps({"step": step} | measure(averaged, validation, options.device)))


def _save(
    path: Path,
    network: KeypointNetwork,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
    step: int,
    minutes: float,
) -> None:
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
    torch.save(state | {"step": step, "minutes": minutes}, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m dpmesh.training.keypoints", description=__doc__)
    parser.add_argument("--crops", type=Path, nargs="+", default=[], help="folders of shards made by make_crops")
    parser.add_argument("--validation", type=Path, help="folder of held-out shards")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint goes here")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the training, in minutes of computing")
    parser.add_argument("--pause-after", type=float, default=math.inf, help="end this call after so many minutes")
    parser.add_argument("--batch-rows", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--export", type=Path, help="write the averaged weights here as fp16 and stop")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    try:
        train(options)
    except DpmeshVideoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
