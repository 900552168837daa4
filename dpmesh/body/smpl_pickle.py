"""Read the arrays of SMPL's `.pkl` without `chumpy` and without running what a pickle may ask for.

Only the few callables that rebuild NumPy arrays and SciPy sparse matrices are let through; objects of `chumpy` become
bare holders, of which the array is taken.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from configs.errors import WeightsError


class ChumpyHolder:
    """What a pickled `chumpy` object becomes: its state, nothing that runs."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}

    def to_array(self) -> np.ndarray:
        """Return the array: kept as `x` by a leaf, chosen by flat indices from `a` by a selection of another."""
        if "x" in self.state:
            return np.asarray(_plain(self.state["x"]))
        if {"a", "idxs", "preferred_shape"} <= self.state.keys():
            picked = np.asarray(_plain(self.state["a"])).reshape(-1)[np.asarray(self.state["idxs"], dtype=np.int64)]
            return picked.reshape(self.state["preferred_shape"])
        raise ValueError(f"holds a chumpy expression with {', '.join(sorted(map(str, self.state))) or 'nothing'}")


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


_SPARSE = ("csc", "csr")
_MADE_EMPTY: tuple[Any, ...] = (ChumpyHolder, *(getattr(scipy.sparse, f"{kind}_matrix") for kind in _SPARSE))
_REBUILD_ARRAY = np.zeros(0).__reduce__()[0]
_REBUILD_SCALAR = np.float64(0).__reduce__()[0]
_LET_THROUGH: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode_latin1,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _LET_THROUGH[_core, "_reconstruct"] = _REBUILD_ARRAY
    _LET_THROUGH[_core, "scalar"] = _REBUILD_SCALAR
for _core in ("numpy.core.numeric", "numpy._core.numeric"):
    _LET_THROUGH[_core, "_frombuffer"] = _frombuffer
for _kind in _SPARSE:
    for _module in (f"scipy.sparse.{_kind}", f"scipy.sparse._{_kind}"):
        _LET_THROUGH[_module, f"{_kind}_matrix"] = getattr(scipy.sparse, f"{_kind}_matrix")


class _SmplUnpickler(pickle.Unpickler):
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
        with path.open("rb") as file:
            content = _SmplUnpickler(file, path).load()
        if not isinstance(content, dict):
            raise ValueError(f"holds a {type(content).__name__}, not a dictionary")
        return {name: _plain(content[name]) for name in names if name in content}
    except WeightsError:
        raise
    except Exception as error:  # a broken pickle can raise anything; all of it means the same to the user
        raise WeightsError(f"{path}: cannot be read as a SMPL pickle ({error})") from error


def _plain(value: Any) -> np.ndarray:
    if isinstance(value, ChumpyHolder):
        return value.to_array()
    if scipy.sparse.issparse(value):
        matrix: Any = value
        matrix.check_format(full_check=True)  # its indices came from the file and SciPy's C code trusts them
        dense: np.ndarray = matrix.toarray()
        return dense
    return np.asarray(value)
