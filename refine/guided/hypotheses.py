"""Gaps that are long enough for several motions: one of the samples is shown there, not their mean."""

from collections.abc import Sequence

import numpy as np
import torch

from configs.schema import RefineSettings
from dpmesh.body import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_six
from refine.fit.energy import MotionEnergy
from refine.fit.evidence import Piece, gather
from refine.rows.types import Rows
from refine.rows.windows import blend_rotations, eased, runs_of

LONG_S = 0.5  # in shorter gaps samples hardly differ
FADE_S = 0.15


def with_best_in_gaps(
    piece: Piece, mean: Rows, samples: Sequence[Rows], body: BodyModel, settings: RefineSettings, device: torch.device
) -> Rows:
    """Return the mean of samples, and within long gaps the one of lowest energy; the mean fades into it."""
    shares = gap_shares(piece.track.time_s[piece.rows], piece.track.is_observed[piece.rows])
    if not shares.any():
        return mean
    energies = [energy_of(piece, sample, body, settings, device) for sample in samples]
    best = samples[int(np.argmin(energies))]
    trans = mean.trans + shares[:, None].astype(np.float32) * (best.trans - mean.trans)
    return Rows(blend_rotations(mean.pose, best.pose, shares), trans, mean.betas)


def gap_shares(time_s: np.ndarray, is_observed: np.ndarray) -> np.ndarray:
    """Return how much (T,) of one sample is shown: 1 well inside of long gaps, 0 outside."""
    shares = np.zeros(len(time_s))
    for first, last in runs_of(~is_observed):
        before, after = time_s[max(0, first - 1)], time_s[min(len(time_s) - 1, last)]
        if after - before > LONG_S:
            inside = np.minimum(time_s[first:last] - before, after - time_s[first:last])
            shares[first:last] = eased(np.clip(inside / FADE_S, 0.0, 1.0))
    return shares


def energy_of(piece: Piece, rows: Rows, body: BodyModel, settings: RefineSettings, device: torch.device) -> float:
    """Return the energy of one motion of a piece."""
    pose, trans, betas = (
        torch.from_numpy(np.asarray(values, np.float32)).to(device) for values in (rows.pose, rows.trans, rows.betas)
    )
    energy = MotionEnergy(gather([piece], settings, device), body, settings)
    with torch.no_grad():
        return float(energy(matrix_to_six(axis_angle_to_matrix(pose)).flatten(1), trans, betas[None]))
