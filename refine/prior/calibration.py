"""How far a refined rotation may be off: the scale of its predicted deviation, fitted to people whose truth is known.

An error is the angle between a rotation and the true one. Its components about three axes are taken to be normal with
the same standard deviation, so that nine in ten angles lie below `ANGLE_90` deviations.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from configs.errors import InputError, WeightsError
from configs.json_files import read_json

SIGMA_FILE = "sigma.json"
SHARE = 0.9
ANGLE_90 = 2.5003  # square root of the chi-squared distribution's quantile 0.9, three degrees of freedom
GROUPS: Mapping[str, tuple[int, ...]] = {
    "root": (0,),
    "torso": (3, 6, 9, 12, 13, 14, 15),
    "legs": (1, 2, 4, 5),
    "arms": (16, 17, 18, 19),
    "feet": (7, 8, 10, 11),
    "hands": (20, 21, 22, 23),
}
BYTES_MAX = 100_000
SCALE_MAX = 1e3

Scales = Mapping[str, Mapping[str, float]]  # of each mode and joint group


def fit_scales(errors_rad: np.ndarray, sigma_rad: np.ndarray) -> dict[str, float]:
    """Return the scale of each joint group with which nine in ten errors lie within their intervals.

    Args:
        errors_rad: (R, 24) angles to the truth; sigma_rad: (R, 24) predicted standard deviations, not calibrated.

    Raises:
        ValueError: there are no rows.
    """
    if not len(errors_rad):
        raise ValueError("errors_rad: no rows to fit the scale of a deviation to")
    ratio = errors_rad / np.maximum(sigma_rad, 1e-6)
    return {
        name: round(float(np.quantile(ratio[:, list(joints)], SHARE)) / ANGLE_90, 4) for name, joints in GROUPS.items()
    }


def coverage(errors_rad: np.ndarray, sigma_rad: np.ndarray) -> dict[str, float]:
    """Return the share of errors within their 90 % intervals, of each joint group; NaN of no rows. As `fit_scales`."""
    is_inside = errors_rad <= ANGLE_90 * sigma_rad
    return {
        name: float(is_inside[:, list(joints)].mean()) if len(is_inside) else float("nan")
        for name, joints in GROUPS.items()
    }


def scale_per_joint(scales: Mapping[str, float]) -> np.ndarray:
    """Return the scale (24,) float32 of each joint."""
    found = np.zeros(24, np.float32)
    for name, joints in GROUPS.items():
        found[list(joints)] = scales[name]
    return found


def read_scales(folder: Path) -> Scales:
    """Return the scales beside a motion prior, by mode of refinement; empty where there are none.

    Raises:
        WeightsError: the file is no such file.
    """
    path = folder / SIGMA_FILE
    if not path.is_file():
        return {}
    try:
        stored = read_json(path, bytes_max=BYTES_MAX)
        found = {mode: {name: float(row[name]) for name in GROUPS} for mode, row in stored.items()}
        if not all(0.0 < scale < SCALE_MAX for row in found.values() for scale in row.values()):
            raise ValueError(f"a scale is not between 0 and {SCALE_MAX:.0f}")
    except (InputError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{path}: holds no scales of deviations ({error!r:.120}); delete it, or write it anew: "
            "dpmesh-video evaluate motions FOLDER --calibrate PRIOR"
        ) from error
    return found
