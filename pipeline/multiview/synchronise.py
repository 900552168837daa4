"""By how much the clocks of a capture's cameras are apart, from the people that they see.

First roughly, by trying every lag (`lag_search`), then below a frame, for all cameras together (`rig_fit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.multiview.lag_search import choose_pairs, join_lags, search_lag
from pipeline.multiview.rig_fit import UNKNOWNS, Rig, equations_of
from pipeline.multiview.sight_lines import lines_of_all
from pipeline.multiview.views import View

STEPS = 10
STEP_MAX_S, STEP_MAX_RAD = 0.1, 0.05
DONE_S = 1e-4
LIKENESS_MIN = 0.3  # of two estimates of how fast joints move; noise has 0
REACHES = (1.0, 4.0)  # for people who move fast, and slowly
BLOCKS_OVER = 2  # of time, more than cameras
FIT_MIN = 0.25  # of a camera's best pair: less is what people who are not the same have by chance


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the clock of a camera is off, and how surely that is known."""

    offset_s: float  # what happens at this time of its video happens at 0 of the common clock
    sigma_s: float  # standard deviation; infinite where nothing tells
    why: str = ""  # why nothing tells


@dataclass(frozen=True, slots=True)
class Fine:
    """Offsets below a frame."""

    offsets_s: np.ndarray  # (V,)
    covariance: np.ndarray  # (V, V)
    likeness: np.ndarray  # (V,) as of `Equations`
    block_count: int  # of time

    @property
    def doubt(self) -> float:
        """The variance of the offsets together; infinite where speeds are noise."""
        known = self.likeness >= LIKENESS_MIN
        return float(np.diag(self.covariance)[known].mean()) if known.any() else float("inf")


def find_lags(views: Sequence[View]) -> list[Lag]:
    """Return the offset of each camera; of one whose clock nothing tells, 0 with an infinite standard deviation.

    They are relative to the camera in the middle, so that most cameras of a rig with one late camera keep their times.
    """
    count = len(views)
    cameras, tracks = tuple(view.camera for view in views), lines_of_all(views)
    curves = {}
    for one, other in choose_pairs(count):
        curve = search_lag((cameras[one], cameras[other]), (tracks[one], tracks[other]))
        if curve is not None:
            curves[one, other] = curve
    if not curves:
        return [Lag(0.0, float("inf"), "nobody is seen for long enough")] * count
    rough = join_lags(count, curves)
    offsets = np.array([0.0 if offset is None else offset for offset in rough])
    fits = np.zeros(count)
    for (one, other), curve in curves.items():
        found = float(curve.at(offsets[other] - offsets[one]))
        fits[[one, other]] = np.maximum(fits[[one, other]], found)
    still = Rig(cameras, tracks, offsets, np.tile(np.eye(3), (count, 1, 1)))
    fine = min((_fit(still, list(curves), reach) for reach in REACHES), key=lambda fit: fit.doubt)
    is_short = fine.block_count < count + BLOCKS_OVER  # their scatter would not tell how sure offsets are
    faults = [
        "it sees nobody whom others see"
        if rough[camera] is None or fits[camera] < FIT_MIN
        else "people are seen for too short a time"
        if is_short
        else "nobody moves enough"
        if fine.likeness[camera] < LIKENESS_MIN
        else ""
        for camera in range(count)
    ]
    return _about_the_middle(fine.offsets_s, fine.covariance, faults)


def _fit(rig: Rig, pairs: Sequence[tuple[int, int]], reach: float) -> Fine:
    """Return the offsets below a frame that start from those of a rig."""
    for _ in range(STEPS):
        equations = equations_of(rig, pairs, is_timed=True, reach=reach)
        step, covariance = equations.solve()
        step[:, 0] = np.clip(step[:, 0], -STEP_MAX_S, STEP_MAX_S)
        step[:, 1:] = np.clip(step[:, 1:], -STEP_MAX_RAD, STEP_MAX_RAD)
        rig = rig.moved(step)
        if np.abs(step[:, 0]).max() < DONE_S:
            break
    return Fine(rig.offsets_s, covariance[::UNKNOWNS, ::UNKNOWNS], equations.likeness, len(equations.scores))


def _about_the_middle(offsets: np.ndarray, covariance: np.ndarray, faults: Sequence[str]) -> list[Lag]:
    """Return the lags against the camera whose offset is the median of those without a fault."""
    known = np.array([number for number, fault in enumerate(faults) if not fault], dtype=int)
    if len(known) < 2:
        return [Lag(0.0, float("inf"), fault or "the other cameras tell nothing") for fault in faults]
    middle = known[np.argsort(offsets[known], kind="stable")[(len(known) - 1) // 2]]
    variance = np.diag(covariance) + covariance[middle, middle] - 2 * covariance[middle]
    return [
        Lag(0.0, float("inf"), fault)
        if fault
        else Lag(float(offsets[camera] - offsets[middle]), float(np.sqrt(max(variance[camera], 0.0))))
        for camera, fault in enumerate(faults)
    ]
