"""Numbers of keypoint files: what is a number, what means "not seen", and what is refused."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from configs.errors import InputError

COORDINATE_MAX = 1e9  # far beyond any image; larger numbers overflow where they are squared
ID_MAX = 10**18


def read_numbers(values: Any, label: str, key: str) -> np.ndarray:
    """Return a flat list of numbers as (N,) float64; None and NaN are NaN.

    Args:
        label: names the entry in an error.
        key: names the list in an error.

    Raises:
        InputError: no flat list, something in it is no number, or is infinite or beyond `COORDINATE_MAX`.
    """
    if not isinstance(values, list | np.ndarray):
        raise InputError(f"{label} has {key} {shortened(values)}; a list of numbers is needed")
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{label} has {key} {shortened(values)}; a list of numbers is needed") from error
    if numbers.ndim != 1:
        raise InputError(f"{label} has {key} {shortened(values)}; a flat list of numbers is needed")
    is_wild = np.abs(numbers) > COORDINATE_MAX
    if is_wild.any():
        place = int(np.flatnonzero(is_wild)[0])
        raise InputError(f"{label}: number {place} of {key} is {numbers[place]:g}; finite numbers are needed")
    return numbers


def read_pairs(values: Any, label: str, key: str) -> np.ndarray:
    """Return a list of (x, y) or (x, y, anything) as (K, 2) float64; errors as of `read_numbers`."""
    rows = values if isinstance(values, list | np.ndarray) else None
    if rows is None or not all(isinstance(row, list | np.ndarray) and len(row) in (2, 3) for row in rows):
        raise InputError(f"{label} has {key} {shortened(values)}; a list of points of x and y is needed")
    flat = [number for row in rows for number in row[:2]]
    return read_numbers(flat, label, key).reshape(-1, 2)


def in_threes(numbers: np.ndarray, label: str, key: str) -> np.ndarray:
    """Return numbers (3 K,) as points (K, 3)."""
    if len(numbers) % 3:
        raise InputError(f"{label} has {len(numbers)} numbers in {key}; x, y and confidence per keypoint are needed")
    return numbers.reshape(-1, 3)


def with_confidence(xy: np.ndarray, confidence: np.ndarray | None, label: str) -> np.ndarray:
    """Return points (K, 3) of (K, 2) and confidences (K,); None = all are seen."""
    if confidence is None:
        confidence = np.ones(len(xy))
    if len(confidence) != len(xy):
        raise InputError(f"{label} has {len(xy)} keypoints and {len(confidence)} confidences; as many are needed")
    return np.concatenate([xy, confidence[:, None]], axis=1)


def seen_points(points: np.ndarray) -> np.ndarray:
    """Return points (K, 3) as float32 with confidences of 0 to 1; what was not seen is all zero.

    Not seen is: a confidence of 0 or less, anything NaN, and exactly (0, 0), which COCO and Ultralytics write for it.
    """
    points = np.array(points, np.float64)
    is_seen = (points[:, 2] > 0) & np.isfinite(points).all(axis=1) & (points[:, :2] != 0).any(axis=1)
    points[:, 2] = np.minimum(points[:, 2], 1.0)
    points[~is_seen] = 0
    return points.astype(np.float32)


def read_box(values: Any, label: str, key: str, *, is_corners: bool = False) -> np.ndarray | None:
    """Return a box (4,) as x1 y1 x2 y2 of x, y, width, height, or of corners; None where there is none."""
    if values is None:
        return None
    if isinstance(values, list) and len(values) == 1 and isinstance(values[0], list):
        values = values[0]  # MMPose
    numbers = read_numbers(values, label, key)
    if len(numbers) == 4 and np.isnan(numbers).any():
        return None
    corners = numbers if is_corners or len(numbers) != 4 else np.concatenate([numbers[:2], numbers[:2] + numbers[2:]])
    if len(corners) != 4 or not (corners[2:] > corners[:2]).all():
        wanted = "x1, y1, x2, y2, the last two larger" if is_corners else "x, y, width and height, both sizes above 0"
        raise InputError(f"{label} has {key} {shortened(values)}; needed are {wanted}")
    return corners


def read_score(value: Any, label: str, key: str) -> float | None:
    """Return a score as it stands; None where there is none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value != value:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
        raise InputError(f"{label} has {key} {shortened(value)}; a number is needed")
    return float(value)


def read_whole(value: Any, label: str, key: str, wanted: str) -> int:
    """Return a whole number: 3, 3.0 and "3" are; true, 3.5 and what is longer than 18 digits are not."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= 18:
        return int(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not np.isfinite(value) or value != int(value) or abs(value) > ID_MAX:
        raise InputError(f"{label} has {key} {shortened(value)}; {wanted} is needed")
    return int(value)


def read_track_id(entry: dict[str, Any], keys: Sequence[str], label: str) -> int | None:
    """Return the identity that an entry names; None where it names none, or -1."""
    for key in keys:
        value = entry.get(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # AlphaPose, OpenPose
        if value is None or value == []:
            continue
        found = read_whole(value, label, key, "a whole number")
        return None if found == -1 else found
    return None


def shortened(value: Any) -> str:
    """Return a value for an error message: on one line, at most 40 characters."""
    if isinstance(value, list | np.ndarray):
        inner = ", ".join("[...]" if isinstance(item, list | np.ndarray) else shortened(item) for item in value[:8])
        text = f"[{inner}, ...]" if len(value) > 8 else f"[{inner}]"
    elif isinstance(value, dict):
        text = "{...}" if value else "{}"
    elif isinstance(value, str):
        text = repr(value[:38])
    else:
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
