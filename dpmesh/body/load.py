"""Open a body: the bundled open body, or a user's SMPL file. Only `load_body` imports torch."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from configs.errors import WeightsError
from configs.npz_files import open_npz
from configs.skeletons import SMPL_PARENTS
from configs.weights import resolve
from dpmesh.body.checked_arrays import ABOUT_SMPL, CheckedArrays
from dpmesh.body.params import BETA_COUNT
from dpmesh.body.smpl_pickle import read_smpl_pickle
from dpmesh.body.structure import BodyStructure, Gender, smpl_landmarks

if TYPE_CHECKING:
    from dpmesh.body.model import BodyModel

log = logging.getLogger(__name__)

OPEN_BODY = "open_body.npz"
FILE_BYTES_MAX = 2**31
BODY_BYTES_MAX = 2**28  # SMPL with 300 shape numbers in float64 takes 85 MB
SMPL_VERTICES = 6890
NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")
OPTIONAL = (
    "faces_coarse", "landmark_names", "landmark_vertices", "landmark_weights", "vertex_part", "part_names",
)  # fmt: skip
SUFFIXES = (".pkl", ".npz")  # in the order in which smplx looks for them
GENDER_IN_NAME: dict[Gender, re.Pattern[str]] = {
    "female": re.compile(r"(^|[^a-z])(f|female)([^a-z]|$)", re.IGNORECASE),
    "male": re.compile(r"(^|[^a-z])(m|male)([^a-z]|$)", re.IGNORECASE),
    "neutral": re.compile(r"(^|[^a-z])neutral([^a-z]|$)", re.IGNORECASE),
}
BODY_NAME = re.compile(r"(basic_?model|smpl)[^a-z].*", re.IGNORECASE)
FOLDER_FILES_MAX = 10_000

GenderChoice = Literal["auto", "neutral", "female", "male"]


def find_body(source: str, gender: GenderChoice = "auto") -> Path | None:
    """Return the file of the body that a setting names; None is the open body.

    Args:
        source: "open", a name of the catalogue, a SMPL file, or a folder of them as smplx takes it.
        gender: which one of a folder; "auto" is the neutral one, or the only one.

    Raises:
        WeightsError: there is no such file, or the folder does not tell which.
    """
    if source == "open":
        return None
    path = resolve(source)
    path = _find_in_folder(path, gender) if path.is_dir() else path
    _check_kind(path)
    return path


def load_body(source: str | Path | None = None, *, device: str = "cpu", gender: GenderChoice = "auto") -> BodyModel:
    """Return the body in a file, on `device`, in evaluation mode.

    Args:
        source: a SMPL `.npz` or `.pkl`; None is the open body that comes with the package.
        gender: whose shapes the file holds; "auto" believes the file, then its name.

    Raises:
        WeightsError: the file is missing, is not a SMPL body, or its pickle holds something else than arrays.
    """
    from dpmesh.body.model import BodyModel

    return BodyModel(read_structure(source, gender=gender)).to(device).eval()


def read_structure(source: str | Path | None = None, *, gender: GenderChoice = "auto") -> BodyStructure:
    """Return the arrays of a body file; None is the open body. Raises `WeightsError` as `load_body` does."""
    if source is None:
        with resources.as_file(resources.files("dpmesh.body") / "data" / OPEN_BODY) as path:
            return _structure(_read_npz(path), path, "neutral")
    path = Path(source)
    _check_kind(path)
    is_npz = path.suffix.lower() == ".npz"
    return _structure(_read_npz(path) if is_npz else read_smpl_pickle(path, (*NEEDED, "gender")), path, gender)


def _check_kind(path: Path) -> None:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "not a regular file" if path.exists() else "no such file"
        raise WeightsError(f"{path}: {what}; {ABOUT_SMPL}")
    if path.stat().st_size > FILE_BYTES_MAX:
        raise WeightsError(f"{path}: has {path.stat().st_size} bytes, at most {FILE_BYTES_MAX} are read; {ABOUT_SMPL}")
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(f"{path}: a body file ends in .npz or .pkl; {ABOUT_SMPL}")


def gender_of(path: Path, recorded: str | None, gender: GenderChoice = "auto") -> Gender:
    """Return whose shapes a body file holds: as the setting says, else the file's own word, else its name.

    Args:
        recorded: the file's `gender`, if it has one.
    """
    by_name = [name for name, pattern in GENDER_IN_NAME.items() if pattern.search(path.stem)]
    found: Gender = "neutral"
    if recorded in get_args(Gender):
        found = recorded  # type: ignore[assignment]
    elif len(by_name) == 1:
        found = by_name[0]
    if gender == "auto":
        return found
    if found not in ("neutral", gender):
        log.warning("%s: is called %s and taken for %s, as body.gender says", path, found, gender)
    return gender


def _find_in_folder(folder: Path, gender: GenderChoice) -> Path:
    found: list[Path] = []
    for place in (folder, folder / "smpl", folder / "SMPL"):
        try:
            names = sorted(path for path, _ in zip(place.iterdir(), range(FOLDER_FILES_MAX), strict=False))
        except OSError as error:
            if place == folder:
                raise WeightsError(f"{folder}: cannot be read ({error.strerror}); give the body's file") from error
            continue
        found += [path for path in names if path.suffix.lower() in SUFFIXES and BODY_NAME.match(path.stem)]
    found = list({path.resolve(): path for path in found}.values())  # smpl and SMPL may be one folder
    of_gender = [path for path in found if gender_of(path, None) == ("neutral" if gender == "auto" else gender)]
    chosen = of_gender or (found if gender == "auto" else [])
    stems = {path.stem for path in chosen}
    if len(stems) != 1:
        listed = ", ".join(str(path.relative_to(folder)) for path in found[:6]) or "no SMPL_NEUTRAL.pkl or .npz"
        wanted = "give one of them" if found else "give the body's file"
        raise WeightsError(f"{folder}: is a folder with {listed}; {wanted}; {ABOUT_SMPL}")
    path = min(chosen, key=lambda path: SUFFIXES.index(path.suffix.lower()))
    log.info("body: %s", path)
    return path


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with open_npz(path, bytes_max=BODY_BYTES_MAX) as file:
            sparse = file.headers.get("J_regressor")
            if sparse is not None and sparse.dtype.hasobject:
                raise ValueError(
                    "J_regressor is a Python object, as a sparse matrix becomes in an .npz; save it dense, with "
                    "J_regressor.toarray(), or give the .pkl that it came from"
                )
            has_gender = "gender" in file and not file.headers["gender"].dtype.hasobject
            names = (*NEEDED, *OPTIONAL, *(["gender"] if has_gender else []))
            return {name: file.read(name) for name in names if name in file}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as .npz ({error}); {ABOUT_SMPL}") from error


def _structure(arrays: Mapping[str, Any], path: Path, gender: GenderChoice) -> BodyStructure:
    missing = [name for name in NEEDED if name not in arrays]
    if missing:
        raise WeightsError(f"{path}: lacks {', '.join(missing)}; {ABOUT_SMPL}")
    try:
        checked = CheckedArrays(arrays)
        vertices = len(checked.template)
        if "landmark_names" in arrays:
            landmarks = checked.landmarks()
        elif vertices == SMPL_VERTICES:
            landmarks = smpl_landmarks()
        else:
            raise ValueError(
                f"has {vertices} vertices; named points are known for SMPL's {SMPL_VERTICES} and for files "
                "that carry landmark_names"
            )
        posedirs = checked.directions("posedirs", 9 * (len(SMPL_PARENTS) - 1))
        part_names = tuple(checked.text("part_names")) if "part_names" in arrays else ()
        checked.check_tree()
        return BodyStructure(
            name=path.stem,
            v_template=checked.template,
            shapedirs=checked.directions("shapedirs", BETA_COUNT, is_cut=True),
            posedirs=posedirs,
            joint_regressor=checked.blend("J_regressor", (len(SMPL_PARENTS), vertices)),
            weights=checked.blend("weights", (vertices, len(SMPL_PARENTS))),
            faces=checked.faces("f"),
            kintree_table=np.stack([np.array(SMPL_PARENTS), np.arange(len(SMPL_PARENTS))]),
            landmarks=landmarks,
            has_posedirs=bool(posedirs.any()),
            faces_coarse=checked.faces("faces_coarse") if "faces_coarse" in arrays else None,
            vertex_part=checked.parts(len(part_names)) if "vertex_part" in arrays else None,
            part_names=part_names,
            gender=gender_of(path, checked.gender(), gender),
        )
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; {ABOUT_SMPL}") from error
