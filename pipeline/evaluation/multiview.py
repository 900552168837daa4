"""The people of a capture, from all its views together, against its 3D reference: no alignment of any kind."""

from collections.abc import Mapping
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
HIPS = (6, 7)  # among `BODY_JOINTS`


@dataclass(frozen=True, slots=True)
class WorldJoints(Shaped):
    """The joints of one estimated person in the world."""

    frame_index: Annotated[np.ndarray, "T"]  # int64
    joints_m: Annotated[np.ndarray, "T", 17, 3]  # COCO order; NaN where unknown


@dataclass(frozen=True, slots=True)
class WorldErrors:
    """Errors over the person-frames of the reference whose body joints are all known."""

    wanted: int
    found: int
    mpjpe_mm: float
    root_mm: float
    pa_mm: float
    switches: int

    def row(self) -> tuple[str, ...]:
        """Return the cells of a table."""
        share = self.found / self.wanted if self.wanted else 0.0
        errors = (f"{value:.1f}" if self.found else "-" for value in (self.mpjpe_mm, self.root_mm, self.pa_mm))
        return f"{share:.1%}", *errors, str(self.switches)


HEAD = ("found", "MPJPE mm", "root-aligned mm", "PA-MPJPE mm", "switches")


def joints_of_track(track: MotionTrack, body: Body) -> WorldJoints:
    """Return the joints of a person in rig axes, in the world."""
    joints = joint_positions(body, track.pose, track.betas, track.trans, "coco17")
    return WorldJoints(track.frame_index, joints @ WORLD_FROM_CAM[:3, :3].T)


def joints_of_sightings(seen: Sightings) -> WorldJoints:
    """Return the triangulated joints of a person."""
    return WorldJoints(seen.frame_index, seen.joints_m)


def measure(people: Mapping[int, WorldJoints], reference_m: np.ndarray) -> WorldErrors:
    """Return the errors of people (by id) against reference joints (P, T, 17, 3) in the world.

    In each frame, everybody of the reference takes the nearest person whose body joints are all known and lie within
    `FOUND_M` on average; a person is taken once, the nearest first. A switch is a change of whom somebody takes.
    """
    chosen, known = list(BODY_JOINTS), known_frames(reference_m)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    switches, last = 0, dict[int, int]()
    rows = {number: {int(f): row for row, f in enumerate(p.frame_index)} for number, p in people.items()}
    for frame in np.flatnonzero(known.any(axis=0)):
        here = {
            number: people[number].joints_m[places[int(frame)], chosen]
            for number, places in rows.items()
            if int(frame) in places
        }
        here = {number: joints for number, joints in here.items() if np.isfinite(joints).all()}
        distances = sorted(
            (float(np.linalg.norm(joints - reference_m[who, frame, chosen], axis=-1).mean()), who, number)
            for who in np.flatnonzero(known[:, frame]).tolist()
            for number, joints in here.items()
        )
        taken: dict[int, int] = {}
        for distance, who, number in distances:
            if distance <= FOUND_M and who not in taken and number not in taken.values():
                taken[who] = number
                pairs.append((here[number], reference_m[who, frame, chosen]))
        switches += sum(last.get(who, number) != number for who, number in taken.items())
        last |= taken
    wanted = int(known.sum())
    if not pairs:
        return WorldErrors(wanted, 0, float("nan"), float("nan"), float("nan"), switches)
    found, true = (np.array(side) for side in zip(*pairs, strict=True))
    aligned = find_similarity(found, true).apply(found)
    return WorldErrors(
        wanted,
        len(pairs),
        mpjpe_mm=_mean_mm(found - true),
        root_mm=_mean_mm(_about_hips(found) - _about_hips(true)),
        pa_mm=_mean_mm(aligned - true),
        switches=switches,
    )


def _about_hips(joints: np.ndarray) -> np.ndarray:
    return joints - joints[:, list(HIPS)].mean(axis=1, keepdims=True)


def _mean_mm(apart: np.ndarray) -> float:
    return float(1000.0 * np.linalg.norm(apart, axis=-1).mean())
