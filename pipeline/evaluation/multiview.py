"""The people of a capture, from all its views together, against its 3D reference: no alignment of any kind.

Percentage of correct parts (PCP): a part is right if its two ends are off by at most half its true length on average;
parts of people who are not found are wrong. Source: Belagiannis et al. 2014, 3D Pictorial Structures, as VoxelPose's
loader of Shelf and Campus computes it (lib/dataset/shelf.py). Upper and lower arms and legs and the trunk are compared;
COCO has no top of the head, so the head, their tenth part, is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from dpmesh.geometry.align import find_similarity
from pipeline.evaluation.capture import BODY_JOINTS, known_frames
from pipeline.motion.posing import Body, joint_positions
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.multiview.fusion import Sightings
from pipeline.types import MotionTrack

FOUND_M = 0.5  # mean distance of the joints up to which somebody is found
SHOULDERS, HIPS = (0, 1), (6, 7)  # among `BODY_JOINTS`
PARTS = ((0, 2), (2, 4), (1, 3), (3, 5), (6, 8), (8, 10), (7, 9), (9, 11))  # arms and legs, among `BODY_JOINTS`
PART_SHARE = 0.5  # of a part's length that its ends may be off


@dataclass(frozen=True, slots=True)
class WorldJoints(Shaped):
    """The joints of one estimated person in the world."""

    frame_index: Annotated[np.ndarray, "T"]  # int64
    joints_m: Annotated[np.ndarray, "T", 17, 3]  # COCO order; NaN where unknown


@dataclass(frozen=True, slots=True)
class Match:
    """Whom somebody of the reference is in a frame."""

    frame: int
    who: int  # row of the reference
    number: int  # of the estimated person


@dataclass(frozen=True, slots=True)
class WorldErrors:
    """Errors over the person-frames of the reference whose body joints are all known."""

    wanted: int
    found: int  # person-frames with somebody within `FOUND_M`
    mpjpe_mm: float
    root_mm: float
    pa_mm: float
    pcp: float  # 0 to 1, over the parts of all who are wanted
    switches: int | None  # None: does not apply

    def row(self) -> tuple[str, ...]:
        """Return the cells of a table."""
        share = self.found / self.wanted if self.wanted else 0.0
        values = (self.mpjpe_mm, self.root_mm, self.pa_mm)
        errors = (f"{value:.1f}" if np.isfinite(value) else "-" for value in values)
        return f"{share:.1%}", *errors, f"{self.pcp:.1%}", "-" if self.switches is None else str(self.switches)


HEAD = ("found", "MPJPE mm", "root-aligned mm", "PA-MPJPE mm", "PCP", "switches")


def joints_of_track(track: MotionTrack, body: Body) -> WorldJoints:
    """Return the joints of a person in rig axes, in the world."""
    joints = joint_positions(body, track.pose, track.betas, track.trans, "coco17")
    return WorldJoints(track.frame_index, joints @ WORLD_FROM_CAM[:3, :3].T)


def joints_of_sightings(seen: Sightings) -> WorldJoints:
    """Return the triangulated joints of a person."""
    return WorldJoints(seen.frame_index, seen.joints_m)


def measure(people: Mapping[int, WorldJoints], reference_m: np.ndarray) -> WorldErrors:
    """Return the errors of people (by id) against reference joints (P, T, 17, 3) in the world.

    A switch is a change of whom somebody of the reference takes.
    """
    matches = match(people, reference_m)
    last = dict[int, int]()
    switches = 0
    for found in matches:
        switches += last.get(found.who, found.number) != found.number
        last[found.who] = found.number
    return errors_at(matches, people, reference_m, switches=switches)


def match(people: Mapping[int, WorldJoints], reference_m: np.ndarray) -> list[Match]:
    """Return who is whom, frame by frame.

    In each frame, everybody of the reference takes the nearest person whose body joints are all known and lie within
    `FOUND_M` on average; a person is taken once, the nearest first.
    """
    chosen, known = list(BODY_JOINTS), known_frames(reference_m)
    matches: list[Match] = []
    rows = {number: _rows_by_frame(person) for number, person in people.items()}
    for frame in np.flatnonzero(known.any(axis=0)).tolist():
        here = {
            number: people[number].joints_m[places[frame], chosen] for number, places in rows.items() if frame in places
        }
        distances = sorted(
            (float(np.linalg.norm(joints - reference_m[who, frame, chosen], axis=-1).mean()), who, number)
            for who in np.flatnonzero(known[:, frame]).tolist()
            for number, joints in here.items()
            if np.isfinite(joints).all()
        )
        taken: dict[int, int] = {}
        for distance, who, number in distances:
            if distance <= FOUND_M and who not in taken and number not in taken.values():
                taken[who] = number
        matches += [Match(frame, who, number) for who, number in taken.items()]
    return matches


def errors_at(
    matches: Sequence[Match],
    people: Mapping[int, WorldJoints],
    reference_m: np.ndarray,
    *,
    switches: int | None = None,
) -> WorldErrors:
    """Return the errors of people (by id) whose matches with the reference are known.

    Errors are over the matches in which the person's body joints are all known, however far off.
    """
    chosen, wanted = list(BODY_JOINTS), int(known_frames(reference_m).sum())
    rows = {number: _rows_by_frame(person) for number, person in people.items()}
    pairs = [
        (people[m.number].joints_m[rows[m.number][m.frame], chosen], reference_m[m.who, m.frame, chosen])
        for m in matches
        if m.frame in rows.get(m.number, ())
    ]
    pairs = [pair for pair in pairs if np.isfinite(pair[0]).all()]
    if not pairs:
        return WorldErrors(wanted, 0, float("nan"), float("nan"), float("nan"), 0.0, switches)
    found, true = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    aligned = find_similarity(found, true).apply(found)
    right = _right_parts(found, true)
    return WorldErrors(
        wanted,
        int((np.linalg.norm(found - true, axis=-1).mean(axis=1) <= FOUND_M).sum()),
        mpjpe_mm=_mean_mm(found - true),
        root_mm=_mean_mm(_about_hips(found) - _about_hips(true)),
        pa_mm=_mean_mm(aligned - true),
        pcp=float(right.sum() / (wanted * right.shape[1])),
        switches=switches,
    )


def mean_errors(parts: Sequence[WorldErrors]) -> WorldErrors:
    """Return the mean of several estimates, such as single views'; counts add up, unknown errors are left out."""

    def mean(values: Sequence[float]) -> float:
        known = [value for value in values if np.isfinite(value)]
        return float(np.mean(known)) if known else float("nan")

    changes = [part.switches for part in parts if part.switches is not None]
    return WorldErrors(
        sum(part.wanted for part in parts),
        sum(part.found for part in parts),
        mpjpe_mm=mean([part.mpjpe_mm for part in parts]),
        root_mm=mean([part.root_mm for part in parts]),
        pa_mm=mean([part.pa_mm for part in parts]),
        pcp=mean([part.pcp for part in parts]),
        switches=sum(changes) if changes else None,
    )


def _rows_by_frame(person: WorldJoints) -> dict[int, int]:
    return {int(frame): row for row, frame in enumerate(person.frame_index)}


def _right_parts(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return which parts (R, 9) of joints (R, 12, 3) are right."""
    off = np.linalg.norm(_with_trunk(found) - _with_trunk(true), axis=-1)
    ends = _with_trunk(true)
    first, second = np.transpose([*PARTS, (12, 13)])
    length = np.linalg.norm(ends[:, first] - ends[:, second], axis=-1)
    return (off[:, first] + off[:, second]) / 2 <= PART_SHARE * length


def _with_trunk(joints: np.ndarray) -> np.ndarray:
    """Return joints (R, 14, 3) with the middles of shoulders and hips."""
    middles = [joints[:, list(pair)].mean(axis=1) for pair in (SHOULDERS, HIPS)]
    return np.concatenate([joints, np.stack(middles, axis=1)], axis=1)


def _about_hips(joints: np.ndarray) -> np.ndarray:
    return joints - joints[:, list(HIPS)].mean(axis=1, keepdims=True)


def _mean_mm(apart: np.ndarray) -> float:
    return float(1000.0 * np.linalg.norm(apart, axis=-1).mean())
