"""The acceptance test: a refined motion replaces the original only where held-out keypoints or the prior support it.

In each time interval of `HELD_OUT_S` two limb joints are hidden from the solver (`evidence.held_out`) until the test;
then all keypoints guide the remaining steps. Motions are compared by the residuals of the hidden joints. Each joint in
each interval is one measurement, because the detector's errors in neighbouring frames are correlated, and the mean
improvement is compared with its standard error.

A significant improvement is accepted and a significant deterioration rejected. In between, and with fewer than
`CELLS_MIN` measurements (gaps, tracks shorter than a second), the prior energy decides: the distance from the recovered
poses plus the jitter energy. Poses with high jitter are known to be wrong, so only a significant deterioration rejects
their solution. This matters on real video: the recovery network saw the keypoints that are held out here and its poses
reproduce their errors, so any other motion has larger residuals. Poses with medium jitter are therefore smoothed
whatever the keypoints say.

With several cameras every joint is hidden in one of them at a time, and a solution is rejected only where it is
significantly worse: the recovered poses do not know what the cameras tell together.

Two steps are tested one after the other, from the original to the smoothed motion and from there to the solved one.
Poses that only jitter are thus smoothed without following the errors of the keypoints.
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
# Jitter energy per 1/30 s. Motion capture has 0.2 to 11; with independent errors per frame, 80 to 110 at 2 degrees and
# 180 to 310 at 4 degrees. Poses recovered from real video have 120 to 600.
JITTER_HIGH = 120.0
JITTER_MEDIUM = 30.0  # from here on smoothing is accepted without support from the keypoints
JITTER_LOW = 15.0  # above true motion; at low frame rates jittering poses fall below it, too
# Largest prior energy after a step, relative to the one before. Smoothing lowers it to 0.5 even in true motion (0.24 to
# 0.62 in four of five windows of motion capture), and to 0.06 or less where poses jitter by a degree or more.
SMOOTHED_PRIOR_RATIO = 0.25
SOLVED_PRIOR_RATIO = 0.9


@dataclass(frozen=True, slots=True)
class MotionScore:
    """The measurements that motions are compared by."""

    residuals: np.ndarray  # (C,) energy of the held-out keypoints, per joint and time interval
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
    """Return the index of the accepted motion: the last one that passes the test against the one accepted before.

    Args:
        steps: the original motion, then its replacements, the largest change last.
        is_jitter_high: the rows belong to a track of high jitter.
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
        is_trusted = is_jitter_high or len(piece.track.views) > 1
        prior_ratio_max = (
            np.inf if is_trusted and is_last else SOLVED_PRIOR_RATIO if accepted else SMOOTHED_PRIOR_RATIO
        )
        is_jitter_removed = is_jitter_medium and not is_last and found.prior < SMOOTHED_PRIOR_RATIO * best.prior
        if is_jitter_removed or is_accepted(best, found, prior_ratio_max):
            accepted, best = number, found
    return accepted


def has_high_jitter(piece: Piece, body: BodyModel, settings: RefineSettings, device: torch.device) -> bool:
    """Return whether the recovered poses of a piece have high jitter energy."""
    energy = MotionEnergy(gather([piece], settings, device, "held out"), body, settings)
    return _jitter_energy(piece, energy, device) > JITTER_HIGH


def _jitter_energy(piece: Piece, energy: MotionEnergy, device: torch.device) -> float:
    """Return the prior energy of the recovered motion per 1/30 s."""
    rows = Rows(piece.track.pose[piece.rows], piece.track.trans[piece.rows], piece.track.betas)
    with torch.no_grad():
        return float(energy.parts(*_numbers(rows, device)).prior) / _span(piece)


def _limit(jitter: float, piece: Piece) -> float:
    """Return a jitter threshold, given at `REFERENCE_HZ`, for the frame rate of a piece.

    The acceleration caused by independent errors per frame grows with the square of the rate, its energy with the
    fourth power. Above the reference rate the threshold stays: errors of neighbouring frames are correlated there.
    """
    time = piece.track.time_s[piece.rows]
    step_s = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    return max(JITTER_LOW, jitter / max(1.0, step_s * REFERENCE_HZ) ** 4)


def _span(piece: Piece) -> float:
    """Return the duration of a piece in units of 1/30 s."""
    time = piece.track.time_s[piece.rows]
    return float(time[-1] - time[0]) * REFERENCE_HZ + 1.0


def is_accepted(before: MotionScore, after: MotionScore, prior_ratio_max: float) -> bool:
    """Return whether a motion may replace the one before.

    Args:
        prior_ratio_max: largest ratio of the prior energies, used where the keypoints do not decide.
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
    """Return sums (S * K,) of values (T, K) over the rows of each interval; `stretch` (T,) numbers the intervals."""
    sums = np.zeros((int(stretch.max()) + 1, values.shape[1]))
    np.add.at(sums, stretch, values.cpu().numpy())
    return sums.ravel()


def _numbers(rows: Rows, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    pose, trans, betas = (
        torch.from_numpy(np.asarray(values, np.float32)).to(device)
        for values in (rows.pose, rows.trans, rows.betas[None])
    )
    return matrix_to_six(axis_angle_to_matrix(pose)).flatten(1), trans, betas
