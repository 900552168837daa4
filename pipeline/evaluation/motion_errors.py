"""How far a motion is from the true one: where joints are, how they accelerate, whether feet that stand slide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from pipeline.evaluation.alignment import procrustes_errors, root_errors
from pipeline.evaluation.sightings import Sightings

CONTACT_MAX_M_S = 0.3  # a foot that truly moves slower than this stands: 1 cm in a frame at 30 Hz, as in WHAM


@dataclass(frozen=True, slots=True)
class JointChoice:
    """Which joints of a joint set are compared."""

    joint_set: str
    measured: tuple[int, ...]
    root: tuple[int, ...]  # bodies are compared with the mean of these on each other
    feet: tuple[int, ...]

    @property
    def used(self) -> list[int]:
        """All joints that must be known."""
        return sorted({*self.measured, *self.root, *self.feet})


@dataclass(frozen=True, slots=True)
class MotionErrors(Shaped):
    """Errors of N rows, of M rows with a neighbour on either side, and of S feet that stand."""

    mpjpe_mm: Annotated[np.ndarray, "N"]  # mean over the joints, root on root, camera axes
    pa_mpjpe_mm: Annotated[np.ndarray, "N"]  # after Procrustes alignment
    translation_error_m: Annotated[np.ndarray, "N"]  # how far the root is from where it truly is, camera axes
    is_filled: Annotated[np.ndarray, "N"]  # bool: rows within gaps
    acceleration: Annotated[np.ndarray, "M"]  # m/s^2, mean over the joints, root on root
    sliding_m_s: Annotated[np.ndarray, "S"]  # speed of feet, in camera axes, while the true foot stands


def measure_motion(
    joints: Sequence[np.ndarray], truth: np.ndarray, sightings: Sightings, choice: JointChoice, rate_hz: float
) -> MotionErrors:
    """Return the errors of tracks with these joints (rows, J, 3) against true ones (P, T, J, 3), metres, camera axes.

    The camera must not move, or nothing stands still in its axes. Rows next to each other are a frame apart.

    Source: the acceleration error is that of Kanazawa et al. 2019, "Learning 3D human dynamics from video" (norm of
    the difference of second differences), in m/s^2; foot sliding is that of Shin et al. 2024, "WHAM" (how far feet
    move while the true foot moves less than a centimetre in a frame), as a speed and of joints, not of vertices.
    """
    places = zip(sightings.track, sightings.row, strict=True)
    count = truth.shape[2]
    ours = np.array([joints[track][row] for track, row in places], np.float64).reshape(-1, count, 3)
    real = truth[sightings.person, sightings.frame].astype(np.float64)
    limbs, root, feet = list(choice.measured), list(choice.root), list(choice.feet)
    roots = [points[:, root].mean(axis=1) for points in (ours, real)]
    centred = [points[:, limbs] - middle[:, None] for points, middle in zip((ours, real), roots, strict=True)]
    follows = sightings.follows()
    bends = [(points[2:] - 2.0 * points[1:-1] + points[:-2]) * rate_hz**2 for points in centred]
    middles = follows[1:] & follows[:-1]
    steps = [np.linalg.norm(np.diff(points[:, feet], axis=0), axis=-1)[follows] * rate_hz for points in (ours, real)]
    return MotionErrors(
        mpjpe_mm=1000.0 * root_errors(ours[:, limbs], real[:, limbs], *roots).mean(axis=1),
        pa_mpjpe_mm=1000.0 * procrustes_errors(ours[:, limbs], real[:, limbs]).mean(axis=1),
        translation_error_m=np.linalg.norm(roots[0] - roots[1], axis=-1),
        is_filled=sightings.is_filled,
        acceleration=np.linalg.norm(bends[0] - bends[1], axis=-1).mean(axis=1)[middles],
        sliding_m_s=steps[0][steps[1] < CONTACT_MAX_M_S],
    )
