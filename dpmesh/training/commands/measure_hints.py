"""Measure how wrong hints in 3D are on crops, how much less so on real people, and write the simulated errors."""

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import positive_int
from configs.skeletons import COCO_OF_30
from dpmesh.body import load_body
from dpmesh.network.hints import HINT_OF_24, normalised_places
from dpmesh.network.model import DPMesh
from dpmesh.recovery.hint_rows import HintRows, lifted_places
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.shards import write_whole
from dpmesh.training.noise.hint_fit import HintSightings, fit_hint_noise
from dpmesh.training.noise.hints import HintNoise, true_hints
from dpmesh.training.people.annotated import as_annotated
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.render.visibility import VISIBLE

RIGHT_MAX = 0.05
"""Median error of the sure keypoints, over the crop's side, up to which they are those of the crop's person."""
UNSEEN_MAX = 0.7
"""Of whom more of the joints are not shown, hints say little."""
SURE = 0.5
"""Confidence that all 12 keypoints need for a person to be compared between drawn and real images."""
CLIP_ROWS_MIN = 15
PEOPLE_MIN = 50
DRAWN_SHARE = 0.15
"""This share of the simulated people has the errors of drawn ones, so that the network learns to doubt hints, too."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far apart sources are, for people of size 1; mean squares along x, y, z in square metres."""

    lift: Tensor  # (3,) of hints and lift
    mirror: Tensor  # (3,) of hints and those of the mirrored image


def agreement(rows: HintRows, lifted: Tensor, chosen: np.ndarray) -> Agreement:
    """Return the agreement on some of the rows, (R,) bool."""
    told, other = (normalised_places(torch.from_numpy(part[chosen][..., :3])) for part in (rows.hints, rows.flipped))
    own = normalised_places(lifted[torch.from_numpy(chosen)])
    lift, mirror = ((told - each).square().mean(dim=(0, 1)) for each in (own, other))
    return Agreement(lift, mirror)


def typical_agreement(rows: HintRows, lifted: Tensor) -> Agreement:
    """Return the median over the clips of their agreement on people all of whose joints are sure.

    Raises:
        InputError: no clip shows enough of them.
    """
    is_sure = _are_sure(rows)
    clips = [clip for clip in np.unique(rows.clip) if (is_sure & (rows.clip == clip)).sum() >= CLIP_ROWS_MIN]
    if not clips:
        raise InputError(f"no clip has {CLIP_ROWS_MIN} people with all limbs in sight; give more clips")
    found = [agreement(rows, lifted, is_sure & (rows.clip == clip)) for clip in clips]
    lift, mirror = (torch.stack([getattr(each, name) for each in found]) for name in ("lift", "mirror"))
    return Agreement(lift.quantile(0.5, dim=0), mirror.quantile(0.5, dim=0))


def match(rows: HintRows, crops: Crops) -> np.ndarray:
    """Return the rows that are of a crop's own person, one per crop at most: (R,) bool."""
    truth = as_annotated(crops)[:, list(COCO_OF_30)][:, 5:].numpy() / crops.image.shape[-1]
    keypoints = rows.keypoints[:, 5:] / np.array([crops.image.shape[-1]] * 2 + [1.0], np.float32)
    apart = np.linalg.norm(keypoints[..., :2] - truth[rows.image], axis=-1)
    apart[keypoints[..., 2] < 0.3] = np.nan
    median = np.full(len(apart), np.inf)
    known = np.isfinite(apart).any(axis=1)
    median[known] = np.nanmedian(apart[known], axis=1)
    best = np.full(len(crops), np.inf)
    np.minimum.at(best, rows.image, median)
    return (median <= RIGHT_MAX) & (median == best[rows.image])


def measure(rows: HintRows, lifted: Tensor, crops: Crops, real: Agreement) -> tuple[HintNoise, dict[str, Any]]:
    """Return the noise, and the figures that its size comes from.

    The form is that of the errors on drawn people. The size is such that hints and lift lie as far apart as on real
    people, where the lift is taken to be as wrong as on drawn ones: their mean square distance is that of the errors
    of the hints alone, and (1 - shared)^2 of the lift's.

    Raises:
        InputError: too few people are known.
    """
    state = crops.visible30[:, HINT_OF_24]
    unseen = (state != VISIBLE).float().mean(1).numpy()[rows.image]
    chosen = match(rows, crops) & (unseen < UNSEEN_MAX)
    if chosen.sum() < PEOPLE_MIN:
        raise InputError(f"{chosen.sum()} people were found where they are, {PEOPLE_MIN} are needed; give more crops")
    places = torch.from_numpy(rows.image[chosen])
    told = torch.from_numpy(rows.hints[chosen])
    truth = true_hints(crops)[places]
    here = HintSightings(told[..., :3], told[..., 3], lifted[torch.from_numpy(chosen)], truth, state[places])
    noise = fit_hint_noise(here)
    sure = chosen & _are_sure(rows)
    drawn = agreement(rows, lifted, sure)
    missed = normalised_places(lifted[torch.from_numpy(sure)])
    missed = missed - normalised_places(true_hints(crops)[torch.from_numpy(rows.image[sure])])
    of_lift = (1.0 - torch.tensor(noise.shared)).square() * missed.square().mean(dim=(0, 1))
    scale = ((real.lift - of_lift).clamp_min(1e-6) / (drawn.lift - of_lift).clamp_min(1e-6)).sqrt().clamp_max(1.0)
    x, y, z = scale.tolist()
    figures = {
        "people": int(chosen.sum()),
        "apart_from_lift_mm": {"drawn": _mm(drawn.lift), "real": _mm(real.lift)},
        "apart_from_mirrored_mm": {"drawn": _mm(drawn.mirror), "real": _mm(real.mirror)},
        "lift_error_drawn_mm": _mm(missed.square().mean(dim=(0, 1))),
    }
    return replace(noise, scale=(x, y, z), drawn_share=DRAWN_SHARE), figures


def _are_sure(rows: HintRows) -> np.ndarray:
    return np.asarray((rows.keypoints[:, 5:, 2] > SURE).all(axis=1))


def _mm(squares: Tensor) -> list[float]:
    return [round(1000 * float(value), 1) for value in squares.sqrt()]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data hint-errors", description=__doc__)
    parser.add_argument("drawn", type=Path, help="hints on the crops, from `dpmesh-video data hints --crops`")
    parser.add_argument("real", type=Path, help="hints on real clips, from `dpmesh-video data hints CLIP...`")
    parser.add_argument("--crops", type=Path, nargs="+", required=True, help="the folders of shards, best of 256 px")
    parser.add_argument("--weights", type=Path, required=True, help="folder of the network whose lift is compared")
    parser.add_argument("--output", type=Path, help="file for the simulated errors")
    parser.add_argument("--threads", type=positive_int, default=2, help="threads of torch")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure, print the figures and write the file."""
    torch.set_num_threads(options.threads)
    network, body = DPMesh.from_pretrained(options.weights, torch_dtype=torch.float32), load_body(None)
    drawn, real = HintRows.read(options.drawn), HintRows.read(options.real)
    crops = CropShards(options.crops).crops
    if len(drawn.image) and drawn.image.max() >= len(crops):
        raise InputError(f"{options.drawn}: is of more crops than {len(crops)}; give the folders that it was made of")
    apart = typical_agreement(real, lifted_places(network, body, real))
    noise, figures = measure(drawn, lifted_places(network, body, drawn), crops, apart)
    sys.stdout.write(json.dumps(figures | {"scale": [round(value, 3) for value in noise.scale]}, indent=1) + "\n")
    if options.output is not None:
        text = json.dumps(figures | {"noise": noise.to_mapping()}, indent=1) + "\n"
        write_whole(options.output, lambda draft: draft.write_text(text))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
