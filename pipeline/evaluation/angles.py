"""How far rotations are from the true ones, and whether their standard deviations say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.errors import InputError
from pipeline.evaluation.reprojection import percent
from pipeline.flow.atomic import write_json
from pipeline.types import MotionTrack
from refine.prior.calibration import GROUPS, SHARE, SIGMA_FILE, coverage, fit_scales, read_scales


@dataclass(frozen=True, slots=True)
class AngleErrors(Shaped):
    """Of R rows of all people."""

    errors_rad: Annotated[np.ndarray, "R", 24]  # angle to the true rotation; the root's in camera axes
    sigma_rad: Annotated[np.ndarray | None, "R", 24]  # as the motion says; None: it says nothing
    is_filled: Annotated[np.ndarray, "R"]  # bool: rows within gaps


def angle_errors(tracks: Sequence[MotionTrack], truth: Sequence[np.ndarray]) -> AngleErrors:
    """Return the errors of people's rotations.

    Args:
        truth: (T, 24, 3) axis-angle of each person, one row per frame.
    """
    real = [pose[track.frame_index] for track, pose in zip(tracks, truth, strict=True)]
    turns = [
        (Rotation.from_rotvec(track.pose.reshape(-1, 3)).inv() * Rotation.from_rotvec(pose.reshape(-1, 3))).magnitude()
        for track, pose in zip(tracks, real, strict=True)
    ]
    sigmas = [track.joint_sigma_rad for track in tracks if track.joint_sigma_rad is not None]
    return AngleErrors(
        errors_rad=np.concatenate(turns).reshape(-1, 24),
        sigma_rad=np.concatenate(sigmas) if len(sigmas) == len(tracks) else None,
        is_filled=np.concatenate([~track.is_observed for track in tracks]),
    )


def coverage_rows(angles: Mapping[str, AngleErrors]) -> list[tuple[str, ...]]:
    """Return table rows: the share of rotations within their 90 % intervals; no row for a mode without deviations."""
    rows: list[tuple[str, ...]] = []
    for mode, found in angles.items():
        for name, chosen in (("all rows", np.ones_like(found.is_filled)), ("in gaps", found.is_filled)):
            if found.sigma_rad is not None:
                shares = coverage(found.errors_rad[chosen], found.sigma_rad[chosen])
                rows.append((mode, name, str(chosen.sum()), *(percent(share) for share in shares.values())))
    return [(f"within {SHARE:.0%} intervals", "of", "bodies", *GROUPS), *rows] if rows else []


def write_scales(folder: Path, angles: Mapping[str, AngleErrors]) -> list[str]:
    """Fit scales to deviations that are not calibrated, write them beside a motion prior; return the modes.

    Scales of other modes stay.

    Raises:
        InputError: no mode gives deviations.
    """
    fitted = {
        mode: fit_scales(found.errors_rad, found.sigma_rad)
        for mode, found in angles.items()
        if found.sigma_rad is not None
    }
    if not fitted:
        raise InputError("--calibrate: no way to refine that was measured gives deviations; add --refine guided")
    write_json(folder / SIGMA_FILE, {**read_scales(folder), **fitted})
    return list(fitted)
