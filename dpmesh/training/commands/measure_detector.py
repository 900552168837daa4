"""Measure how wrong a detector's keypoints are on crops, and fit simulated errors to it."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import positive_int
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import write_whole
from dpmesh.training.noise.measured import (
    ErrorStatistics,
    Sighting,
    error_statistics,
    fit_noise,
    simulate,
    truth_of,
)
from dpmesh.training.noise.simulated import CONFIDENCE_MIN, KeypointNoise
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.crops import CropShards

SCORE_MIN = 0.1
OVERLAP_MIN = 0.3
"""Intersection over union above which a detection is the person that the crop is about; the best one counts."""
PEOPLE_MIN = 20
"""Fewer found people tell nothing that simulated errors could be fitted to."""
BATCH = 16
SEED = 54321


class DetectorKeypoints:
    """An `ultralytics.YOLO` of a pose network; of the people it finds, the one whose box fits best counts."""

    def __init__(self, network: Any, image_px: int, device: str) -> None:
        """
        Args:
            image_px: side to which it scales each crop.
        """
        self._network, self._image_px, self._device = network, image_px, device

    def estimate(self, crops: Crops) -> tuple[Tensor, Tensor, Tensor]:
        """Return keypoints (R, 17, 2) in crop pixels, their confidence (R, 17), and who was found (R,) bool."""
        images = [np.ascontiguousarray(image) for image in crops.image.permute(0, 2, 3, 1).flip(-1).cpu().numpy()]
        results = self._network.predict(
            images, imgsz=self._image_px, conf=SCORE_MIN, device=self._device, verbose=False
        )
        joints, confidence = torch.zeros(len(crops), 17, 2), torch.zeros(len(crops), 17)
        is_found = torch.zeros(len(crops), dtype=torch.bool)
        for row, (result, box) in enumerate(zip(results, _boxes(crops), strict=True)):
            if len(result.boxes) == 0 or box.isnan().any():
                continue
            overlap = box_iou(box[None], result.boxes.xyxy.cpu().float())[0]
            best = int(overlap.argmax())
            if overlap[best] >= OVERLAP_MIN:
                joints[row], confidence[row] = result.keypoints.xy[best].cpu(), result.keypoints.conf[best].cpu()
                is_found[row] = True
        return joints, confidence, is_found


def _boxes(crops: Crops) -> Tensor:
    """Return the boxes (R, 4) in crop pixels round the joints in the crop, a little wider; NaN for fewer than two."""
    side = crops.image.shape[-1]
    here = truth_of(crops, torch.zeros(len(crops), 17, 2), torch.zeros(len(crops), 17))
    boxes = torch.full((len(crops), 4), torch.nan)
    for row in range(len(crops)):
        inside = here.truth[row, here.visible[row] > 0] * side
        if len(inside) < 2:
            continue
        # Joints lie inside a body: a box around them is smaller than the person's.
        low, high = inside.amin(0), inside.amax(0)
        margin = 0.1 * (high - low).amax()
        boxes[row] = torch.cat([low - margin, high + margin]).clamp(0, side)
    return boxes


def sightings(source: DetectorKeypoints, crops: CropShards) -> tuple[Sighting, Tensor]:
    """Return the keypoints of those crops whose person was found, and which these are (R,) bool."""
    parts = [source.estimate(batch) for batch in crops.in_order(BATCH)]
    joints, confidence, is_found = (torch.cat([part[place] for part in parts]) for place in range(3))
    return truth_of(crops.crops, joints, confidence).take(is_found), is_found


def format_statistics(columns: dict[str, ErrorStatistics]) -> str:
    """Return one Markdown table, a column for each."""
    lines = [["", *columns], ["---"] * (1 + len(columns))]

    def add(name: str, values: list[float], style: str = "{:.1%}") -> None:
        lines.append([name, *(style.format(value) for value in values)])

    results = list(columns.values())
    for state in ("visible", "hidden"):
        for name in ("missing", "spread", "inverted", "swapped", "wild", "bias_out", "bias_down"):
            add(f"{state}: {name}", [getattr(getattr(column, state)["all"], name) for column in results])
        add(f"{state}: confidence", [getattr(column, state)["all"].confidence for column in results], "{:.2f}")
    for kind in results[0].visible:
        if kind != "all":
            add(f"spread of {kind}, visible", [column.visible[kind].spread for column in results])
            add(f"spread of {kind}, hidden", [column.hidden[kind].spread for column in results])
    add("whole person inverted", [column.whole_inversions for column in results])
    add("scatter between people (log)", [column.person_scatter for column in results], "{:.2f}")
    add("correlation along a limb bone", [column.bone_correlation for column in results], "{:.2f}")
    lines.append(
        [
            "confidence by error: below 1, 2, 4, 8 %, above",
            *(" ".join(f"{value:.2f}" for value in column.confidence_by_error) for column in results),
        ]
    )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data keypoint-errors", description=__doc__)
    parser.add_argument("weights", type=Path, help="Ultralytics pose weights")
    parser.add_argument("--crops", type=Path, nargs="+", required=True, help="folders of shards, best of 256 px")
    parser.add_argument("--limit", type=positive_int, help="read no more crops than about so many")
    parser.add_argument("--image-px", type=positive_int, default=320, help="side to which the detector scales a crop")
    parser.add_argument("--output", type=Path, help="file for the statistics and the noise that was fitted to them")
    parser.add_argument("--threads", type=positive_int, default=2, help="threads of torch")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure, fit, print the table and write the file."""
    if not options.weights.is_file():
        raise InputError(f"{options.weights}: no such weights; give a pose network of Ultralytics")
    torch.set_num_threads(options.threads)
    crops = CropShards(options.crops, options.limit)
    seen, is_found = sightings(_open(options), crops)
    if len(seen.confidence) < PEOPLE_MIN or not bool((seen.confidence >= CONFIDENCE_MIN).any()):
        raise InputError(
            f"{options.weights}: {len(seen.confidence)} of {len(is_found)} people found, {PEOPLE_MIN} with some sure"
            " keypoints are needed; give more crops, or weights that find people"
        )
    results = crops.crops[is_found.nonzero().squeeze(1)]
    measured = error_statistics(seen)
    noise = fit_noise(results, measured, KeypointNoise())
    fraction = float(is_found.float().mean())
    present = replace(KeypointNoise(), blackout_rate=0.0)  # whole sides that are cut off are no detector's error
    columns = {"detector": measured} | {
        name: error_statistics(simulate(results, kind, Rng((SEED,))))
        for name, kind in (("own noise", present), ("measured noise", noise))
    }
    sys.stdout.write(f"{options.weights.name}: {fraction:.1%} of {len(is_found)} people found\n\n")
    sys.stdout.write(format_statistics(columns))
    if options.output is not None:
        content = {
            "weights": options.weights.name,
            "crops": len(is_found),
            "crop_px": crops.crops.image.shape[-1],
            "image_px": options.image_px,
            "found": round(fraction, 4),
            "measured": measured.to_mapping(),
            "noise": {name: _rounded(value) for name, value in asdict(noise).items()},
        }
        text = json.dumps(content, indent=1) + "\n"
        write_whole(options.output, lambda draft: draft.write_text(text))


def _open(options: argparse.Namespace) -> DetectorKeypoints:
    from ultralytics import YOLO

    return DetectorKeypoints(YOLO(str(options.weights)), options.image_px, options.device)


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
