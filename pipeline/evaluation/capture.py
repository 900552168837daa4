"""Runs on the cameras of a calibrated capture against its 3D reference.

A capture is a folder with `calibration*.json`, one video per camera, named after it, and `reference_3d_coco17.npz`.
The calibration is a JSON object: `cameras` is a list with `name`, `size` [width, height], `K` (3, 3), `R` (3, 3) and
`t` (3,) metres, world to camera as OpenCV has it; `size` may be left out. The reference holds `kp3d_smooth` (or
`kp3d_raw`) (people, frames, 17, 3) in world metres, COCO order, NaN where unknown; its frame t is frame t of every
video.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from configs.checks import Shaped, check_shape
from configs.errors import InputError
from configs.json_files import read_json
from configs.npz_files import read_npz
from pipeline.evaluation.comparison import Comparison, Reference, compare_runs
from pipeline.evaluation.motion_errors import JointChoice
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.media import probe
from pipeline.media.suffixes import VIDEO_SUFFIXES
from pipeline.motion.posing import Body
from pipeline.types import MotionTrack

CALIBRATION_BYTES_MAX = 2**22
BODY_JOINTS = tuple(range(5, 17))  # of COCO-17: shoulders to ankles; a face is not where a body model has it
ROTATION_SLACK = 1e-3  # of R R^T: calibrations are written with few digits
COCO_CHOICE = JointChoice("coco17", BODY_JOINTS, root=(11, 12), feet=(15, 16))


@dataclass(frozen=True, slots=True)
class CaptureCamera(Shaped):
    """One calibrated camera and what it filmed."""

    name: str
    video: Path
    matrix: Annotated[np.ndarray, 3, 3]  # pixels
    rotation: Annotated[np.ndarray, 3, 3]  # world to camera
    translation_m: Annotated[np.ndarray, 3]
    size_px: tuple[int, int] | None = None  # width, height that the matrix is for; None = not given

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        focal = self.matrix[[0, 1], [0, 1]]
        if not (np.isfinite(self.matrix).all() and (focal > 0).all()):
            raise InputError(
                f"camera {self.name}: K is {self.matrix.tolist()}; give it finite, its focal lengths above 0"
            )
        off = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if not (off <= ROTATION_SLACK and np.linalg.det(self.rotation) > 0):
            raise InputError(f"camera {self.name}: R {self.rotation.tolist()} is not a rotation; give world to camera")
        if not np.isfinite(self.translation_m).all():
            raise InputError(f"camera {self.name}: t is {self.translation_m.tolist()}; give three finite metres")

    @property
    def focal_px(self) -> float:
        """Mean of the two focal lengths."""
        return float(self.matrix[[0, 1], [0, 1]].mean())

    def check_video(self) -> None:
        """Raise `InputError` if the video cannot be read or has another size than the calibration says."""
        info = probe(self.video)
        if self.size_px not in (None, (info.width, info.height)):
            raise InputError(
                f"camera {self.name}: calibrated for size {list(self.size_px or ())}, but {self.video} has "
                f"{info.width}x{info.height}; give the video that was calibrated, or scale K and size"
            )

    def to_camera(self, world: np.ndarray) -> np.ndarray:
        """Return world points (..., 3) in this camera's axes."""
        return world @ self.rotation.T + self.translation_m


@dataclass(frozen=True, slots=True)
class Capture(Shaped):
    """A capture with its reference."""

    cameras: tuple[CaptureCamera, ...]
    joints_m: Annotated[np.ndarray, "P", "T", 17, 3]  # world, NaN where unknown

    def choose(self, name: str) -> tuple[CaptureCamera, ...]:
        """Return the camera of this name, or all for "each".

        Raises:
            InputError: there is no such camera.
        """
        chosen = tuple(camera for camera in self.cameras if name in ("each", camera.name))
        if not chosen:
            names = ", ".join(camera.name for camera in self.cameras)
            raise InputError(f"no camera {name!r} with a video; there are {names}, or 'each'")
        return chosen


def read_capture(folder: Path, calibration: Path | None = None) -> Capture:
    """Read a capture; of several calibrations a refined one is taken, unless one is named.

    Raises:
        InputError: something is missing or not as described.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    calibration = calibration or _find_calibration(folder)
    videos = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    try:
        cameras = []
        for entry in read_json(calibration, bytes_max=CALIBRATION_BYTES_MAX, is_nan_allowed=True)["cameras"]:
            video = next((path for path in videos if path.stem == entry["name"]), None)
            if video is not None:
                matrix, turn, shift = (np.array(entry[key], np.float64) for key in ("K", "R", "t"))
                width, height = entry.get("size") or (0, 0)
                size = (int(width), int(height)) if width else None
                cameras.append(CaptureCamera(entry["name"], video, matrix, turn, shift.reshape(-1), size))
    except (OSError, KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        problem = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise InputError(
            f"{calibration}: no calibration of this layout ({problem}); it needs a list 'cameras' with name, K, R, t"
        ) from error
    if not cameras:
        raise InputError(f"{folder}: no video is named after a camera of {calibration.name}; name them cam01.mp4 ...")
    names = [camera.name for camera in cameras]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{calibration}: camera {', '.join(twice)} is there twice; give every camera its own name")
    return Capture(tuple(cameras), _read_reference(folder / "reference_3d_coco17.npz"))


def _find_calibration(folder: Path) -> Path:
    found = sorted(folder.glob("calibration*.json"), key=lambda path: ("refined" not in path.name, path.name))
    if not found:
        raise InputError(f"{folder}: holds no calibration*.json; give the folder of one capture, or --calibration")
    return found[0]


def _read_reference(path: Path) -> np.ndarray:
    try:
        arrays = read_npz(path, ("kp3d_smooth", "kp3d_raw"))
        joints = arrays["kp3d_smooth" if "kp3d_smooth" in arrays else "kp3d_raw"]
        if joints.dtype.kind not in "iuf":
            raise ValueError(f"it is of type {joints.dtype.str}")
        joints = joints.astype(np.float64)
        check_shape("kp3d", joints, ("P", "T", 17, 3))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: no 3D reference ({error}); it needs kp3d_smooth or kp3d_raw (P, T, 17, 3)"
        ) from error
    if not known_frames(joints).any():
        raise InputError(
            f"{path}: the reference holds nothing to compare: no frame has all joints from shoulders to ankles"
        )
    return joints


def known_frames(joints_m: np.ndarray) -> np.ndarray:
    """Return in which frames (P, T) all joints of `BODY_JOINTS` are known."""
    return np.isfinite(joints_m[:, :, BODY_JOINTS]).all(axis=(2, 3))


def compare_with_capture(
    runs: Mapping[str, Sequence[MotionTrack]], body: Body, camera: CaptureCamera, joints_m: np.ndarray
) -> Comparison:
    """Return the errors of the runs on one camera, by mode, against reference joints (P, T, 17, 3) in world metres.

    Only frames in which all joints of `BODY_JOINTS` are known count.

    Args:
        runs: tracks of the same rows, refined in different ways.
    """
    truth = camera.to_camera(joints_m.astype(np.float64))
    people, frames = truth.shape[:2]
    focal, principal = np.full(frames, camera.focal_px), np.tile(camera.matrix[:2, 2], (frames, 1))
    boxes = np.array([joint_boxes(project_rows(points, focal, principal)) for points in truth])
    reference = Reference(truth, boxes.reshape(people, frames, 4), known_frames(truth), COCO_CHOICE)
    return compare_runs(camera.name, runs, body, reference)
