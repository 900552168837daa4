"""A Panoptic sequence as files: its calibration, its annotations in either layout, its videos."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.capture import Camera
from pipeline.capture.panoptic import FOLDERS, JOINTS, LAYOUTS

Y_UP_FROM_FILE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def write_sequence_calibration(folder: Path, cameras: Sequence[Camera]) -> None:
    """Write `calibration_SEQ.json`: cameras 00_00 and so on, a VGA and a Kinect one; centimetres, y down."""
    entries = [
        {
            **{"name": f"00_{node:02d}", "type": "hd", "resolution": list(c.size_px or ()), "panel": 0, "node": node},
            **{"K": c.matrix.tolist(), "distCoef": c.distortion.tolist(), "R": (c.rotation @ Y_UP_FROM_FILE).tolist()},
            "t": (100 * c.translation_m)[:, None].tolist(),
        }
        for node, c in enumerate(cameras)
    ]
    others = [entries[0] | {"name": "01_01", "type": "vga"}, entries[0] | {"name": "50_01", "type": "kinect-color"}]
    folder.mkdir(parents=True, exist_ok=True)
    found = {"calibDataSource": folder.name, "cameras": [*entries, *others]}
    (folder / f"calibration_{folder.name}.json").write_text(json.dumps(found))


def annotation(bodies: Mapping[int, np.ndarray], layout: str, confidence: float = 0.5) -> str:
    """Return an annotation file; bodies by id, each (20, 3) in metres, z up, NaN where not found."""
    entries = []
    for number, joints in bodies.items():
        values = []
        for name in LAYOUTS[layout]:
            x, y, z = joints[JOINTS.index(name)]
            values += [100 * x, -100 * z, 100 * y, confidence] if np.isfinite(x) else [0.0, 0.0, 0.0, -1.0]
        entries.append({"id": number, layout: values})
    return json.dumps({"version": 0.7, "univTime": 1.0, "fpsType": "hd_29_97", "bodies": entries})


def write_annotation(folder: Path, frame: int, bodies: Mapping[int, np.ndarray], layout: str = "joints19") -> Path:
    """Write the annotation of a frame where the layout has it."""
    place = folder / FOLDERS[layout]
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"body3DScene_{frame:08d}.json"
    path.write_text(annotation(bodies, layout))
    return path


def standing(x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Return the 20 joints of somebody who stands at a place of the floor and faces -y."""
    heights = {"neck": 1.45, "nose": 1.6, "body_centre": 0.95, "head_top": 1.75, "eye": 1.63, "ear": 1.62}
    limbs = {"shoulder": (0.18, 1.44), "elbow": (0.25, 1.15), "wrist": (0.27, 0.9), "hip": (0.11, 0.95),
             "knee": (0.12, 0.5), "ankle": (0.13, 0.08), "eye": (0.03, 1.63), "ear": (0.07, 1.62)}  # fmt: skip
    joints = np.zeros((len(JOINTS), 3))
    for row, name in enumerate(JOINTS):
        side, _, part = name.partition("_")
        if side in ("left", "right"):
            aside, height = limbs[part]
            joints[row] = (x + (aside if side == "left" else -aside), y, height)
        else:
            joints[row] = (x, y, heights[name])
    return joints
