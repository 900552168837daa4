"""Shapes of arrays: nouns say them in their types, and they are checked."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Protocol, Self, TypeVar, get_origin, get_type_hints

import numpy as np


class HasShape(Protocol):
    """Anything with a `shape`: an array or a tensor."""

    @property
    def shape(self) -> Sequence[int]: ...


def check_shape(name: str, array: HasShape, wanted: Sequence[int | str]) -> dict[str, int]:
    """Raise `ValueError` unless `array` has the expected shape; return the size of each letter.

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


class Shaped:
    """Base of dataclasses that declare array shapes in their types, as `Annotated[np.ndarray, "R", 24, 3]`.

    They are checked when it is made; a letter stands for the same size in all its arrays. Rows are what the first axis
    of the first array counts.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        cls.__repr__ = Shaped.__repr__  # type: ignore[method-assign]  # so that `dataclass` makes none

    def __post_init__(self) -> None:
        sizes: dict[Any, int] = {}
        for name, shape in shapes_of(type(self)).items():
            array = getattr(self, name)
            if array is not None:
                sizes |= check_shape(name, array, [sizes.get(axis, axis) for axis in shape])

    def __repr__(self) -> str:
        shown = [f"{item.name}={_short_of(getattr(self, item.name))}" for item in fields(self)]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"

    def take(self, rows: Any) -> Self:
        """Return some of the rows: those of an index array, a mask or a slice."""
        shapes = shapes_of(type(self))
        first = next(iter(shapes.values()))[0]
        return self.each(lambda array: array[rows], [name for name, shape in shapes.items() if shape[0] == first])

    def each(self, change: Callable[[Any], Any], names: Sequence[str] | None = None) -> Self:
        """Return the same with every array (of `names`) as `change` makes it."""
        values = {name: getattr(self, name) for name in names or shapes_of(type(self))}
        changed = {name: change(array) for name, array in values.items() if array is not None}
        return replace(self, **changed)  # type: ignore[type-var]


_SHAPES: dict[type, dict[str, tuple[int | str, ...]]] = {}


def shapes_of(kind: type) -> dict[str, tuple[int | str, ...]]:
    """Return the shapes that a noun says, by field."""
    if kind not in _SHAPES:
        hints = get_type_hints(kind, include_extras=True)
        _SHAPES[kind] = {name: hint.__metadata__ for name, hint in hints.items() if get_origin(hint) is Annotated}
    return _SHAPES[kind]


def row_shapes(kind: type) -> dict[str, tuple[int, ...]]:
    """Return the shapes of one row of a noun all of whose arrays count the same rows, by field."""
    return {name: tuple(int(size) for size in shape[1:]) for name, shape in shapes_of(kind).items()}


def _short_of(value: Any) -> str:
    """Return a value in a few characters: of an array its shape and type."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{'x'.join(map(str, value.shape)) or 'scalar'} {str(value.dtype).removeprefix('torch.')}>"
    if isinstance(value, list | tuple | dict) and len(value) > 3:
        return f"<{len(value)} of {type(value).__name__}>"
    return repr(value)


S = TypeVar("S", bound=Shaped)


def join_rows(parts: Sequence[S]) -> S:
    """Concatenate dataclasses of NumPy arrays along their rows."""
    names = shapes_of(type(parts[0]))
    return type(parts[0])(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def check_numbers(name: str, array: np.ndarray) -> None:
    """Raise `ValueError` unless an array holds real numbers (or truth values), all of them finite."""
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of type {array.dtype.str[:20]}, expected numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite")
