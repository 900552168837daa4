"""Writes what the second stage tells of people in 3D, on clips or on drawn crops, for `data hint-errors`."""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs.checks import join_rows
from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import positive_int
from configs.schema import DetectSettings, RunSettings
from configs.skeletons import COCO_NAMES, MIRRORED_17, mirrored
from pipeline.device import choose_device
from pipeline.evaluation.middle import middle_frames
from pipeline.models import Models
from trackers.blazepose.keypoints import hint_joints
from trackers.types import concatenate_detections

if TYPE_CHECKING:
    from dpmesh.recovery.hint_rows import HintRows
    from trackers.detector import PeopleFinder
    from trackers.second_stage import SecondStage

IMAGES_AT_ONCE = 16
MIRRORED_12 = list(mirrored(COCO_NAMES[5:]))
SCORE_MIN = 0.4  # people less sure are left out


def look(
    images: Sequence[np.ndarray], first: int, clip: int, finder: "PeopleFinder", stage: "SecondStage"
) -> "HintRows":
    """Return the people of some images, from the `first` of their clip on."""
    from dpmesh.recovery.hint_rows import HintRows

    found = finder.find(images, range(first, first + len(images)))
    row = np.repeat(np.arange(len(images)), [len(people) for people in found])
    people = concatenate_detections(found)
    chosen = people.scores >= SCORE_MIN
    row, people = row[chosen], people.take(chosen)
    straight = hint_joints(stage.look(images, row, people.boxes_xyxy, people.keypoints))
    widths = np.array([image.shape[1] for image in images], np.float32)[row]
    boxes = people.boxes_xyxy[:, [2, 1, 0, 3]].copy()
    boxes[:, [0, 2]] = widths[:, None] - boxes[:, [0, 2]]
    keypoints = people.keypoints[:, list(MIRRORED_17)].copy()
    keypoints[..., 0] = widths[:, None] - keypoints[..., 0]
    turned = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    other = hint_joints(stage.look(turned, row, boxes, keypoints))[:, MIRRORED_12]
    other[..., 0] *= -1.0
    return HintRows(
        clip=np.full(len(row), clip),
        image=first + row,
        boxes_xyxy=people.boxes_xyxy,
        keypoints=people.keypoints,
        hints=straight,
        flipped=other,
    )


def images_of(path: Path, frames: int) -> Iterator[np.ndarray]:
    """Yield the crops of a folder of shards, (P, P, 3) uint8, or the middle frames of a clip."""
    if path.is_dir():
        for shard in sorted(path.glob("crops_*.npz")):
            with np.load(shard, allow_pickle=False) as arrays:
                yield from np.ascontiguousarray(arrays["image"].transpose(0, 2, 3, 1))
        return
    for frame in middle_frames(path, frames):
        yield frame.image


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at everybody and write the file; return the exit code."""
    parser = OptionParser(prog="dpmesh-video data hints", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sources", nargs="+", type=Path, help="videos of real people, or one folder of drawn crops")
    parser.add_argument("--detector", default="auto", help="pose weights, as of `run`")
    parser.add_argument("--second-stage", default="auto", help="landmark network, as detect.second_stage")
    parser.add_argument(
        "--image-px", type=positive_int, default=640, help="longer side of the detector's input; 320 for crops"
    )
    parser.add_argument("--frames", type=positive_int, default=100, help="frames of each clip, from its middle")
    parser.add_argument("--output", type=Path, required=True, help="file to write (.npz)")
    chosen = parser.parse_args(arguments)
    detect = DetectSettings(weights=chosen.detector, second_stage=chosen.second_stage, image_px=chosen.image_px)
    settings = RunSettings(detect=detect)
    models = Models(settings, choose_device(settings.runtime.device))
    stage = models.second_stage()
    if stage is None:
        raise InputError("detect.second_stage is off; there is nobody to tell hints")
    parts = []
    for clip, path in enumerate(chosen.sources):
        images, first, count = images_of(path, chosen.frames), 0, 0
        while some := list(islice(images, IMAGES_AT_ONCE)):
            parts.append(look(some, first, clip, models.people_finder(), stage))
            first, count = first + len(some), count + len(parts[-1].clip)
        sys.stderr.write(f"{path.name}: {count} people in {first} images\n")
    if not parts:
        raise InputError("no image was found; give clips, or a folder that `dpmesh-video data crops` filled")
    join_rows(parts).write(chosen.output)
    return 0
