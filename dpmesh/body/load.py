"""Open a body: the bundled open body, or a user's SMPL file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from configs.damage import NPZ_DAMAGE
from configs.errors import WeightsError
from dpmesh.body.joint_sets import SMPL_PARENTS
from dpmesh.body.model import BodyModel
from dpmesh.body.params import BETA_COUNT
from dpmesh.body.smpl_pickle import read_smpl_pickle
from dpmesh.body.structure import BodyStructure, smpl_landmarks

OPEN_BODY = "open_body.npz"
SMPL_VERTICES = 6890
NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")
OPTIONAL = (
    "faces_coarse", "landmark_names", "landmark_vertices", "landmark_weights", "vertex_part", "part_names",
)  # fmt: skip
ABOUT_SMPL = (
    "the licensed body is SMPL_NEUTRAL.pkl (or .npz) from https://smpl.is.tue.mpg.de after registration; "
    "leave the body setting empty to use the open body"
)


def load_body(source: str | Path | None = None, *, device: str = "cpu") -> BodyModel:
    """Return the body in a file, on `device`, in evaluation mode.

    Args:
        source: a SMPL `.npz` or `.pkl`; None is the open body that comes with the package.

    Raises:
        WeightsError: the file is missing, is not a SMPL body, or its pickle holds something else than arrays.
    """
    return BodyModel(read_structure(source)).to(device).eval()


def read_structure(source: str | Path | None = None) -> BodyStructure:
    """Return the arrays of a body file; None is the open body. Raises `WeightsError` as `load_body` does."""
    if source is None:
        with resources.as_file(resources.files("dpmesh.body") / "data" / OPEN_BODY) as path:
            return _structure(_read_npz(path), path)
    path = Path(source)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; {ABOUT_SMPL}")
    if path.suffix == ".npz":
        return _structure(_read_npz(path), path)
    if path.suffix == ".pkl":
        return _structure(read_smpl_pickle(path, NEEDED), path)
    raise WeightsError(f"{path}: a body file ends in .npz or .pkl; {ABOUT_SMPL}")


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in NEEDED + OPTIONAL if name in arrays}
    except NPZ_DAMAGE as error:
        raise WeightsError(f"{path}: cannot be read as .npz ({error}); {ABOUT_SMPL}") from error


def _structure(arrays: Mapping[str, Any], path: Path) -> BodyStructure:
    missing = [name for name in NEEDED if name not in arrays]
    if missing:
        raise WeightsError(f"{path}: lacks {', '.join(missing)}; {ABOUT_SMPL}")
    parents = np.asarray(arrays["kintree_table"])[0].astype(np.int64)
    if tuple(parents[1:]) != SMPL_PARENTS[1:]:
        raise WeightsError(f"{path}: its joints do not form SMPL's tree of 24 (SMPL-H and SMPL-X do not fit here)")
    template = _dense(arrays["v_template"])
    if "landmark_names" in arrays:
        rows = zip(arrays["landmark_names"], arrays["landmark_vertices"], arrays["landmark_weights"], strict=True)
        landmarks = {str(n): dict(zip(v.tolist(), w.tolist(), strict=True)) for n, v, w in rows}
    elif len(template) == SMPL_VERTICES:
        landmarks = smpl_landmarks()
    else:
        raise WeightsError(
            f"{path}: has {len(template)} vertices; named points are known for SMPL's {SMPL_VERTICES} and for files "
            "that carry landmark_names"
        )
    posedirs = _dense(arrays["posedirs"])
    try:
        return BodyStructure(
            name=path.stem,
            v_template=template,
            shapedirs=_dense(arrays["shapedirs"])[:, :, :BETA_COUNT],
            posedirs=posedirs,
            joint_regressor=_dense(arrays["J_regressor"]),
            weights=_dense(arrays["weights"]),
            faces=np.asarray(arrays["f"]).astype(np.int64),
            kintree_table=np.stack([np.array(SMPL_PARENTS), np.arange(len(SMPL_PARENTS))]),
            landmarks=landmarks,
            has_posedirs=bool(posedirs.any()),
            faces_coarse=np.asarray(arrays["faces_coarse"]).astype(np.int64) if "faces_coarse" in arrays else None,
            vertex_part=np.asarray(arrays["vertex_part"]) if "vertex_part" in arrays else None,
            part_names=tuple(str(name) for name in arrays.get("part_names", ())),
        )
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; {ABOUT_SMPL}") from error


def _dense(value: Any) -> np.ndarray:
    return np.ascontiguousarray(value, dtype=np.float32)
