"""Comparing what was read back from an exported file with the motion it was made from."""

from pathlib import Path

import numpy as np

from pipeline.export.formats import broken

TOLERANCE_M = 0.001
CHECKED_MAX = 64


def checked_rows(count: int) -> np.ndarray:
    """Return which samples are compared: at most `CHECKED_MAX`, spread over all, the first and the last with them."""
    return np.unique(np.linspace(0, count - 1, min(count, CHECKED_MAX)).round().astype(np.int64))


def check_count(path: Path, what: str, found: float, wanted: float) -> None:
    """Refuse a file in which a number is not the one that was to be written.

    Raises:
        RunError: it is another.
    """
    if not np.isclose(found, wanted, rtol=1e-6, atol=0):
        raise broken(path, f"{what} is {found:g} instead of {wanted:g}")


def check_joints(path: Path, found: np.ndarray, wanted: np.ndarray) -> None:
    """Refuse a file whose joints (K, 24, 3), metres, are not where they should be.

    Raises:
        RunError: one lies more than `TOLERANCE_M` away.
    """
    if found.shape != wanted.shape:
        raise broken(path, f"joints have shape {found.shape} instead of {wanted.shape}")
    worst = float(np.linalg.norm(found - wanted, axis=-1).max(initial=0.0))
    if not worst <= TOLERANCE_M:  # also NaN
        raise broken(path, f"joints lie up to {1000 * worst:.2f} mm off")
