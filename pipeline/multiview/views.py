"""What one camera of a capture saw, with keypoints as a camera without distortion would see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.schema import DecodeSettings
from pipeline.capture import Camera
from pipeline.flow.capture_record import PoseRecord
from pipeline.flow.scratch import rows_on_disk
from pipeline.flow.store import ObservationStore
from pipeline.media import VideoInfo
from pipeline.types import OBSERVATION_DTYPES, OBSERVATION_SHAPES, Frame, Observations


@dataclass(frozen=True, slots=True)
class View:
    """One camera and the rows it saw, in order of time."""

    camera: Camera
    rows: Observations
    rays: np.ndarray
    """(R, 17, 2) x / z and y / z of the keypoints in camera axes; NaN where not detected."""

    def at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rays (T, 17, 2) and the keypoints' confidence (T, 17) of rows; NaN and 0 for row -1, nobody."""
        rays, confidence = np.full((len(rows), 17, 2), np.nan), np.zeros((len(rows), 17))
        here = rows >= 0
        rays[here], confidence[here] = self.rays[rows[here]], self.rows.keypoints[rows[here], :, 2]
        return rays, confidence


def view_of(camera: Camera, rows: Observations) -> View:
    """Return a view; keypoints are undistorted here, once."""
    return View(camera, rows, _rays(camera, rows.keypoints))


@dataclass(frozen=True, slots=True)
class Footage:
    """The video of a camera, what of it is read, and its clock."""

    info: VideoInfo
    decode: DecodeSettings
    numbers: np.ndarray | None = None
    """(F,) which frame of the sequence each of the video is, where images have numbers of their own."""
    offset_s: float = 0.0
    rate_hz: float | None = None  # of the common clock; None: the video's own

    def number_of(self, frame: Frame) -> int:
        """Return at which frame of the common clock one of the video was taken, the nearest one."""
        own_hz = float(self.info.rate)
        time_s = frame.time_s if self.numbers is None else float(self.numbers[frame.index]) / own_hz
        return round((time_s - self.offset_s) * (self.rate_hz or own_hz))


def read_view(camera: Camera, store: ObservationStore, folder: Path, footage: Footage) -> View:
    """Return what a camera's run saw; memory does not grow with its length, as rows lie in a nameless file of `folder`.

    Raises: as of `read_shards` and `rows_on_disk`.
    """
    state = store.read_state()
    kinds = {
        name: (np.dtype(OBSERVATION_DTYPES.get(name, np.float32)), shape) for name, shape in OBSERVATION_SHAPES.items()
    }
    parts = (
        {name: getattr(shard, name) for name in kinds} | {"rays": _rays(camera, shard.keypoints)}
        for shard in store.read_shards()
    )
    rays = (np.dtype(np.float64), (17, 2))
    if (numbers := footage.numbers) is not None:
        parts = (_numbered(part, numbers, float(footage.info.rate)) for part in parts)
    arrays = rows_on_disk(parts, kinds | {"rays": rays}, state[0].row_count if state is not None else 0, folder)
    return View(camera, rays=arrays.pop("rays"), rows=Observations(**arrays))


def _numbered(part: dict[str, np.ndarray], numbers: np.ndarray, rate_hz: float) -> dict[str, np.ndarray]:
    """Return rows by the numbers and times that frames have in their sequence."""
    frames = numbers[part["frame_index"]]
    return part | {"frame_index": frames, "time_s": frames / rate_hz}


def _rays(camera: Camera, keypoints: np.ndarray) -> np.ndarray:
    seen = np.where(keypoints[..., 2:] > 0, keypoints[..., :2], np.nan)
    ideal = camera.undistort(seen)
    inverse = np.linalg.inv(camera.matrix)
    return np.asarray(ideal @ inverse[:2, :2].T + inverse[:2, 2])


def pinhole_keypoints(view: View, rows: np.ndarray) -> np.ndarray:
    """Return keypoints (T, 17, 3) of rows in a camera without distortion and with square pixels; row -1 is nobody.

    Its focal length is the mean of the two, its principal point the camera's.
    """
    rays, confidence = view.at(rows)
    pixels = rays * view.camera.focal_px + view.camera.matrix[:2, 2]
    given = np.isfinite(rays).all(axis=-1)
    found = np.concatenate([pixels, confidence[..., None]], axis=-1)
    return np.where(given[..., None], found, 0.0).astype(np.float32)


def pose_records(views: Sequence[View], footage: Sequence[Footage]) -> dict[str, PoseRecord]:
    """Return where the cameras stand, by name, as `run.json` says it."""
    poses = {}
    for view, each in zip(views, footage, strict=True):
        matrix, camera = np.eye(4), view.camera
        matrix[:3, :3], matrix[:3, 3] = camera.rotation.T, camera.centre_m
        rows = tuple(tuple(row) for row in matrix.tolist())
        poses[camera.name] = PoseRecord(
            world_from_cam=rows, focal_px=camera.focal_px, size_px=(each.info.width, each.info.height)
        )
    return poses
