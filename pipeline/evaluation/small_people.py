"""Who is found of people of known boxes, by their height in pixels, at several sizes of the detector's input."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.checks import check_numbers
from configs.command import OptionParser
from configs.errors import InputError
from configs.json_files import read_json
from configs.npz_files import read_npz
from configs.option_types import fraction, positive_int
from configs.schema import DetectSettings, RunSettings
from pipeline.device import choose_device
from pipeline.media.random_access import RandomFrames
from pipeline.models import Models
from pipeline.nodes.look import look_at_clip
from pipeline.run import probe_clip
from trackers.association import assign, box_overlaps
from trackers.detector import PeopleFinder
from trackers.input_size import InputSize
from trackers.tiles import finder_of

BINS_PX = (20, 40, 60, 100, 200)
OVERLAP_MIN = 0.5  # IoU from which a detection is that person
VISIBLE_MIN = 0.5  # part of a body: of whom less is seen counts neither as missed nor as found
JSON_BYTES_MAX = 2**24
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """Who is in one frame."""

    index: int
    boxes_xyxy: np.ndarray  # (N, 4) float32
    is_counted: np.ndarray  # (N,) bool, False for people who may be missed


@dataclass(frozen=True, slots=True)
class Counts:
    """Per bin of height: people, found ones, detections, right ones."""

    people: np.ndarray
    found: np.ndarray
    detections: np.ndarray
    right: np.ndarray

    @classmethod
    def none(cls) -> "Counts":
        """Return counts of 0."""
        return cls(*(np.zeros(len(BINS_PX) + 1, np.int64) for _ in range(4)))

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def count_frame(found_xyxy: np.ndarray, truth: FrameTruth) -> Counts:
    """Return the counts of one frame; a wrong detection counts in the bin of its own height."""
    pairs = assign(1.0 - box_overlaps(truth.boxes_xyxy, found_xyxy), 1.0 - OVERLAP_MIN)
    known, seen = _bins(truth.boxes_xyxy), _bins(found_xyxy)
    is_found, is_wrong = np.zeros(len(known), bool), np.ones(len(seen), bool)
    counts = Counts.none()
    for row, column in pairs:
        is_found[row], is_wrong[column] = True, False
        if truth.is_counted[row]:
            counts.detections[known[row]] += 1
            counts.right[known[row]] += 1
    np.add.at(counts.people, known[truth.is_counted], 1)
    np.add.at(counts.found, known[truth.is_counted & is_found], 1)
    np.add.at(counts.detections, seen[is_wrong], 1)
    return counts


def _bins(boxes_xyxy: np.ndarray) -> np.ndarray:
    return np.digitize(boxes_xyxy[:, 3] - boxes_xyxy[:, 1], BINS_PX)


def read_rendered(path: Path) -> list[FrameTruth]:
    """Return the truth beside a rendered clip (`.truth.npz`), one per frame.

    Raises:
        InputError: it is damaged, or holds no boxes.
    """
    truth = path.with_suffix(".truth.npz")
    try:
        arrays = read_npz(truth, {"boxes_xyxy": ("N", "T", 4), "visible_share": ("N", "T")})
        boxes, shares = arrays["boxes_xyxy"], arrays["visible_share"]
        check_numbers("visible_share", shares)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{truth}: not the truth of a rendered clip ({error}); make it with `data crowds`") from error
    frames = []
    for index in range(boxes.shape[1]):
        is_there = np.isfinite(boxes[:, index]).all(axis=1)
        visible = shares[is_there, index] >= VISIBLE_MIN
        frames.append(FrameTruth(index, boxes[is_there, index], visible))
    return frames


def read_marked(path: Path) -> dict[str, list[FrameTruth]]:
    """Return people marked by hand, by the clip's name.

    Args:
        path: JSON, {"clip.mp4": {"12": [[x1, y1, x2, y2], ...]}} with frames counted from 0. A fifth number of 0 marks
            somebody who may be missed.

    Raises:
        InputError: it is something else.
    """
    found = read_json(path, bytes_max=JSON_BYTES_MAX)
    try:
        clips = {}
        for name, frames in found.items():
            clips[str(name)] = [_marked(int(index), rows) for index, rows in frames.items()]
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f'{path}: not boxes of people ({error}); write {{"clip.mp4": {{"0": [[x1, y1, x2, y2]]}}}}'
        ) from error
    return clips


def _marked(index: int, rows: list[list[float]]) -> FrameTruth:
    values = np.array([[*row[:4], row[4] if len(row) > 4 else 1] for row in rows], np.float32).reshape(-1, 5)
    check_numbers(f"frame {index}", values)
    return FrameTruth(index, values[:, :4], values[:, 4] > 0)


@dataclass(slots=True)
class Measured:
    """What one size of the input finds in all clips."""

    counts: Counts
    frames: int = 0
    seconds: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    options = _parse(arguments)
    marked = read_marked(options.boxes) if options.boxes is not None else {}
    detect = DetectSettings(weights=options.detector, second_stage="off", person_px_min=options.person_px)
    settings = RunSettings(detect=detect)
    models = Models(settings, choose_device(settings.runtime.device))
    totals = {size: Measured(Counts.none()) for size in options.sizes}
    for path in options.clips:
        truth = marked[path.name] if path.name in marked else read_rendered(path)
        info = probe_clip(path, settings)
        with RandomFrames(info) as frames:
            images = [frame.image for frame in frames.many([each.index for each in truth])]
        for size, total in totals.items():
            chosen = look_at_clip(info, settings, models).size if size == AUTO else InputSize(int(size))
            finder = finder_of(models.detector(), chosen, detect.people_max)
            counts, seconds = measure(finder, images, truth, options.score)
            total.counts += counts
            total.frames += len(images)
            total.seconds += seconds
            told = f"{size} ({chosen})" if size == AUTO else size
            sys.stdout.write(_line(path.stem, told, counts, seconds / len(images)))
    for size, total in totals.items():
        sys.stdout.write(_line("all", size, total.counts, total.seconds / max(total.frames, 1)))
    return 0


def measure(
    finder: PeopleFinder, images: Sequence[np.ndarray], truth: Sequence[FrameTruth], score_min: float
) -> tuple[Counts, float]:
    """Return the counts over some frames, and the seconds that the detector took."""
    total, seconds = Counts.none(), 0.0
    for image, frame in zip(images, truth, strict=True):
        start = time.perf_counter()
        (found,) = finder.find([image], [frame.index])
        seconds += time.perf_counter() - start
        total += count_frame(found.boxes_xyxy[found.scores >= score_min], frame)
    return total, seconds


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OptionParser(prog="dpmesh-video evaluate small-people", description=(__doc__ or "").strip())
    parser.add_argument("clips", nargs="+", type=Path, help="clips of `data crowds`, or clips named in --boxes")
    parser.add_argument("--boxes", type=Path, help="JSON of people marked by hand, by clip and frame")
    parser.add_argument("--detector", default="bundled", help="pose weights that are measured")
    parser.add_argument("--sizes", type=_sizes, default=("640", "1280", AUTO), help="of the input, as 640,1280,auto")
    parser.add_argument("--score", type=fraction, default=0.45, help="detections below it do not count")
    parser.add_argument("--person-px", type=positive_int, default=40, help="as detect.person_px_min, for `auto`")
    return parser.parse_args(arguments)


def _sizes(text: str) -> tuple[str, ...]:
    sizes = tuple(part.strip() for part in text.split(","))
    for size in sizes:
        if size != AUTO and (not size.isdecimal() or int(size) < 64 or int(size) % 32):
            raise argparse.ArgumentTypeError(f"{size!r} is no size; give multiples of 32, or auto, as 640,1280,auto")
    return sizes


def _line(name: str, size: str, counts: Counts, seconds: float) -> str:
    cells = []
    for row in range(1, len(BINS_PX) + 1):
        recall = f"{counts.found[row] / counts.people[row]:.0%}" if counts.people[row] else "-"
        precision = f"{counts.right[row] / counts.detections[row]:.0%}" if counts.detections[row] else "-"
        cells.append(f"{recall:>5}/{precision:<5}({counts.people[row]:3})")
    return f"{name[:28]:29}{size:28}{' '.join(cells)}{seconds:8.2f} s\n"
