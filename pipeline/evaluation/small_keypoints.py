"""How far keypoints of small people lie from the truth, with and without the second stage, by height in pixels."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from configs.command import OptionParser
from configs.errors import InputError
from configs.npz_files import read_npz
from configs.option_types import positive_int
from configs.schema import DetectSettings, RunSettings
from pipeline.device import choose_device
from pipeline.evaluation.small_people import BINS_PX, OVERLAP_MIN, VISIBLE_MIN
from pipeline.media.random_access import RandomFrames
from pipeline.models import Models
from trackers.association import assign, box_overlaps
from trackers.input_size import spread_over
from trackers.types import Detections

CONFIDENCE_MIN = 0.3  # of a keypoint that counts, as `recover.keypoint_score_min`
NEAR = 0.1  # of the person's height


@dataclass(frozen=True, slots=True)
class Errors:
    """Keypoints of the people of one kind of height."""

    given: list[np.ndarray]  # (17,) bool of each person: confident enough
    distances: list[np.ndarray]  # (17,) of each person, over the height


def person_errors(people: Detections, boxes_xyxy: np.ndarray, keypoints_px: np.ndarray) -> dict[int, Errors]:
    """Return the errors by the row of the known person whom a detection belongs to.

    Args:
        people: of one frame.
        boxes_xyxy, keypoints_px: (N, 4) and (N, 17, 2) of the known people.
    """
    result = {}
    for row, column in assign(1.0 - box_overlaps(boxes_xyxy, people.boxes_xyxy), 1.0 - OVERLAP_MIN):
        found = people.keypoints[column]
        height = boxes_xyxy[row, 3] - boxes_xyxy[row, 1]
        distance = np.linalg.norm(found[:, :2] - keypoints_px[row], axis=-1) / height
        result[int(row)] = Errors([found[:, 2] >= CONFIDENCE_MIN], [distance])
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    options = _parse(arguments)
    settings = RunSettings(detect=DetectSettings(weights=options.detector, is_flip_test_on=False))
    models = Models(settings, choose_device(settings.runtime.device))
    finder, stage = models.detector().sized(options.size), models.second_stage()
    if stage is None:
        raise InputError("detect.second_stage is off; there is nothing to compare with")
    table: dict[str, list[Errors]] = {name: [Errors([], []) for _ in range(len(BINS_PX) + 1)] for name in ("off", "on")}
    for path in options.clips:
        truth = path.with_suffix(".truth.npz")
        try:
            known = read_npz(truth, ("boxes_xyxy", "visible_share", "keypoints_px"))
            boxes, shares, keypoints = known["boxes_xyxy"], known["visible_share"], known["keypoints_px"]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{truth}: no keypoints of a rendered clip ({error}); see `data sequences`") from error
        indices = spread_over(0, boxes.shape[1], options.frames)
        with RandomFrames(path) as frames:
            images = [frame.image for frame in frames.many(indices)]
        for factor in options.shrink:
            for index, image in zip(indices, images, strict=True):
                small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
                people = finder.find([small], [index])
                is_there = (shares[:, index] >= VISIBLE_MIN) & np.isfinite(boxes[:, index]).all(axis=1)
                true_boxes = boxes[is_there, index] * np.float32(factor)
                true_points = keypoints[is_there, index] * factor
                bins = np.digitize(true_boxes[:, 3] - true_boxes[:, 1], BINS_PX)
                for name, found in (("off", people), ("on", stage.refine([small], people))):
                    for row, errors in person_errors(found[0], true_boxes, true_points).items():
                        table[name][bins[row]].given.extend(errors.given)
                        table[name][bins[row]].distances.extend(errors.distances)
    _print(table)
    return 0


def _print(table: dict[str, list[Errors]]) -> None:
    edges = [*BINS_PX, None]
    sys.stdout.write(f"{'height, px':12}{'people':>7}" + "".join(f"{name:>30}" for name in table) + "\n")
    for row in range(1, len(BINS_PX) + 1):
        count = len(table["off"][row].given)
        if not count:
            continue
        cells = []
        for errors in (table["off"][row], table["on"][row]):
            given, distances = np.stack(errors.given), np.stack(errors.distances)
            near = (given & (distances <= NEAR)).mean()
            median = f"{np.median(distances[given]):.1%}" if given.any() else "-"
            cells.append(f"{given.mean():>10.0%} given{near:>6.0%} near{median:>8}")
        name = f"{edges[row - 1]}-{edges[row]}" if edges[row] is not None else f"{edges[row - 1]}+"
        sys.stdout.write(f"{name:12}{count:7}" + "".join(cells) + "\n")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OptionParser(prog="dpmesh-video evaluate small-keypoints", description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path, help="clips of `data sequences`")
    parser.add_argument("--detector", default="bundled", help="pose weights that are measured")
    parser.add_argument("--frames", type=positive_int, default=6, help="evenly spaced frames of each clip")
    parser.add_argument("--size", type=positive_int, default=1280, help="of the detector's input")
    parser.add_argument("--shrink", type=_factors, default=(1.0, 0.5, 0.25, 0.15), help="of the frames, as 1,0.5,0.25")
    return parser.parse_args(arguments)


def _factors(text: str) -> tuple[float, ...]:
    try:
        factors = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are no factors; give some as 1,0.5,0.25") from error
    if not all(0.02 <= factor <= 1 for factor in factors):
        raise argparse.ArgumentTypeError(f"{text}: give factors from 0.02 to 1")
    return factors
