"""A run against the truth of a synthetic clip: who was found, for how long, and how far off the joints are."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np

from configs.checks import Shaped, check_shape
from configs.errors import InputError
from configs.npz_files import read_npz
from pipeline.evaluation.alignment import procrustes_errors, root_errors
from pipeline.evaluation.pairing import Pair, pair_people
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.evaluation.reprojection import percent
from pipeline.motion.posing import Body, joint_positions
from pipeline.types import MotionTrack

# The 14 joints that most benchmarks report, in SMPL order: hips, knees, ankles, neck, head, shoulders, elbows, wrists.
LIMB_JOINTS = (1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21)
VISIBLE_MIN = 0.3  # a person counts as visible in a frame from this share of their surface on
TRUTH_KEYS = ("joints_smpl24", "visible_share", "focal_px", "principal_px")


@dataclass(frozen=True, slots=True)
class Truth(Shaped):
    """What a synthetic clip really shows. Row t is frame t of the video."""

    joints_m: Annotated[np.ndarray, "P", "T", 24, 3]  # SMPL joints in camera axes, metres
    visible_share: Annotated[np.ndarray, "P", "T"]  # 0 to 1, share of the body that is in the image and not hidden
    focal_px: Annotated[np.ndarray, "T"]
    principal_px: Annotated[np.ndarray, "T", 2]

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        if not len(self.focal_px):
            raise ValueError("visible_share: holds no frame; give a clip with at least one")
        if not (np.isfinite(self.focal_px).all() and (self.focal_px > 0).all()):
            raise ValueError(f"focal_px: is {self.focal_px.min()}; give finite pixels above 0")


@dataclass(frozen=True, slots=True)
class TruthReport(Shaped):
    """What a run found of every person, over the frames in which the person is visible."""

    visible: Annotated[np.ndarray, "P"]  # int64, frames in which the person is visible
    found: Annotated[np.ndarray, "P"]  # int64, of these, frames in which a body stands for the person
    switches: Annotated[np.ndarray, "P"]  # int64, how often another track took over
    mpjpe_mm: Annotated[np.ndarray, "P"]  # mean joint error, pelvis on pelvis; NaN where never found
    pa_mpjpe_mm: Annotated[np.ndarray, "P"]  # the same after Procrustes alignment
    position_mm: Annotated[np.ndarray, "P"]  # mean distance of the pelvis from the true one
    extra: int  # bodies that stand for nobody, summed over frames

    @property
    def found_fraction(self) -> np.ndarray:
        """Share of the visible frames (P,) in which the person was found; NaN for someone never visible."""
        return np.where(self.visible > 0, self.found / np.maximum(self.visible, 1), np.nan)

    @property
    def mean_mpjpe_mm(self) -> float:
        """Mean over people, each with the same weight; NaN if nobody was found."""
        return _mean(self.mpjpe_mm)

    @property
    def mean_pa_mpjpe_mm(self) -> float:
        """Mean over people, each with the same weight; NaN if nobody was found."""
        return _mean(self.pa_mpjpe_mm)

    def rows(self) -> list[tuple[str, ...]]:
        """Return table rows: the names of the columns, one row per person, and their mean."""
        table: list[tuple[str, ...]] = [COLUMNS]
        for person in range(len(self.visible)):
            errors = (self.mpjpe_mm[person], self.pa_mpjpe_mm[person], self.position_mm[person])
            counts = (str(self.visible[person]), percent(self.found_fraction[person]), str(self.switches[person]))
            table.append((f"person {person + 1}", *counts, *(_millimetres(e) for e in errors)))
        means = (self.mean_mpjpe_mm, self.mean_pa_mpjpe_mm, _mean(self.position_mm))
        totals = (str(self.visible.sum()), percent(_mean(self.found_fraction)), str(self.switches.sum()))
        return [*table, ("mean", *totals, *(_millimetres(e) for e in means))]


COLUMNS = ("person", "visible frames", "found", "switches", "MPJPE mm", "PA-MPJPE mm", "position mm")


def read_truth(path: Path) -> Truth:
    """Read the truth of a synthetic clip (npz).

    Raises:
        InputError: the file is missing or lacks something.
    """
    try:
        arrays = read_npz(path, TRUTH_KEYS)
        for name, array in arrays.items():
            if array.dtype.kind not in "iuf":
                raise ValueError(f"{name} is of type {array.dtype.str}, expected numbers")
        check_shape("visible_share", arrays["visible_share"], ("P", "T"))
        frames = arrays["visible_share"].shape[1]
        check_shape("principal_px", arrays["principal_px"], (2,))
        truth = Truth(
            joints_m=arrays["joints_smpl24"],
            visible_share=arrays["visible_share"],
            focal_px=np.full(frames, arrays["focal_px"]),
            principal_px=np.tile(arrays["principal_px"], (frames, 1)),
        )
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path}: not the truth of a clip ({error}); build it again with the demo clip") from error
    if not np.isfinite(truth.joints_m).all(axis=(2, 3)).any():
        raise InputError(f"{path}: the reference holds nothing to compare: nobody is there, or no joint is known")
    return truth


def measure_against_truth(
    tracks: Sequence[MotionTrack], body: Body, truth: Truth, *, visible_min: float = VISIBLE_MIN
) -> TruthReport:
    """Return how well the tracks of a run show the people of a clip.

    Per frame, bodies are assigned one to one to people by the overlap of the boxes around their projected joints.
    Errors are over the 14 joints of `LIMB_JOINTS`, in frames in which the person is visible and found, whether the
    body was seen or filled in.
    """
    people = len(truth.visible_share)
    joints = [joint_positions(body, track.pose, track.betas, track.trans) for track in tracks]
    true_boxes = [joint_boxes(project_rows(points, truth.focal_px, truth.principal_px)) for points in truth.joints_m]
    # Someone hidden takes a body away from nobody: bodies of people who cannot be seen are neither found nor extra.
    is_visible = truth.visible_share >= visible_min
    boxes = np.array(true_boxes).reshape(*is_visible.shape, 4)
    pairing = pair_people(tracks, joints, boxes, is_first=is_visible)
    pairs = [[pair for pair in found if is_visible[person, pair.frame]] for person, found in enumerate(pairing.pairs)]
    errors = np.array([_errors(pairs[p], joints, truth.joints_m[p]) for p in range(people)]).reshape(people, 3)
    return TruthReport(
        visible=is_visible.sum(axis=1).astype(np.int64),
        found=np.array([len(found) for found in pairs], np.int64),
        switches=np.array([_switches(found) for found in pairs], np.int64),
        mpjpe_mm=errors[:, 0],
        pa_mpjpe_mm=errors[:, 1],
        position_mm=errors[:, 2],
        extra=pairing.extra,
    )


def _switches(pairs: list[Pair]) -> int:
    return sum(earlier.track != later.track for earlier, later in pairwise(pairs))


def _errors(pairs: list[Pair], joints: list[np.ndarray], truth: np.ndarray) -> tuple[float, float, float]:
    if not pairs:
        return (np.nan, np.nan, np.nan)
    ours = np.array([joints[pair.track][pair.row] for pair in pairs], np.float64)
    real = truth[[pair.frame for pair in pairs]].astype(np.float64)
    limbs = list(LIMB_JOINTS)
    mpjpe = root_errors(ours[:, limbs], real[:, limbs], ours[:, 0], real[:, 0]).mean()
    aligned = procrustes_errors(ours[:, limbs], real[:, limbs]).mean()
    return (1000 * mpjpe, 1000 * aligned, 1000 * np.linalg.norm(ours[:, 0] - real[:, 0], axis=-1).mean())


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _millimetres(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "-"
