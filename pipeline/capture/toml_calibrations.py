"""Calibrations in TOML: Pose2Sim's, aniposelib's and FreeMoCap's (one table per camera), caliscope's (nested).

Sources: pose2sim 0.10.49 (calibration.py), aniposelib 0.8.0 (cameras.py), caliscope 0.11.8 (camera_array.py).
"""

import tomllib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.capture.camera import Camera
from pipeline.capture.units import guess_metres


def read_tables(path: Path) -> tuple[str, list[Camera], list[str]]:
    """Return layout, cameras and notes; tables without a camera's matrix are left out."""
    found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    is_nested = isinstance(found.get("cameras"), dict)
    entries = found["cameras"] if is_nested else found
    tables = {name: table for name, table in entries.items() if _is_camera(table)}
    notes = [f"camera {name} was left out: marked to be ignored" for name, t in tables.items() if t.get("ignore")]
    tables = {name: table for name, table in tables.items() if not table.get("ignore")}
    unposed = [name for name, table in tables.items() if not _is_posed(table)]
    notes += [f"camera {name} was left out: it has no place in the rig" for name in unposed]
    posed = {name: table for name, table in tables.items() if name not in unposed}
    turns = [_rotation(table["rotation"]) for table in posed.values()]
    shifts = [np.array(table["translation"], np.float64).reshape(-1) for table in posed.values()]
    metres, note = guess_metres(turns, shifts)
    cameras = []
    for (name, table), turn, shift in zip(posed.items(), turns, shifts, strict=True):
        width, height = table.get("size") or (0, 0)
        cameras.append(
            Camera(
                name=str(table.get("name", f"cam_{name}" if is_nested else name)),
                matrix=np.array(table["matrix"], np.float64),
                rotation=turn,
                translation_m=metres * shift,
                distortion=np.array(table.get("distortions") or [], np.float64).reshape(-1),
                size_px=(round(width), round(height)) if width else None,
                is_fisheye=bool(table.get("fisheye", False)),
            )
        )
    return "caliscope" if is_nested else "Pose2Sim or aniposelib", cameras, [*notes, note]


def _is_camera(table: Any) -> bool:
    return isinstance(table, dict) and "matrix" in table


def _is_posed(table: dict[str, Any]) -> bool:
    return bool(table.get("rotation")) and bool(table.get("translation"))


def _rotation(values: Any) -> np.ndarray:
    """Return a rotation (3, 3), given as such or as a Rodrigues vector."""
    numbers = np.array(values, np.float64)
    return numbers if numbers.shape == (3, 3) else cv2.Rodrigues(numbers.reshape(3))[0]
