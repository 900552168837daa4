"""Clips of `dpmesh-video data crowd-detections`, and what a tracker says of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from configs.errors import InputError
from trackers.types import Detections

TRUTHS = {"visible": "gt_visible.txt", "all": "gt.txt"}


@dataclass(frozen=True, slots=True)
class Boxes(Shaped):
    """Who is where: the truth, or the answer of a tracker."""

    frame_index: Annotated[np.ndarray, "R"]  # int64, from 0, rising
    identity: Annotated[np.ndarray, "R"]  # int64
    boxes_xyxy: Annotated[np.ndarray, "R", 4]  # pixels


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip with its truths."""

    folder: Path
    frames: int
    truths: dict[str, Boxes]  # by the keys of `TRUTHS`

    @property
    def density(self) -> str:
        """The first word of the folder's name."""
        return self.folder.name.partition("_")[0]


def read_clips(folder: Path) -> list[Clip]:
    """Return the clips of a folder, by name.

    Raises:
        InputError: there is none.
    """
    found = sorted(path.parent for path in folder.glob("*/detections.npz"))
    if not found:
        raise InputError(
            f"{folder}: no clip in it (NAME/detections.npz); make some: dpmesh-video data crowd-detections {folder}"
        )
    return [_read_clip(path) for path in found]


def read_detections(folder: Path) -> list[Detections]:
    """Return the detections of each frame of a clip.

    Raises:
        InputError: it is no clip.
    """
    path = folder / "detections.npz"
    if not path.is_file():
        raise InputError(f"{folder}: holds no detections.npz; give a clip of `dpmesh-video data crowd-detections`")
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    edges = np.searchsorted(arrays["frame_index"], np.arange(len(arrays["time_s"]) + 1))
    return [
        Detections(arrays["boxes_xyxy"][rows], arrays["scores"][rows], arrays["keypoints"][rows])
        for rows in (slice(*edges[frame : frame + 2]) for frame in range(len(edges) - 1))
    ]


def filled(boxes: Boxes, gap_frames: int, cuts: np.ndarray) -> Boxes:
    """Return the boxes with those of gaps of at most `gap_frames` put between, on a straight line; none over cuts."""
    frames, names, places = [boxes.frame_index], [boxes.identity], [boxes.boxes_xyxy]
    for identity in np.unique(boxes.identity):
        mine = boxes.identity == identity
        at, box = boxes.frame_index[mine], boxes.boxes_xyxy[mine]
        shot = np.searchsorted(cuts, at, side="right")
        for before in np.flatnonzero((np.diff(at) > 1) & (np.diff(at) <= gap_frames + 1) & (np.diff(shot) == 0)):
            new = np.arange(at[before] + 1, at[before + 1])
            share = ((new - at[before]) / (at[before + 1] - at[before]))[:, None]
            frames.append(new)
            names.append(np.full(len(new), identity))
            places.append((1 - share) * box[before] + share * box[before + 1])
    frame = np.concatenate(frames)
    order = np.argsort(frame, kind="stable")
    return Boxes(frame[order], np.concatenate(names)[order], np.concatenate(places)[order])


def _read_clip(folder: Path) -> Clip:
    with np.load(folder / "detections.npz", allow_pickle=False) as arrays:
        frames = len(arrays["time_s"])
    return Clip(folder, frames, {name: _read_truth(folder / "gt" / file) for name, file in TRUTHS.items()})


def _read_truth(path: Path) -> Boxes:
    table = np.loadtxt(path, delimiter=",", ndmin=2).reshape(-1, 9)
    low = table[:, 2:4] - 1
    return Boxes(table[:, 0].astype(int) - 1, table[:, 1].astype(int), np.concatenate([low, low + table[:, 4:6]], 1))
