"""The one shape check that nouns use."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class HasShape(Protocol):
    """Anything with a `shape`: an array or a tensor."""

    @property
    def shape(self) -> Sequence[int]: ...


def check_shape(name: str, array: HasShape, wanted: Sequence[int | str]) -> dict[str, int]:
    """Raise `ValueError` unless `array` has the wanted shape; return what each letter stood for.

    Args:
        wanted: one entry per axis: a number that must match, or a letter that stands for any size (the same
            letter must match itself). A leading "..." stands for any number of axes.
    """
    found = tuple(array.shape)
    axes = list(wanted)
    tail = found
    if axes and axes[0] == "...":
        axes = axes[1:]
        tail = found[len(found) - len(axes) :] if len(found) >= len(axes) else found
    letters: dict[str, int] = {}
    fits = len(tail) == len(axes)
    if fits:
        for size, axis in zip(tail, axes, strict=True):
            expected = letters.setdefault(axis, size) if isinstance(axis, str) else axis
            fits = fits and size == expected
    if not fits:
        raise ValueError(f"{name}: got shape {found}, expected ({', '.join(str(axis) for axis in wanted)})")
    return letters


def check_numbers(name: str, array: np.ndarray) -> None:
    """Raise `ValueError` unless an array holds real numbers (or truth values), all of them finite."""
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of type {array.dtype.str[:20]}, expected numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite")
