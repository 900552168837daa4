"""The gate: stretches of a track that refinement does not make better keep the rows they had.

In every stretch of time two joints of the limbs are kept from the solver (`motion_evidence.held_out`) until the gate
has judged; then all keypoints guide the last steps. Motions are compared on those joints: each joint in each stretch is
one measurement, for neighbouring frames share the detector's error, and the mean gain is told in standard errors.

A clear gain or loss decides. In between, and where fewer than `CELLS_MIN` measurements are left (gaps, tracks shorter
than a second), the prior's energy does: the distance from the recovered poses and the haste of the motion. Poses that
shake are known to be wrong, so that only a clear loss keeps them from being solved. This matters on real video, where
the network was shown the keypoints that are held out here, and its poses follow them also in what they are wrong: any
other motion meets those keypoints less well. So restless poses are smoothed whatever the keypoints say.

There are two steps to take, each only if it pays: from the rows as they were to the smoothed ones, and from there to
the solved ones. So poses that only shake are smoothed, and do not follow the errors of the keypoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from configs.schema import RefineSettings
from dpmesh.body import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_six
from refine.fit.energy import REFERENCE_HZ, MotionEnergy
from refine.fit.evidence import Piece, gather, stretches
from refine.rows.types import Rows

CELLS_MIN = 4
ACCEPT_FROM_ERRORS, REJECT_FROM_ERRORS = 2.0, 3.0  # standard errors
# Energy of the motion per thirtieth of a second. Motion capture has 0.2 to 11, and 80 to 110 with errors of 2 degrees
# that differ from frame to frame, 180 to 310 with 4 degrees; what the network makes of real video has 120 to 600.
JITTER_HIGH = 120.0
JITTER_MEDIUM = 30.0  # from here on smoothing needs no leave from the keypoints
JITTER_LOW = 15.0  # true motion stays below; at few frames a second, poses that shake do so, too
# What has to be left of the prior's energy. Smoothing lowers it also in true motion, to 0.5 (0.24 to 0.62 in four of
# five windows of motion capture), and to 0.06 and less where poses shake by a degree and more.
SMOOTHED_PRIOR_RATIO = 0.25
SOLVED_PRIOR_RATIO = 0.9


@dataclass(frozen=True, slots=True)
class MotionScore:
    """What one motion is judged by."""

    residuals: np.ndarray  # (C,) energy of the held-out keypoints, per joint and stretch of time
    prior: float


def count_accepted(
    piece: Piece,
    steps: Sequence[Rows],
    body: BodyModel,
    settings: RefineSettings,
    device: torch.device,
    *,
    is_jitter_high: bool = False,
) -> int:
    """Return how many of the steps are taken: the number of the last motion that is better than the one chosen before.

    Args:
        steps: what was there first, then what may take its place, the boldest last.
        is_jitter_high: the rows belong to a track whose poses shake.
    """
    evidence = gather([piece], settings, device, "held out")
    energy = MotionEnergy(evidence, body, settings)
    _, stretch = np.unique(stretches(piece.track.time_s[piece.rows]), return_inverse=True)
    is_seen = np.concatenate([_per_cell(view.weights, stretch) for view in evidence.views]) > 0

    def score(rows: Rows) -> MotionScore:
        x, trans, betas = _numbers(rows, device)
        with torch.no_grad():
            parts = energy.parts(x, trans, betas)
        residuals = np.concatenate([_per_cell(residuals, stretch) for residuals in parts.residuals])[is_seen]
        return MotionScore(residuals, float(parts.prior))

    accepted, best = 0, score(steps[0])
    jitter = _jitter_energy(piece, energy, device)
    is_jitter_medium, is_jitter_high = (
        jitter > _limit(JITTER_MEDIUM, piece),
        is_jitter_high or jitter > _limit(JITTER_HIGH, piece),
    )
    for number, rows in enumerate(steps[1:], start=1):
        found = score(rows)
        is_last = number == len(steps) - 1
        prior_ratio_max = (
            np.inf if is_jitter_high and is_last else SOLVED_PRIOR_RATIO if accepted else SMOOTHED_PRIOR_RATIO
        )
        is_jitter_removed = is_jitter_medium and not is_last and found.prior < SMOOTHED_PRIOR_RATIO * best.prior
        if is_jitter_removed or is_accepted(best, found, prior_ratio_max):
            accepted, best = number, found
    return accepted


def has_high_jitter(piece: Piece, body: BodyModel, settings: RefineSettings, device: torch.device) -> bool:
    """Return whether the poses of a piece's rows, as they were recovered, differ from frame to frame as errors do."""
    energy = MotionEnergy(gather([piece], settings, device, "held out"), body, settings)
    return _jitter_energy(piece, energy, device) > JITTER_HIGH


def _jitter_energy(piece: Piece, energy: MotionEnergy, device: torch.device) -> float:
    """Return the energy of the recovered motion per thirtieth of a second."""
    rows = Rows(piece.track.pose[piece.rows], piece.track.trans[piece.rows], piece.track.betas)
    with torch.no_grad():
        return float(energy.parts(*_numbers(rows, device)).prior) / _span(piece)


def _limit(jitter: float, piece: Piece) -> float:
    """Return which haste is as much as `jitter` is at the usual rate, for errors that differ from frame to frame.

    An acceleration made of such errors grows with the square of the rate, its energy with the fourth power. Faster
    video is judged as video of the usual rate: there, errors of neighbouring frames are alike.
    """
    time = piece.track.time_s[piece.rows]
    step_s = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    return max(JITTER_LOW, jitter / max(1.0, step_s * REFERENCE_HZ) ** 4)


def _span(piece: Piece) -> float:
    """Return how many thirtieths of a second a piece lasts."""
    time = piece.track.time_s[piece.rows]
    return float(time[-1] - time[0]) * REFERENCE_HZ + 1.0


def is_accepted(before: MotionScore, after: MotionScore, prior_ratio_max: float) -> bool:
    """Return whether a motion is worth taking in the place of the one before.

    Args:
        prior_ratio_max: what may be left of the prior's energy where the keypoints do not tell.
    """
    gains = before.residuals - after.residuals
    if len(gains) >= CELLS_MIN:
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        if gains.mean() > ACCEPT_FROM_ERRORS * error:
            return True
        if gains.mean() < -REJECT_FROM_ERRORS * error:
            return False
    return after.prior < prior_ratio_max * before.prior


def _per_cell(values: Tensor, stretch: np.ndarray) -> np.ndarray:
    """Return sums (S * K,) of values (T, K) over the rows of each stretch, given its number (T,)."""
    sums = np.zeros((int(stretch.max()) + 1, values.shape[1]))
    np.add.at(sums, stretch, values.cpu().numpy())
    return sums.ravel()


def _numbers(rows: Rows, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    pose, trans, betas = (
        torch.from_numpy(np.asarray(values, np.float32)).to(device)
        for values in (rows.pose, rows.trans, rows.betas[None])
    )
    return matrix_to_six(axis_angle_to_matrix(pose)).flatten(1), trans, betas
