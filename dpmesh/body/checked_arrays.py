"""The arrays of a body file, each checked for type, shape and range before it is used. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from configs.checks import check_numbers, check_shape
from configs.skeletons import LANDMARKS, SMPL_PARENTS

ABOUT_SMPL = (
    "the licensed body is SMPL_NEUTRAL.pkl (or .npz) from https://smpl.is.tue.mpg.de after registration; "
    "leave out --body to use the open body"
)
VERTICES_MAX = 200_000
SIZE_M = (0.3, 3.5)  # from newborns to giants; a body in inches, centimetres or millimetres lies far outside
DIRECTION_MAX_M = 10.0  # how far one unit of shape or pose may move a vertex
SUM_SLACK = 0.02  # of weights that sum to 1; some files are rounded


class CheckedArrays:
    """Arrays by their names in SMPL's files; every method raises `ValueError` naming the array that is wrong."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._arrays = arrays
        template = self._numbers("v_template", ("V", 3))
        vertices = len(template)
        if not 0 < vertices <= VERTICES_MAX:
            raise ValueError(f"v_template has {vertices} vertices, expected 1 to {VERTICES_MAX}")
        size = float(np.ptp(template.astype(np.float64), axis=0).max())
        if not SIZE_M[0] <= size <= SIZE_M[1]:
            raise ValueError(
                f"v_template is {size:.4g} long, expected {SIZE_M[0]} to {SIZE_M[1]} metres; "
                "is it in another unit? divide v_template, shapedirs and posedirs"
            )
        self.template = _float32(template)  # (V, 3) metres

    def directions(self, name: str, count: int, *, is_cut: bool = False) -> np.ndarray:
        """Return how vertices move (V, 3, count) float32; with `is_cut`, the first of more directions."""
        found = self._array(name)
        if is_cut and found.ndim == 3 and found.shape[2] > count:
            found = found[:, :, :count]
        found = self._checked(name, found, (len(self.template), 3, count))
        if found.size and float(np.abs(found).max()) > DIRECTION_MAX_M:
            raise ValueError(f"{name} moves vertices by {np.abs(found).max():.4g}, expected below {DIRECTION_MAX_M} m")
        return _float32(found)

    def blend(self, name: str, shape: tuple[int, int]) -> np.ndarray:
        """Return weights of this shape, float32, whose rows sum to 1."""
        found = _float32(self._numbers(name, shape))
        sums = found.sum(axis=1, dtype=np.float64)
        wrong = np.flatnonzero(~(np.abs(sums - 1) <= SUM_SLACK))
        if len(wrong):
            row = wrong[0]
            raise ValueError(f"{name}: row {row} sums to {sums[row]:.4g}, expected 1 ({len(wrong)} such rows)")
        return found

    def faces(self, name: str) -> np.ndarray:
        """Return triangles (F, 3) int64 of vertices that exist."""
        found = self._whole(name, self._numbers(name, ("F", 3)))
        if not len(found):
            raise ValueError(f"{name} holds no triangle")
        self._check_vertices(name, found)
        return found

    def check_tree(self) -> None:
        """Raise `ValueError` unless the joints form SMPL's tree."""
        table = self._array("kintree_table")
        check_numbers("kintree_table", table)
        if table.ndim != 2 or len(table) != 2 or not np.array_equal(table[0, 1:], SMPL_PARENTS[1:]):
            raise ValueError(
                f"its joints (kintree_table, shape {table.shape}) do not form SMPL's tree of 24 "
                "(SMPL-H and SMPL-X do not fit here)"
            )

    def landmarks(self) -> dict[str, dict[int, float]]:
        """Return the named points of the skin: vertex to weight."""
        names = self.text("landmark_names")
        lacking = [name for name in LANDMARKS if name not in names]
        if lacking:
            raise ValueError(f"landmark_names lacks {', '.join(lacking)}")
        if len(set(names)) != len(names):
            raise ValueError("landmark_names repeats a name")
        vertices = self._whole("landmark_vertices", self._numbers("landmark_vertices", (len(names), "K")))
        weights = self._numbers("landmark_weights", vertices.shape)
        self._check_vertices("landmark_vertices", vertices)
        return {
            name: dict(zip(row.tolist(), mix.tolist(), strict=True))
            for name, row, mix in zip(names, vertices, weights, strict=True)
        }

    def parts(self, count: int) -> np.ndarray:
        """Return the part (V,) of every vertex, of this many."""
        found = self._whole("vertex_part", self._numbers("vertex_part", (len(self.template),)))
        if found.min() < 0 or found.max() >= count:
            raise ValueError(f"vertex_part names part {found.max()}, part_names has {count}")
        return found.astype(np.uint8 if count <= 256 else np.int64)

    def text(self, name: str) -> list[str]:
        """Return a list of names."""
        found = self._array(name)
        if found.dtype.kind != "U" or found.ndim != 1:
            raise ValueError(f"{name} has shape {found.shape} of {found.dtype.str[:20]}, expected a list of names")
        return [str(value) for value in found]

    def gender(self) -> str | None:
        """Return what the file says in `gender`, or None."""
        value = self._arrays.get("gender")
        if isinstance(value, np.ndarray):
            value = value.item() if value.size == 1 and value.dtype.kind in "SU" else None
        if isinstance(value, bytes):
            value = value.decode("latin1")
        return value.lower() if isinstance(value, str) else None

    def _array(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            raise ValueError(f"lacks {name}")
        return np.asarray(self._arrays[name])

    def _numbers(self, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
        return self._checked(name, self._array(name), shape)

    def _checked(self, name: str, found: np.ndarray, shape: tuple[int | str, ...]) -> np.ndarray:
        check_shape(name, found, shape)
        check_numbers(name, found)
        return found

    def _whole(self, name: str, found: np.ndarray) -> np.ndarray:
        whole = found.astype(np.int64)
        if not np.array_equal(whole, found):
            raise ValueError(f"{name} holds numbers that are not whole")
        return whole

    def _check_vertices(self, name: str, found: np.ndarray) -> None:
        count = len(self.template)
        if found.size and (found.min() < 0 or found.max() >= count):
            raise ValueError(f"{name} names vertices {found.min()} to {found.max()}, there are {count}")


def _float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.float32)
