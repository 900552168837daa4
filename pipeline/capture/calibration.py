"""Reads the calibration of a rig, whichever program wrote it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from configs.errors import InputError
from pipeline.capture.camera import Camera
from pipeline.capture.colmap import IMAGES_FILE, read_colmap
from pipeline.capture.json_calibrations import read_json_calibration
from pipeline.capture.opencv_yaml import EXTRINSIC_FILES, read_opencv_yaml
from pipeline.capture.qualisys import read_qualisys
from pipeline.capture.toml_calibrations import read_tables

BYTES_MAX = 2**26
CALIBRATION_FOLDERS = ("calibration", "sparse/0", "sparse")


@dataclass(frozen=True, slots=True)
class Calibration:
    """The cameras in a file, in the file's order."""

    path: Path
    layout: str
    """Whose format it is."""
    cameras: tuple[Camera, ...]
    notes: tuple[str, ...] = ()
    """What was assumed, for a user to check."""


Reader = Callable[[Path], tuple[str, list[Camera], list[str]]]
_READERS: dict[str, Reader] = {
    ".json": read_json_calibration,
    ".toml": read_tables,
    ".qca.txt": read_qualisys,
    ".yml": read_opencv_yaml,
    ".yaml": read_opencv_yaml,
    IMAGES_FILE: read_colmap,
}
_PICKLES = (".pkl", ".pickle", ".npy", ".pt")
FORMATS = (
    "our own, CMU Panoptic's or VoxelPose's .json; the .toml of Pose2Sim, aniposelib, FreeMoCap or caliscope; "
    "Qualisys' .qca.txt; EasyMocap's intri.yml beside extri.yml; COLMAP's images.txt beside cameras.txt"
)


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in a file, or in the one file of a folder that is one.

    Raises:
        InputError: there is none, it is of no known layout, or damaged.
    """
    if path.is_dir():
        path = find_calibration(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a calibration: {FORMATS}")
    if path.name.lower().endswith(_PICKLES):
        raise InputError(
            f"{path}: a pickle can run any code when it is loaded, so it is not read; write the calibration as one of: "
            f"{FORMATS}"
        )
    reader = next((read for end, read in _READERS.items() if path.name.lower().endswith(end)), None)
    if reader is None:
        raise InputError(f"{path}: a calibration of no known layout; give {FORMATS}")
    if path.stat().st_size > BYTES_MAX:
        raise InputError(f"{path}: has {path.stat().st_size / 2**20:.0f} MiB; a calibration has a few KiB")
    try:
        layout, cameras, notes = reader(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as error:
        problem = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise InputError(f"{path}: no calibration of a known layout ({problem}); give {FORMATS}") from error
    if not cameras:
        raise InputError(f"{path}: {layout} calibration without a posed camera; calibrate the rig first")
    names = [camera.name for camera in cameras]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: camera {', '.join(twice)} is there twice; give every camera its own name")
    return Calibration(path, layout, tuple(cameras), tuple(notes))


def find_calibration(folder: Path) -> Path:
    """Return the calibration in a folder, or in its folder `calibration`; a refined one before others.

    Raises:
        InputError: there is none.
    """
    found = _calibrations(folder)
    if not found:
        raise InputError(f"{folder}: holds no calibration; give --calibration FILE: {FORMATS}")
    return min(found, key=lambda path: ("refined" not in path.name, path.name))


def has_calibration(folder: Path) -> bool:
    """Return whether `find_calibration` finds one."""
    return bool(_calibrations(folder))


def _calibrations(folder: Path) -> list[Path]:
    """Return the calibrations in the first place that holds any."""
    for place in (folder, *(folder / name for name in CALIBRATION_FOLDERS)):
        found = [path for path in place.iterdir() if path.is_file() and _is_calibration(path)] if place.is_dir() else []
        if found:
            return found
    return []


def _is_calibration(path: Path) -> bool:
    name = path.name.lower()
    if name in (*EXTRINSIC_FILES, IMAGES_FILE) or name.endswith(".qca.txt"):
        return True
    return name.endswith((".json", ".toml")) and "calib" in name
