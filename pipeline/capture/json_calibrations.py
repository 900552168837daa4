"""Calibrations in JSON: this project's, CMU Panoptic's, VoxelPose's (Shelf and Campus).

Sources: the panoptic-toolbox of CMU-Perceptual-Computing-Lab; the loaders of VoxelPose and MMPose.
"""

from pathlib import Path
from typing import Any

import numpy as np

from configs.json_files import read_json
from pipeline.capture.camera import Camera
from pipeline.capture.units import METRES_PER, Y_DOWN_TO_Z_UP

BYTES_MAX = 2**26
HD = "hd"


def read_json_calibration(path: Path) -> tuple[str, list[Camera], list[str]]:
    """Return layout, cameras and notes of a JSON calibration."""
    found = read_json(path, bytes_max=BYTES_MAX, is_nan_allowed=True)
    if "calibDataSource" in found or any("distCoef" in entry for entry in _entries(found)):
        return _panoptic(found)
    if "cameras" in found:
        unit = found.get("unit", "m")
        return "own", [_own(entry, METRES_PER[unit]) for entry in found["cameras"]], []
    cameras = [_voxelpose(name, entry) for name, entry in sorted(found.items(), key=lambda item: int(item[0]))]
    return "VoxelPose", cameras, ["lengths were taken to be millimetres, as VoxelPose has them"]


def _entries(found: dict[str, Any]) -> list[dict[str, Any]]:
    cameras = found.get("cameras", [])
    return [entry for entry in cameras if isinstance(entry, dict)] if isinstance(cameras, list) else []


def _own(entry: dict[str, Any], metres: float) -> Camera:
    width, height = entry.get("size") or (0, 0)
    return Camera(
        name=str(entry["name"]),
        matrix=np.array(entry["K"], np.float64),
        rotation=np.array(entry["R"], np.float64),
        translation_m=metres * np.array(entry["t"], np.float64).reshape(-1),
        distortion=np.array(entry.get("dist") or [], np.float64).reshape(-1),
        size_px=(int(width), int(height)) if width else None,
        is_fisheye=bool(entry.get("fisheye", False)),
    )


def _panoptic(found: dict[str, Any]) -> tuple[str, list[Camera], list[str]]:
    """Return the HD cameras of a Panoptic capture, in metres, Z up. The file has centimetres, Y down."""
    cameras: list[Camera] = []
    others: dict[str, int] = {}
    for entry in found["cameras"]:
        kind = entry.get("type", HD)
        if kind != HD:
            others[kind] = others.get(kind, 0) + 1
            continue
        width, height = entry["resolution"]
        cameras.append(
            Camera(
                name=str(entry["name"]),
                matrix=np.array(entry["K"], np.float64),
                rotation=np.array(entry["R"], np.float64) @ Y_DOWN_TO_Z_UP.T,
                translation_m=0.01 * np.array(entry["t"], np.float64).reshape(-1),
                distortion=np.array(entry["distCoef"], np.float64).reshape(-1),
                size_px=(int(width), int(height)),
            )
        )
    notes = [
        f"{count} cameras of type {kind} were left out: their frames need a table of times that HD cameras do without"
        for kind, count in sorted(others.items())
    ]
    return "Panoptic", cameras, notes


def _voxelpose(name: str, entry: dict[str, Any]) -> Camera:
    """Return a camera of Shelf or Campus; `T` is where it stands, not the translation."""
    rotation = np.array(entry["R"], np.float64)
    k, p = (np.array(entry[key], np.float64).reshape(-1) for key in ("k", "p"))
    return Camera(
        name=name,
        matrix=np.array([[entry["fx"], 0.0, entry["cx"]], [0.0, entry["fy"], entry["cy"]], [0.0, 0.0, 1.0]]),
        rotation=rotation,
        translation_m=-0.001 * rotation @ np.array(entry["T"], np.float64).reshape(-1),
        distortion=np.concatenate([k[:2], p[:2], k[2:3]]),
    )
