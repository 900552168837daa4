"""A dome of HD cameras as in CMU Panoptic's: 31 of them, each with a lens that bends the picture.

The room has y up, in metres, the floor at y = 0. The files have centimetres and y down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.errors import SettingsError
from dpmesh.training.render.layout import Views

CAMERA_COUNT = 31
DOME_M = 3.6  # distance of the cameras from the middle, over the floor; Panoptic's is 2.8: pictures here are smaller
WALL_M = 3.8  # nobody is seen beyond
HEIGHTS_M = (0.8, 1.2, 1.5, 2.0, 2.4, 3.1, 3.4)
AIM_M = 1.0  # height at which the cameras look
FULL_SIZE = (1920, 1080)
FOCAL_PX = (1393.0, 1650.0)  # for a picture of that size
DISTORTION = (-0.28, 0.18, 0.0, 0.0, -0.04)  # that of the widest lenses; longer ones have less
ROOM_FROM_FILE = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, slots=True)
class DomeCamera(Shaped):
    """One camera of the dome."""

    name: str
    centre_m: Annotated[np.ndarray, 3]  # float64, room
    camera_from_room: Annotated[np.ndarray, 3, 3]  # float64
    principal_px: Annotated[np.ndarray, 2]  # float64; the centre of the top left pixel is (0, 0)
    distortion: Annotated[np.ndarray, 5]  # float64, as in `render.lens`
    focal_px: float
    size_px: tuple[int, int]

    def view(self) -> Views:
        """Return the camera as the renderer wants it, for which the first pixel's corner is (0, 0)."""
        return Views(
            size=torch.tensor([self.size_px], dtype=torch.float32),
            focal_px=torch.tensor([self.focal_px], dtype=torch.float32),
            principal_px=torch.from_numpy(self.principal_px[None] + 0.5).float(),
            camera_from_world=torch.from_numpy(self.camera_from_room[None]).float(),
            distortion=torch.from_numpy(self.distortion[None]).float(),
        )

    def turned(self, angle_rad: float) -> DomeCamera:
        """Return the camera turned to its left about the upright."""
        about = Rotation.from_rotvec([0.0, angle_rad, 0.0]).as_matrix()  # y up: to the left, seen from above
        return replace(self, camera_from_room=self.camera_from_room @ about.T)

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., 3) of the room in camera axes."""
        seen: np.ndarray = (points - self.centre_m) @ self.camera_from_room.T
        return seen


def dome_cameras(rng: np.random.Generator, size_px: tuple[int, int]) -> list[DomeCamera]:
    """Return the cameras `00_00` to `00_30`, well spread whichever are chosen, for pictures of a size."""
    scale = size_px[0] / FULL_SIZE[0]
    golden = math.pi * (3.0 - math.sqrt(5.0))
    cameras = []
    for number in range(CAMERA_COUNT):
        bearing = golden * number + rng.normal(0, 0.03)
        height = HEIGHTS_M[(3 * number) % len(HEIGHTS_M)] + rng.normal(0, 0.03)
        centre = np.array([DOME_M * math.sin(bearing), height, DOME_M * math.cos(bearing)])
        focal = rng.uniform(*FOCAL_PX)
        bend = np.array(DISTORTION) * (FOCAL_PX[0] / focal) ** 2 + rng.normal(0, [0.003, 0.004, 2e-4, 6e-4, 0.004])
        cameras.append(
            DomeCamera(
                name=f"00_{number:02d}",
                centre_m=centre,
                camera_from_room=_looking_at(centre, rng.normal((0.0, AIM_M, 0.0), 0.08), rng.normal(0, 0.02)),
                principal_px=np.array(size_px) / 2 - 0.5 + scale * rng.normal(0, 8.0, 2),
                distortion=bend,
                focal_px=scale * focal,
                size_px=size_px,
            )
        )
    return cameras


def choose_cameras(cameras: Sequence[DomeCamera], names: Sequence[str]) -> list[DomeCamera]:
    """Return some cameras by name; SettingsError where the dome has none of a name."""
    known = {camera.name: camera for camera in cameras}
    for name in names:
        if name not in known:
            raise SettingsError(f"camera {name!r}: the dome has none of that name; choose from 00_00 to {max(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def door_bearing(cameras: Sequence[DomeCamera]) -> float:
    """Return the direction, in radians from z towards x, in which the cameras leave most room for a person."""
    low = [camera.centre_m for camera in cameras if camera.centre_m[1] < 2.3]
    bearings = np.sort([math.atan2(centre[0], centre[2]) for centre in low])
    gaps = np.diff(bearings, append=bearings[0] + 2 * math.pi)
    widest = int(gaps.argmax())
    return float(bearings[widest] + gaps[widest] / 2)


def calibration_of(cameras: Sequence[DomeCamera], turned_rad: Mapping[str, float]) -> dict[str, Any]:
    """Return what `calibration_SEQ.json` says of the cameras.

    Args:
        turned_rad: by name, the angles by which it is wrong: about the camera's own upright axis.
    """
    entries = []
    for number, camera in enumerate(cameras):
        wrong = Rotation.from_rotvec([0.0, turned_rad.get(camera.name, 0.0), 0.0]).as_matrix()
        rotation = wrong @ camera.camera_from_room @ ROOM_FROM_FILE
        centre = 100.0 * ROOM_FROM_FILE @ camera.centre_m
        matrix = [
            [round(camera.focal_px, 4), 0, round(float(camera.principal_px[0]), 4)],
            [0, round(camera.focal_px, 4), round(float(camera.principal_px[1]), 4)],
            [0, 0, 1],
        ]
        entries.append(
            {
                "name": camera.name,
                "type": "hd",
                "resolution": list(camera.size_px),
                "panel": 0,
                "node": number,
                "K": matrix,
                "distCoef": camera.distortion.round(8).tolist(),
                "R": rotation.round(10).tolist(),
                "t": (-rotation @ centre)[:, None].round(8).tolist(),
            }
        )
    return {"calibDataSource": "rendered", "cameras": entries}


def _looking_at(centre: np.ndarray, aim: np.ndarray, roll_rad: float) -> np.ndarray:
    """Return the rotation from the room to the axes of a camera at `centre` that looks at `aim`."""
    forward = (aim - centre) / np.linalg.norm(aim - centre)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    level = np.stack([right, np.cross(forward, right), forward])
    rolled: np.ndarray = Rotation.from_rotvec([0.0, 0.0, roll_rad]).as_matrix() @ level
    return rolled
