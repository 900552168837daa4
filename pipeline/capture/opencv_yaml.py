"""EasyMocap's pair of OpenCV YAML files: `intri.yml` with K and distortion, `extri.yml` with rotation and translation.

Source: EasyMocap (easymocap/mytools/camera_utils.py).
"""

from pathlib import Path

import cv2
import numpy as np

from configs.errors import InputError
from pipeline.capture.camera import Camera
from pipeline.capture.units import guess_metres

EXTRINSIC_FILES = ("extri.yml", "extri.yaml")


def read_opencv_yaml(path: Path) -> tuple[str, list[Camera], list[str]]:
    """Return layout, cameras and notes; `path` is either of the two files."""
    lens_path, place_path = (path.with_name(f"{part}{path.suffix}") for part in ("intri", "extri"))
    for needed in (lens_path, place_path):
        if not needed.is_file():
            raise InputError(f"{needed.name} is not beside it; both files are needed")
    lenses, places = _open(lens_path), _open(place_path)
    names = _names(lenses, lens_path)
    notes, turns, shifts = [], [], []
    for name in names:
        turn = _matrix(places, f"Rot_{name}")
        if turn is None:
            vector = _needed(places, f"R_{name}", place_path)
            turn = vector if vector.shape == (3, 3) else cv2.Rodrigues(vector.reshape(3))[0]
        turns.append(turn)
        shifts.append(_needed(places, f"T_{name}", place_path).reshape(-1))
    metres, note = guess_metres(turns, shifts)
    cameras = []
    for name, turn, shift in zip(names, turns, shifts, strict=True):
        bent = _matrix(lenses, f"dist_{name}")
        if bent is None:
            bent = _matrix(lenses, f"D_{name}")
        width, height = (int(lenses.getNode(f"{side}_{name}").real()) for side in "WH")
        if not width:
            notes.append(f"camera {name}: the file does not give the size of its pictures; the video's is not checked")
        cameras.append(
            Camera(
                name=name,
                matrix=_needed(lenses, f"K_{name}", lens_path),
                rotation=turn,
                translation_m=metres * shift,
                distortion=np.zeros(0) if bent is None else bent.reshape(-1),
                size_px=(width, height) if width and height else None,
            )
        )
    return "EasyMocap", cameras, [*notes, note]


def _open(path: Path) -> cv2.FileStorage:
    text = path.read_text(encoding="utf-8-sig")
    try:
        return cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY | cv2.FILE_STORAGE_FORMAT_YAML)
    except cv2.error as error:
        problem = " ".join(str(error).split())[:100]
        raise InputError(f"{path.name} is no OpenCV YAML ({problem}); write it anew") from error


def _names(storage: cv2.FileStorage, path: Path) -> list[str]:
    node = storage.getNode("names")
    names = [node.at(index).string() for index in range(node.size())]
    if not names:
        raise InputError(f"{path.name} has no list 'names'; give one, with every camera's name")
    return names


def _matrix(storage: cv2.FileStorage, name: str) -> np.ndarray | None:
    node = storage.getNode(name)
    found = None if node.empty() else node.mat()
    return None if found is None else np.asarray(found, np.float64)


def _needed(storage: cv2.FileStorage, name: str, path: Path) -> np.ndarray:
    found = _matrix(storage, name)
    if found is None:
        raise InputError(f"{path.name} has no matrix {name}; every camera in 'names' needs one")
    return found
