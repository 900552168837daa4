"""Read the arrays of SMPL's `.pkl` without `chumpy` and without running what a pickle may ask for.

Only the few callables that rebuild NumPy arrays are let through; objects of `chumpy` and SciPy's sparse matrices become
bare holders, of which the array is taken. No size that a file merely names is allocated.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from configs.displayable import one_line
from configs.errors import WeightsError

PICKLE_BYTES_MAX = 2**30
ARRAY_BYTES_MAX = 2**28


class Holder:
    """What a pickled object becomes: its state, nothing that runs."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class ChumpyHolder(Holder):
    """A pickled `chumpy` object."""

    def to_array(self) -> np.ndarray:
        """Return the array: kept as `x` by a leaf, chosen by flat indices from `a` by a selection of another."""
        if "x" in self.state:
            return _plain(self.state["x"])
        if {"a", "idxs", "preferred_shape"} <= self.state.keys():
            index = _plain(self.state["idxs"])
            if index.dtype.kind not in "iu":
                raise ValueError(f"holds a chumpy selection by {index.dtype.str[:20]}")
            return _plain(self.state["a"]).reshape(-1)[index].reshape(self.state["preferred_shape"])
        raise ValueError(f"holds a chumpy expression with {', '.join(sorted(map(str, self.state))) or 'nothing'}")


class SparseHolder(Holder):
    """A pickled matrix of `scipy.sparse`, in compressed columns or rows."""

    kind: Any = scipy.sparse.csc_matrix

    def to_array(self) -> np.ndarray:
        """Return the dense matrix."""
        rows, columns = self.state.get("_shape", self.state.get("shape", (0, 0)))
        if not 0 < int(rows) * int(columns) <= ARRAY_BYTES_MAX // 8:
            raise ValueError(f"holds a sparse matrix of {rows} x {columns}")
        data, *places = (_plain(self.state.get(name)) for name in ("data", "indices", "indptr"))
        if any(part.dtype.kind not in "iu" or part.ndim != 1 for part in places) or data.ndim != 1:
            raise ValueError("holds a sparse matrix of something else than numbers")
        matrix = self.kind((data, *places), shape=(int(rows), int(columns)))
        matrix.check_format(full_check=True)  # its indices came from the file and SciPy's C code trusts them
        dense: np.ndarray = matrix.toarray()
        return dense


class SparseRowsHolder(SparseHolder):
    """The same in compressed rows."""

    kind = scipy.sparse.csr_matrix


class _ArrayClass:
    """Stands for `numpy.ndarray`, which a pickle names as a class to make and must not call with a shape of its own."""


def _encode_latin1(text: str, encoding: str = "latin1") -> bytes:
    """Stand in for `codecs.encode`, which pickles of NumPy arrays use for raw bytes and nothing else."""
    if encoding.replace("-", "").lower() != "latin1":
        raise WeightsError(f"a pickle asks to encode as {encoding!r}; only latin1 occurs in arrays")
    return text.encode("latin1")


def _reconstructor(cls: Any, base: Any, state: Any) -> Any:
    """Stand in for `copyreg._reconstructor`, by which old pickles make objects: only of the classes let through."""
    if cls not in _MADE_EMPTY or base is not object or state is not None:
        raise WeightsError(f"a pickle asks to make a {getattr(cls, '__name__', cls)} from {base}")
    return cls.__new__(cls)


def _frombuffer(buffer: Any, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """Stand in for NumPy's own of the same name, which pickles of protocol 5 use."""
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(cls: Any, shape: Any, _dtype: Any) -> np.ndarray:
    """Stand in for NumPy's own of the same name: an empty array, whose content follows as its state."""
    if cls is not _ArrayClass or tuple(shape) != (0,):
        raise WeightsError(f"a pickle asks to make {getattr(cls, '__name__', cls)} of shape {str(shape)[:40]}")
    return np.empty(0)


_MADE_EMPTY: tuple[type[Holder], ...] = (ChumpyHolder, SparseHolder, SparseRowsHolder)
_REBUILD_SCALAR = np.float64(0).__reduce__()[0]
_LET_THROUGH: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ArrayClass,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode_latin1,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _LET_THROUGH[_core, "_reconstruct"] = _reconstruct
    _LET_THROUGH[_core, "scalar"] = _REBUILD_SCALAR
for _core in ("numpy.core.numeric", "numpy._core.numeric"):
    _LET_THROUGH[_core, "_frombuffer"] = _frombuffer
for _kind, _holder in (("csc", SparseHolder), ("csr", SparseRowsHolder)):
    for _module in (f"scipy.sparse.{_kind}", f"scipy.sparse._{_kind}"):
        _LET_THROUGH[_module, f"{_kind}_matrix"] = _holder


class _SmplUnpickler(pickle._Unpickler):
    """Python's own in Python: the one in C makes a table as long as the largest number that a file gives an object."""

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _LET_THROUGH:
            return _LET_THROUGH[module, name]
        if module.split(".")[0] == "chumpy":
            return ChumpyHolder
        raise WeightsError(
            f"{self._path}: its pickle asks for {module}.{name}, which no SMPL file needs; it was not read. "
            "Take the file from https://smpl.is.tue.mpg.de again"
        )


def read_smpl_pickle(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of a SMPL `.pkl` that `names` lists, as far as it holds them; sparse matrices become dense.

    Raises:
        WeightsError: the pickle asks for a class that is not let through (it is named), or cannot be read.
    """
    try:
        size = path.stat().st_size
        if size > PICKLE_BYTES_MAX:
            raise ValueError(f"has {size} bytes; SMPL's have about 300 million")
        with path.open("rb") as file:
            content = _SmplUnpickler(file, path).load()
        if not isinstance(content, dict):
            raise ValueError(f"holds a {type(content).__name__}, not a dictionary")
        return {name: content[name] if name == "gender" else _array(name, content) for name in names if name in content}
    except WeightsError:
        raise
    except Exception as error:  # a broken pickle can raise anything; all of it means the same to the user
        problem = one_line(error)
        raise WeightsError(f"{path}: cannot be read as a SMPL pickle ({problem}); take the file again") from error


def _array(name: str, content: dict[str, Any]) -> np.ndarray:
    try:
        return _plain(content[name])
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _plain(value: Any) -> np.ndarray:
    if isinstance(value, ChumpyHolder | SparseHolder):
        value = value.to_array()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":  # lists may hold each other without end
        what = value.dtype.str[:20] if isinstance(value, np.ndarray) else type(value).__name__
        raise ValueError(f"is no array of numbers ({what})")
    return value
