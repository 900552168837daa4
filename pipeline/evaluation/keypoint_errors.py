"""How far two sources of keypoints lie apart on clips, and the errors of each that this tells.

Neither is the truth. The variance of their difference is the sum of both variances, which is solved for each source by
its own confidence; what can be shifted between the two is settled by how much each trembles from frame to frame.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from scipy.optimize import nnls

from configs.checks import Shaped, join_rows
from configs.command import OptionParser
from configs.errors import InputError
from configs.json_files import read_json
from configs.option_types import positive_int
from configs.schema import DetectSettings, RunSettings, TrackSettings
from pipeline.device import choose_device
from pipeline.evaluation.middle import middle_frames
from pipeline.models import Models
from trackers.blazepose.keypoints import kept_points
from trackers.joining import COMMON_MIN, GROUP_OF, GROUPS, HIPS, SHOULDERS, STRANGER_MIN, body_axes
from trackers.tracker import Tracker
from trackers.types import COCO_KEYPOINTS

FRAMES_AT_ONCE = 16
SOURCES = ("detector", "landmarks")
NODE_QUANTILES = (0.02, 0.15, 0.35, 0.6, 0.85, 0.98)  # of a source's confidences: where its errors are given
SURE_QUANTILE = 0.5
GIVEN_MIN = 0.1  # less confident points say nothing
PIXELS = 1.0  # of the image, per axis: a point is not marked better, however small the person
SIDE_MIN_PX = 80.0  # people smaller than this say more of pixels than of networks
PER_AXIS = 1.1774  # median length of a two-dimensional normal error, over its standard deviation per axis
CELL_MIN = 12  # points that a cell of both confidences needs
FLOOR = 0.004  # of the side; smaller values are not distinguishable from pixels


@dataclass(frozen=True, slots=True)
class Pairs(Shaped):
    """The same people's keypoints from both sources."""

    clip: Annotated[np.ndarray, "R"]  # int64
    frame: Annotated[np.ndarray, "R"]  # int64
    track: Annotated[np.ndarray, "R"]  # int64
    sides_px: Annotated[np.ndarray, "R"]  # float64
    detector: Annotated[np.ndarray, "R", 17, 3]  # float64, pixels and confidence
    landmarks: Annotated[np.ndarray, "R", 17, 3]  # float64


@dataclass(frozen=True, slots=True)
class GroupErrors:
    """What was found of one group of joints."""

    apart: float  # median distance of the two, over the side
    trembling: tuple[float, float]  # of detector and landmarks, per axis, over the side
    offset: tuple[float, float]  # of the landmarks: along the trunk, and outwards over the distance of left and right
    sigma: tuple[np.ndarray, np.ndarray]  # of detector and landmarks, at their nodes


@dataclass(frozen=True, slots=True)
class Measured:
    """The errors of both sources."""

    nodes: dict[str, np.ndarray]  # confidences at which errors are given, by source
    groups: dict[str, GroupErrors]


def measure(pairs: Pairs) -> Measured:
    """Return the errors of each group of joints; people whose two estimates are of different people are left out.

    Raises:
        InputError: fewer points than a fit needs.
    """
    pairs = pairs.take(_is_same_person(pairs) & (pairs.sides_px >= SIDE_MIN_PX))
    if len(pairs.clip) < CELL_MIN:
        raise InputError(f"only {len(pairs.clip)} people of at least {SIDE_MIN_PX:.0f} px were found; give more clips")
    nodes, sure, found = {}, {}, {}
    for source in SOURCES:
        confidence = getattr(pairs, source)[..., 2]
        given = confidence[confidence >= GIVEN_MIN]
        nodes[source] = np.round(np.quantile(given, NODE_QUANTILES), 3)
        sure[source] = float(np.quantile(given, SURE_QUANTILE))
    for number, name in enumerate(GROUPS):
        joints = np.flatnonzero(number == GROUP_OF)
        offset = _offset(pairs, joints, sure)
        difference = (pairs.landmarks - pairs.detector)[:, joints, :2] - _shift(pairs, joints, offset)
        difference /= pairs.sides_px[:, None, None]
        trembling = tuple(_trembling(pairs, joints, source, sure[source]) for source in SOURCES)
        found[name] = GroupErrors(
            apart=float(np.median(np.linalg.norm(difference, axis=-1)[_is_sure(pairs, joints, sure)])),
            trembling=(trembling[0], trembling[1]),
            offset=offset,
            sigma=_split(pairs, joints, difference, (trembling[1] / trembling[0]) ** 2, nodes),
        )
    return Measured(nodes, found)


def to_json(measured: Measured, name: str) -> dict[str, Any]:
    """Return the content of the file that `trackers.joining` reads; the detector's entry is called `name`."""
    found = measured.groups
    sources = {
        name if source == "detector" else source: {
            "confidence": measured.nodes[source].tolist(),
            "sigma": {name: [round(float(value), 4) for value in found[name].sigma[place]] for name in GROUPS},
            "offset": {name: [round(x, 3) for x in found[name].offset] if place else [0.0, 0.0] for name in GROUPS},
            "sigma_px": PIXELS,
        }
        for place, source in enumerate(SOURCES)
    }
    return {"sources": sources}


def _is_same_person(pairs: Pairs) -> np.ndarray:
    distance = np.linalg.norm((pairs.detector - pairs.landmarks)[..., :2], axis=-1) / pairs.sides_px[:, None]
    is_given = (pairs.detector[..., 2] >= GIVEN_MIN) & (pairs.landmarks[..., 2] >= GIVEN_MIN)
    enough = is_given.sum(axis=1) >= COMMON_MIN
    median = np.array([np.median(row[given]) if len(row[given]) else np.inf for row, given in zip(distance, is_given)])
    return np.logical_and(enough, median <= STRANGER_MIN)


def _is_sure(pairs: Pairs, joints: np.ndarray, sure: dict[str, float]) -> np.ndarray:
    return np.logical_and(*(getattr(pairs, source)[:, joints, 2] >= sure[source] for source in SOURCES))


def _offset(pairs: Pairs, joints: np.ndarray, sure: dict[str, float]) -> tuple[float, float]:
    """Return where the landmarks mean another point of the body than the detector, in `body_axes`.

    Least squares, reweighted twice so that outliers count little.
    """
    up, out = (axis[:, joints] for axis in body_axes(pairs.landmarks[..., :2]))
    difference = (pairs.landmarks - pairs.detector)[:, joints, :2]
    is_trunk_sure = pairs.detector[:, [*SHOULDERS, *HIPS], 2].min(axis=1) >= sure["detector"]
    rows = _is_sure(pairs, joints, sure) & is_trunk_sure[:, None]
    if rows.sum() < CELL_MIN:
        return 0.0, 0.0
    scale = np.broadcast_to(pairs.sides_px[:, None], rows.shape)[rows][:, None]
    target, axes = difference[rows] / scale, np.stack([up[rows] / scale, out[rows] / scale], axis=-1)
    found, weight = np.zeros(2), np.ones(len(target))
    for _ in range(3):
        found = np.linalg.lstsq(
            (axes * weight[:, None, None]).reshape(-1, 2), (target * weight[:, None]).ravel(), rcond=None
        )[0]
        weight = 1.0 / np.sqrt(np.maximum(np.linalg.norm(target - axes @ found, axis=-1), 0.01))
    return float(found[0]), float(found[1])


def _shift(pairs: Pairs, joints: np.ndarray, offset: tuple[float, float]) -> np.ndarray:
    up, out = (axis[:, joints] for axis in body_axes(pairs.landmarks[..., :2]))
    return offset[0] * up + offset[1] * out


def _trembling(pairs: Pairs, joints: np.ndarray, source: str, sure: float) -> float:
    """Return the standard deviation per axis, over the side, of a source's frame-to-frame noise."""
    order = np.lexsort((pairs.frame, pairs.track, pairs.clip))
    keys = np.stack([pairs.clip, pairs.track, pairs.frame], axis=1)[order]
    points = getattr(pairs, source)[order][:, joints]
    sides = pairs.sides_px[order]
    steps = np.diff(keys, axis=0)
    is_next = (steps == np.array([0, 0, 1])).all(axis=1)
    middle = np.flatnonzero(is_next[:-1] & is_next[1:]) + 1
    second = (points[middle - 1] - 2.0 * points[middle] + points[middle + 1])[..., :2] / sides[middle, None, None]
    is_sure = np.stack([points[middle + shift, :, 2] for shift in (-1, 0, 1)]).min(axis=0) >= sure
    lengths = np.linalg.norm(second, axis=-1)[is_sure]
    return float(np.median(lengths)) / PER_AXIS / 6.0**0.5 if len(lengths) >= CELL_MIN else np.nan


def _split(
    pairs: Pairs, joints: np.ndarray, difference: np.ndarray, ratio: float, nodes: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard deviations of both sources at their nodes, falling with confidence.

    Args:
        difference: (R, J, 2) over the side.
        ratio: of the variances where both are surest, landmarks over detector; NaN: equal.
    """
    ratio = float(np.clip(ratio, 0.5, 2.0)) if np.isfinite(ratio) else 1.0
    confidence = [getattr(pairs, source)[:, joints, 2] for source in SOURCES]
    edges = [0.5 * (nodes[source][1:] + nodes[source][:-1]) for source in SOURCES]
    cells = [np.digitize(values, edge) for values, edge in zip(confidence, edges, strict=True)]
    given = (np.stack(confidence) >= GIVEN_MIN).all(axis=0)
    lengths = np.linalg.norm(difference, axis=-1)
    counts = [len(NODE_QUANTILES)] * 2
    rows, wanted = [], []
    for first in range(counts[0]):
        for second in range(counts[1]):
            inside = lengths[(cells[0] == first) & (cells[1] == second) & given]
            if len(inside) >= CELL_MIN:
                variance = max((float(np.median(inside)) / PER_AXIS) ** 2, 2 * FLOOR**2)
                row = np.zeros(sum(counts))
                row[first] = row[counts[0] + second] = 1.0
                weight = np.sqrt(len(inside)) / variance
                rows.append(row * weight)
                wanted.append(variance * weight)
    tie = np.zeros(sum(counts))
    tie[counts[0] - 1], tie[-1] = ratio, -1.0
    heavy = 1e3 * max(wanted, default=1.0) / FLOOR**2
    smooth = [_rising(sum(counts), place, 1.0 / FLOOR) for place in range(sum(counts) - 1) if place != counts[0] - 1]
    solved = nnls(np.array([*rows, tie * heavy, *smooth]), np.array([*wanted, 0.0, *np.zeros(len(smooth))]))[0]
    parts = np.split(solved, [counts[0]])
    falling = [np.maximum.accumulate(np.maximum(part, FLOOR**2)[::-1])[::-1] for part in parts]
    return np.sqrt(falling[0]), np.sqrt(falling[1])


def _rising(count: int, place: int, weight: float) -> np.ndarray:
    """Return a row that holds two neighbouring variances together, weakly: for confidences that were never seen."""
    row = np.zeros(count)
    row[place], row[place + 1] = weight, -weight
    return row


def collect(path: Path, clip: int, frames: int, models: Models) -> Pairs:
    """Return the people of a clip's middle frames in both sources.

    Args:
        clip: its number, kept with every row.
        frames: how many, at most.
    """
    finder, stage = models.people_finder(), models.second_stage()
    if stage is None:
        raise InputError("detect.second_stage is off; there is nothing to compare with")
    tracker, parts = Tracker(TrackSettings()), []
    shown = middle_frames(path, frames)
    while chunk := list(islice(shown, FRAMES_AT_ONCE)):
        images = [frame.image for frame in chunk]
        found = finder.find(images, [frame.index for frame in chunk])
        tracks = [tracker.update(people, frame.time_s, frame.index) for people, frame in zip(found, chunk, strict=True)]
        row = np.repeat(np.arange(len(chunk)), [len(people) for people in tracks])
        boxes, keypoints = (np.concatenate([getattr(t, name) for t in tracks]) for name in ("boxes_xyxy", "keypoints"))
        landmarks = kept_points(stage.look(images, row, boxes, keypoints))[:, :COCO_KEYPOINTS]
        parts.append(
            Pairs(
                clip=np.full(len(row), clip),
                frame=np.array([frame.index for frame in chunk])[row],
                track=np.concatenate([people.track_ids for people in tracks]),
                sides_px=(boxes[:, 2:] - boxes[:, :2]).max(axis=1).astype(np.float64),
                detector=keypoints.astype(np.float64),
                landmarks=landmarks.astype(np.float64),
            )
        )
    return join_rows(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit code."""
    parser = OptionParser(prog="dpmesh-video evaluate keypoints", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("clips", nargs="+", type=Path, help="videos of real people")
    parser.add_argument("--detector", default="auto", help="pose weights, as of `run`")
    parser.add_argument("--second-stage", default="auto", help="landmark network, as detect.second_stage")
    parser.add_argument("--frames", type=positive_int, default=48, help="frames of each clip, from its middle")
    parser.add_argument("--name", default="detector", help="what the detector's errors are called in the file")
    parser.add_argument(
        "--output", type=Path, help="JSON file to write the error models to; of a file that exists, the others stay"
    )
    chosen = parser.parse_args(arguments)
    settings = RunSettings(detect=DetectSettings(weights=chosen.detector, second_stage=chosen.second_stage))
    models = Models(settings, choose_device(settings.runtime.device))
    parts = []
    for clip, path in enumerate(chosen.clips):
        parts.append(collect(path, clip, chosen.frames, models))
        same = _is_same_person(parts[-1])
        sys.stderr.write(f"{path.name}: {len(same)} people, {same.mean() if len(same) else 0:.0%} alike in both\n")
    found = measure(join_rows(parts))
    for line in _lines(found):
        sys.stdout.write(line + "\n")
    if chosen.output is not None:
        known = read_json(chosen.output)["sources"] if chosen.output.exists() else {}
        sources = to_json(found, chosen.name)["sources"] | {key: known[key] for key in known if key != chosen.name}
        chosen.output.write_text(json.dumps({"sources": sources}, indent=1) + "\n")
    return 0


def _lines(measured: Measured) -> Iterator[str]:
    found = measured.groups
    yield f"{'percent of the side':20}" + "".join(f"{name:>10}" for name in found)
    yield f"{'apart (median)':20}" + "".join(f"{100 * errors.apart:10.2f}" for errors in found.values())
    for place, source in enumerate(SOURCES):
        trembling = [errors.trembling[place] for errors in found.values()]
        yield f"{source + ' trembling':20}" + "".join(f"{100 * value:10.2f}" for value in trembling)
        for column, confidence in enumerate(measured.nodes[source]):
            values = [errors.sigma[place][column] for errors in found.values()]
            yield f"{f'{source} at {confidence}':20}" + "".join(f"{100 * value:10.2f}" for value in values)
    for place, axis in enumerate(("up", "out")):
        offsets = [errors.offset[place] for errors in found.values()]
        yield f"{'landmarks ' + axis:20}" + "".join(f"{value:10.3f}" for value in offsets)
