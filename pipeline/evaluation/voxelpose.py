"""Errors of people from several views of CMU Panoptic, as VoxelPose and its successors measure them.

15 joints of `joints19` in world axes, without any alignment; a joint counts with a confidence above 0.1, a person if
the body centre does. Every result goes to the nearest person, over that person's joints; several may go to one. Average
precision at 25 to 150 mm takes the results by their score, the first within the distance of a person being right; MPJPE
is over first results within 500 mm, Recall@500 the share of people with such a result. Frames are every 12th of the
sorted annotation files (every 3rd in training), those without people left out.

Source: XunshanMan/MVGFormer, lib/dataset/panoptic.py, whose sequences for validation are 160906_pizza1,
160422_haggling1, 160906_ian5 and 160906_band4. Left out: the 1e-5 it adds to denominators.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped, join_rows
from configs.skeletons import OPENPOSE25
from pipeline.capture.panoptic import JOINTS, JOINTS19, People

JOINT_SET = "openpose25"
_BODY_NAMES = {
    "neck": "mid_shoulder",
    "body_centre": "mid_outer_hip",
    "left_hip": "left_outer_hip",
    "right_hip": "right_outer_hip",
}
COMPARED = JOINTS19[:15]
BODY_JOINTS = [OPENPOSE25.index(_BODY_NAMES.get(name, name)) for name in COMPARED]
"""Where the 15 joints are in `JOINT_SET`."""
FILE_JOINTS = [JOINTS.index(name) for name in COMPARED]
CENTRE = COMPARED.index("body_centre")
THRESHOLDS_MM = (25, 50, 75, 100, 125, 150)
FOUND_MM = 500.0
EVERY = 12
CAMERA_SETS = {
    "CMU0": (3, 6, 12, 13, 23),
    "CMU1": (1, 2, 3, 4, 6, 7, 10),
    "CMU2": (12, 16, 18, 19, 22, 23, 30),
    "CMU3": (10, 12, 16, 18),
    "CMU4": (6, 7, 10, 12, 16, 18, 19, 22, 23, 30),
}


@dataclass(frozen=True, slots=True)
class Results(Shaped):
    """Results of all frames, each with the person it is nearest to."""

    errors_mm: Annotated[np.ndarray, "R"]
    scores: Annotated[np.ndarray, "R"]
    who: Annotated[np.ndarray, "R"]  # int64, from 0 over all frames


@dataclass(frozen=True, slots=True)
class FramePeople(Shaped):
    """Who is annotated and who was found in one frame; world axes, metres, the joints of `COMPARED`."""

    true_m: Annotated[np.ndarray, "N", 15, 3]
    is_known: Annotated[np.ndarray, "N", 15]  # bool
    found_m: Annotated[np.ndarray, "M", 15, 3]
    scores: Annotated[np.ndarray, "M"]


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of the protocol."""

    people: int
    precision: tuple[float, ...]  # at each of `THRESHOLDS_MM`, 0 to 1
    mpjpe_mm: float  # NaN where nobody is found
    recall: float

    def row(self) -> tuple[str, ...]:
        """Return the cells of a table."""
        error = f"{self.mpjpe_mm:.1f}" if np.isfinite(self.mpjpe_mm) else "-"
        return str(self.people), *(f"{100 * value:.1f}" for value in self.precision), error, f"{100 * self.recall:.1f}"


HEAD = ("people", *(f"AP{limit}" for limit in THRESHOLDS_MM), "MPJPE mm", "recall@500 %")


def protocol_people(people: People) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return joints (N, 15, 3), whether they count (N, 15), and which rows (N,) of `people` count."""
    known = people.is_valid[:, FILE_JOINTS]
    rows = np.flatnonzero(known[:, CENTRE])
    return people.joints_m[rows][:, FILE_JOINTS], known[rows], rows


def measure_frames(frames: Sequence[FramePeople]) -> Summary:
    """Return the figures over frames; those without annotated people are left out, whoever was found there."""
    parts, total = [], 0
    for frame in frames:
        if len(frame.true_m):
            parts.append(_results(frame, total))
            total += len(frame.true_m)
    if not parts:
        return Summary(0, (0.0,) * len(THRESHOLDS_MM), float("nan"), 0.0)
    results = join_rows(parts)
    results = results.take(np.argsort(-results.scores, kind="stable"))
    first = _first_within(results, FOUND_MM)
    return Summary(
        people=total,
        precision=tuple(average_precision(results, total, limit) for limit in THRESHOLDS_MM),
        mpjpe_mm=float(results.errors_mm[first].mean()) if first.any() else float("nan"),
        recall=int(first.sum()) / total,
    )


def average_precision(results: Results, total: int, limit_mm: float) -> float:
    """Return the area under the precision, made to fall, over the recall; results come best score first."""
    is_right = _first_within(results, limit_mm)
    recall = np.cumsum(is_right) / total
    precision = np.cumsum(is_right) / np.arange(1, len(is_right) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * falling).sum())


def _first_within(results: Results, limit_mm: float) -> np.ndarray:
    """Return which results (R,) are the first of their person within a distance."""
    is_near = np.flatnonzero(results.errors_mm < limit_mm)
    _, first = np.unique(results.who[is_near], return_index=True)
    found = np.zeros(len(results.who), bool)
    found[is_near[first]] = True
    return found


def _results(frame: FramePeople, number: int) -> Results:
    apart = 1000 * np.linalg.norm(frame.found_m[:, None] - frame.true_m[None], axis=-1)
    weight = frame.is_known[None]
    errors = np.where(weight, apart, 0.0).sum(axis=-1) / weight.sum(axis=-1)  # (M, N); the centre is always known
    who = errors.argmin(axis=1)
    return Results(errors[np.arange(len(who)), who], frame.scores, who + number)
