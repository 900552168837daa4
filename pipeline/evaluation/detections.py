"""Whom a detector finds on real clips, beside another detector, and how alike their keypoints are."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import fraction, positive_int
from configs.schema import DetectSettings, RunSettings
from pipeline.device import choose_device
from pipeline.media.probe import probe
from pipeline.media.read import read_frames
from pipeline.models import Models
from trackers.association import assign, box_overlaps
from trackers.types import Detections

OVERLAP_MIN = 0.5  # IoU from which two boxes are one person
OTHER_SCORE_MIN = 0.1  # a box that the reference has with less is nobody's
KEYPOINT_SCORE_MIN = 0.5
NEAR = 0.05  # of the box's longer side


@dataclass(frozen=True, slots=True)
class Compared:
    """Counts over the frames of a clip."""

    people: int  # of the reference, with a sufficient score
    found: int  # of them
    boxes: int  # of the detector, with a sufficient score
    unknown: int  # of them, that match nobody of the reference, whatever the score
    keypoints: int  # confident ones of found people, in both
    near: int  # of them, within `NEAR`

    def __add__(self, other: "Compared") -> "Compared":
        return Compared(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def compare(found: Detections, reference: Detections, score_min: float, reference_score_min: float) -> Compared:
    """Return the counts of one frame."""
    ours = found.take(np.flatnonzero(found.scores >= score_min))
    known = reference.take(np.flatnonzero(reference.scores >= OTHER_SCORE_MIN))
    overlaps = box_overlaps(known.boxes_xyxy, ours.boxes_xyxy)
    pairs = assign(1.0 - overlaps, 1.0 - OVERLAP_MIN)
    is_sure = known.scores >= reference_score_min
    keypoints = near = 0
    for row, column in pairs:
        theirs, own = known.keypoints[row], ours.keypoints[column]
        both = (theirs[:, 2] >= KEYPOINT_SCORE_MIN) & (own[:, 2] >= KEYPOINT_SCORE_MIN) & is_sure[row]
        side = (known.boxes_xyxy[row, 2:] - known.boxes_xyxy[row, :2]).max()
        keypoints += int(both.sum())
        near += int((np.linalg.norm((theirs - own)[both, :2], axis=-1) <= NEAR * side).sum())
    return Compared(
        people=int(is_sure.sum()),
        found=sum(bool(is_sure[row]) for row, _ in pairs),
        boxes=len(ours),
        unknown=len(ours) - len(pairs),
        keypoints=keypoints,
        near=near,
    )


def compare_clip(path: Path, frames: int, ours: Models, theirs: Models, score_min: float, reference: float) -> Compared:
    """Return the counts over evenly spaced frames of a clip."""
    info = probe(path)
    step = max(1, (info.frame_count or frames) // frames)
    finder, second, other = ours.people_finder(), ours.second_stage(), theirs.people_finder()
    total = Compared(0, 0, 0, 0, 0, 0)
    for number, frame in enumerate(read_frames(info)):
        if number % step or number >= step * frames:
            continue
        found = finder.find([frame.image], [frame.index])
        if second is not None:
            found = second.refine([frame.image], found)
        seen = other.find([frame.image], [frame.index])
        total += compare(found[0], seen[0], score_min, reference)
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print; return the exit code."""
    options = _parse(arguments)
    device = choose_device("auto")
    ours, theirs = (
        Models(RunSettings(detect=DetectSettings(weights=weights, second_stage=stage)), device)
        for weights, stage in ((options.detector, options.second_stage), (options.reference, "off"))
    )
    sys.stdout.write(f"{'clip':36}{'people':>8}{'found':>8}{'boxes':>8}{'unknown':>9}{'keypoints':>11}{'near':>7}\n")
    total = Compared(0, 0, 0, 0, 0, 0)
    for path in options.clips:
        counts = compare_clip(path, options.frames, ours, theirs, options.score, options.reference_score)
        total += counts
        sys.stdout.write(_line(path.stem, counts))
    sys.stdout.write(_line("all", total))
    if not total.people:
        raise InputError("the reference finds nobody on these clips; give others, or a lower --reference-score")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OptionParser(prog="dpmesh-video evaluate detections", description=(__doc__ or "").strip())
    parser.add_argument("clips", nargs="+", type=Path, help="videos of real people")
    parser.add_argument("--reference", required=True, help="pose weights to compare with, as of `run --detector`")
    parser.add_argument("--detector", default="bundled", help="pose weights that are measured")
    parser.add_argument("--second-stage", default="auto", help="as detect.second_stage")
    parser.add_argument("--frames", type=positive_int, default=10, help="evenly spaced frames of each clip")
    parser.add_argument("--score", type=fraction, default=0.5, help="boxes of the detector below it do not count")
    parser.add_argument("--reference-score", type=fraction, default=0.5, help="the same of the reference")
    return parser.parse_args(arguments)


def _line(name: str, counts: Compared) -> str:
    share = f"{counts.found / counts.people:.0%}" if counts.people else "-"
    near = f"{counts.near / counts.keypoints:.0%}" if counts.keypoints else "-"
    return (
        f"{name[:35]:36}{counts.people:8}{share:>8}{counts.boxes:8}{counts.unknown:9}{counts.keypoints:11}{near:>7}\n"
    )
