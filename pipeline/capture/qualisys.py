"""Qualisys' calibration (.qca.txt): XML with intrinsics in 64ths of a pixel, places in millimetres.

The rows of the transform are the axes of a camera that looks along -z with y up; x, y, z is where it stands.
Source: pose2sim 0.10.49 (calibration.py).
"""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from configs.errors import InputError
from pipeline.capture.camera import Camera

PER_PIXEL = 64.0
VIDEO_MODELS = ("none", "video")  # other models see markers alone
_TURN = np.diag([1.0, -1.0, -1.0])  # to axes with y down and z forward


def read_qualisys(path: Path) -> tuple[str, list[Camera], list[str]]:
    """Return layout, cameras in the order of their serial numbers, and notes."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if "<!" in text.replace("<!--", ""):
        raise InputError("has a document type or entities, which no calibration needs; remove them")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"no XML ({error}); export the calibration from QTM again") from error
    cameras, left_out = [], 0
    for entry in root.iter("camera"):
        if not any(word in entry.get("model", "").lower() for word in VIDEO_MODELS):
            left_out += 1
            continue
        cameras.append(_camera(entry))
    cameras.sort(key=lambda camera: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", camera.name)])
    return "Qualisys", cameras, [f"{left_out} cameras that film no video were left out"] if left_out else []


def _camera(entry: ElementTree.Element) -> Camera:
    lens, place, view = (_child(entry, name) for name in ("intrinsic", "transform", "fov_video"))
    binning = float(entry.get("video_resolution_divisor", "1")) or 1.0

    def pixels(name: str) -> float:
        return float(lens.attrib[name]) / PER_PIXEL / binning

    left, top, right, bottom = (float(view.attrib[side]) for side in ("left", "top", "right", "bottom"))
    matrix = np.eye(3)
    matrix[0, 0], matrix[1, 1] = pixels("focalLengthU"), pixels("focalLengthV")
    matrix[0, 2], matrix[1, 2] = pixels("centerPointU") - left, pixels("centerPointV") - top
    turn = np.array([[float(place.attrib[f"r{row}{column}"]) for column in "123"] for row in "123"])
    centre_m = 0.001 * np.array([float(place.attrib[axis]) for axis in "xyz"])
    rotation = _TURN @ turn
    radial = [float(lens.attrib[f"radialDistortion{k}"]) for k in (1, 2, 3)]
    tangential = [float(lens.attrib[f"tangentalDistortion{k}"]) for k in (1, 2)]  # as the format spells it
    return Camera(
        name=entry.attrib["serial"],
        matrix=matrix,
        rotation=rotation,
        translation_m=-rotation @ centre_m,
        distortion=np.array([*radial[:2], *tangential, radial[2]]),
        size_px=(round(right - left + 1), round(bottom - top + 1)),
    )


def _child(entry: ElementTree.Element, name: str) -> ElementTree.Element:
    found = entry.find(name)
    if found is None:
        raise InputError(f"camera {entry.get('serial')}: has no {name}; export the calibration from QTM again")
    return found
