"""COLMAP's text model: `cameras.txt` and `images.txt`; a camera of the rig is an image, named by its file.

The model has no scale: lengths are taken as metres, so scale it first. COLMAP's top left pixel has its centre at
(0.5, 0.5). Source: COLMAP's documentation (format.rst) and models.h.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from pipeline.capture.camera import Camera

IMAGES_FILE = "images.txt"
_MODELS: dict[str, tuple[tuple[int, int, int, int], tuple[int, ...]]] = {
    # places of fx, fy, cx, cy among the parameters, then those of OpenCV's distortion
    "SIMPLE_PINHOLE": ((0, 0, 1, 2), ()),
    "PINHOLE": ((0, 1, 2, 3), ()),
    "SIMPLE_RADIAL": ((0, 0, 1, 2), (3,)),
    "RADIAL": ((0, 0, 1, 2), (3, 4)),
    "OPENCV": ((0, 1, 2, 3), (4, 5, 6, 7)),
    "OPENCV_FISHEYE": ((0, 1, 2, 3), (4, 5, 6, 7)),
    "FULL_OPENCV": ((0, 1, 2, 3), (4, 5, 6, 7, 8, 9, 10, 11)),
}


def read_colmap(path: Path) -> tuple[str, list[Camera], list[str]]:
    """Return layout, cameras and notes of a model; `path` is its `images.txt`."""
    lens_path = path.with_name("cameras.txt")
    if not lens_path.is_file():
        raise InputError("cameras.txt is not beside it; export the model as text, with both files")
    lenses = {words[0]: words for words in _lines(lens_path) if words}
    cameras = []
    for words in _lines(path)[::2]:  # every other line lists points
        quaternion, shift = np.array(words[1:5], np.float64), np.array(words[5:8], np.float64)
        model, width, height, *numbers = lenses[words[8]][1:]
        if model not in _MODELS:
            raise InputError(f"camera model {model} is not read; convert it with colmap model_converter to OPENCV")
        (fx, fy, cx, cy), bent = _MODELS[model]
        values = np.array(numbers, np.float64)
        distortion = values[list(bent)]
        cameras.append(
            Camera(
                name=Path(" ".join(words[9:])).stem,
                matrix=np.array([[values[fx], 0, values[cx] - 0.5], [0, values[fy], values[cy] - 0.5], [0, 0, 1]]),
                rotation=Rotation.from_quat(quaternion[[1, 2, 3, 0]]).as_matrix(),
                translation_m=shift,
                distortion=np.pad(distortion, (0, -len(distortion) % 4)) if len(distortion) < 4 else distortion,
                size_px=(int(width), int(height)),
                is_fisheye=model == "OPENCV_FISHEYE",
            )
        )
    return "COLMAP", cameras, ["COLMAP models have no scale and no up: lengths were taken to be metres, z to point up"]


def _lines(path: Path) -> list[list[str]]:
    """Return the words of the lines of a file, comments left out; a line without points is empty and stays."""
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if not line.startswith("#")]
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.split() for line in lines]
