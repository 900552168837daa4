"""What one camera of a capture saw, with keypoints as a camera without distortion would see them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from configs.checks import join_rows
from configs.schema import DecodeSettings
from pipeline.capture import Camera
from pipeline.flow.capture_record import PoseRecord
from pipeline.flow.outputs import VIEWS, RunFolder
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
    looks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(A, D) what people looked like, some times a second; NaN where a part was not seen."""
    look_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(A,) which rows were looked at."""

    def at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rays (T, 17, 2) and the keypoints' confidence (T, 17) of rows; NaN and 0 for row -1, nobody."""
        rays, confidence = np.full((len(rows), 17, 2), np.nan), np.zeros((len(rows), 17))
        here = rows >= 0
        rays[here], confidence[here] = self.rays[rows[here]], self.rows.keypoints[rows[here], :, 2]
        return rays, confidence


@dataclass(frozen=True, slots=True)
class Node:
    """A track of one view within a segment."""

    view: int
    track_id: int
    rows: np.ndarray  # of the view's observations, rising, at most one per frame


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
    parts = (
        {name: getattr(shard, name) for name in OBSERVATION_SHAPES} | {"rays": _rays(camera, shard.keypoints)}
        for shard in store.read_shards()
    )
    if (numbers := footage.numbers) is not None:
        parts = (_numbered(part, numbers, float(footage.info.rate)) for part in parts)
    view = view_on_disk(camera, parts, state[0].row_count if state is not None else 0, folder)
    seen = [looks for looks, _ in store.read_evidence() if len(looks.frame_index)]
    if not seen:
        return view
    looks = join_rows(seen)
    frames = looks.frame_index if numbers is None else numbers[looks.frame_index]
    return with_looks(view, looks.vectors.astype(np.float32), frames, looks.track_id)


def view_on_disk(camera: Camera, parts: Iterable[Mapping[str, np.ndarray]], count: int, folder: Path) -> View:
    """Return a view whose rows and their rays come in parts and lie in a nameless file; raises as `rows_on_disk`."""
    kinds = {
        name: (np.dtype(OBSERVATION_DTYPES.get(name, np.float32)), shape) for name, shape in OBSERVATION_SHAPES.items()
    }
    arrays = rows_on_disk(parts, kinds | {"rays": (np.dtype(np.float64), (17, 2))}, count, folder)
    rays = arrays.pop("rays")
    return View(camera, Observations(**arrays), rays)


def with_looks(view: View, looks: np.ndarray, frames: np.ndarray, track_ids: np.ndarray) -> View:
    """Return a view with what people looked like (A, D); of tracks that have no row in a frame, nothing."""
    rows = view.rows
    if not len(rows.frame_index) or not len(frames):
        return view
    step = max(int(rows.track_id.max()), int(track_ids.max())) + 1
    keys, wanted = rows.frame_index * step + rows.track_id, frames * step + track_ids
    order = np.argsort(keys, kind="stable")
    place = order[np.searchsorted(keys[order], wanted).clip(max=len(keys) - 1)]
    is_there = keys[place] == wanted
    return replace(view, looks=looks[is_there], look_rows=place[is_there])


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


def view_identity(folder: Path, view: View) -> dict[str, Any]:
    """Return what a view's evidence depends on: its observations and its calibration."""
    camera = view.camera
    state = ObservationStore(RunFolder(folder / VIEWS / camera.name).observations).read_state()
    numbers = (camera.matrix, camera.rotation, camera.translation_m, camera.distortion)
    return {
        "camera": camera.name,
        "observations": state[0].fingerprint if state is not None else "",
        "calibration": [value.tolist() for value in numbers],
        "is_fisheye": camera.is_fisheye,
    }
