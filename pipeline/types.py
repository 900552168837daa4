"""What travels between the stages: frames, chunks, rows of observations, one motion per person."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from configs.checks import Shaped, join_rows, row_shapes, shapes_of
from trackers.types import Detections, Tracks


def _nothing() -> np.ndarray:
    """Return no rows; a noun puts zeros in their place."""
    return np.zeros(0, np.float32)


def _put_zeros(noun: Shaped, names: Sequence[str], rows: int) -> None:
    """Give fields that were left out their shape, with points that were not seen."""
    for name in names:
        if not len(getattr(noun, name)):
            object.__setattr__(noun, name, np.zeros((rows, *shapes_of(type(noun))[name][1:]), np.float32))


@dataclass(frozen=True, slots=True)
class Frame(Shaped):
    """One frame of a video."""

    index: int  # place in the video, from 0, in presentation order
    time_s: float  # the frame's own timestamp, relative to the first frame of the stream
    image: Annotated[np.ndarray, "H", "W", 3]  # uint8 RGB, upright, square pixels
    focal_scale: float = 1.0  # of the video's focal length; below 1 in an image of another size between black bars


@dataclass(frozen=True, slots=True)
class Observations(Shaped):
    """Observed people, one row per person and frame, ordered by (frame, track)."""

    frame_index: Annotated[np.ndarray, "R"]  # int64
    time_s: Annotated[np.ndarray, "R"]  # float64
    track_id: Annotated[np.ndarray, "R"]  # int64
    boxes_xyxy: Annotated[np.ndarray, "R", 4]  # float32, pixels of the full image
    scores: Annotated[np.ndarray, "R"]  # float32
    keypoints: Annotated[np.ndarray, "R", 17, 3]  # float32: x, y in pixels of the full image, confidence
    pose: Annotated[np.ndarray, "R", 24, 3]  # float32 axis-angle, root in camera axes
    betas: Annotated[np.ndarray, "R", 10]  # float32
    trans: Annotated[np.ndarray, "R", 3]  # float32, SMPL translation in camera axes, metres
    joint_confidence: Annotated[np.ndarray, "R", 24]  # float32, 0 to 1
    focal_px: Annotated[np.ndarray, "R"]  # float32
    principal_px: Annotated[np.ndarray, "R", 2]  # float32
    feet: Annotated[np.ndarray, "R", 6, 3] = field(default_factory=_nothing)  # float32: toes and heels
    hints: Annotated[np.ndarray, "R", 12, 4] = field(default_factory=_nothing)  # float32, as in `Tracks`

    def __post_init__(self) -> None:
        _put_zeros(self, ("feet", "hints"), len(self.frame_index))
        Shaped.__post_init__(self)


OBSERVATION_SHAPES = row_shapes(Observations)

OBSERVATION_DTYPES: dict[str, type] = {
    "frame_index": np.int64,
    "time_s": np.float64,
    "track_id": np.int64,
}


def no_observations() -> Observations:
    """Return empty observations."""
    arrays: dict[str, Any] = {
        name: np.zeros((0, *shape), OBSERVATION_DTYPES.get(name, np.float32))
        for name, shape in OBSERVATION_SHAPES.items()
    }
    return Observations(**arrays)


def concatenate_observations(parts: list[Observations]) -> Observations:
    """Return the rows of all parts, in order."""
    return join_rows(parts or [no_observations()])


@dataclass(frozen=True, slots=True)
class Looks(Shaped):
    """What people looked like, one row per person and frame in which they were looked at, ordered by frame."""

    frame_index: Annotated[np.ndarray, "A"]  # int64
    track_id: Annotated[np.ndarray, "A"]  # int64
    vectors: Annotated[np.ndarray, "A", "D"]  # float16; NaN where a part of the person was not seen


def no_looks() -> Looks:
    """Return the looks of nobody."""
    return Looks(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.float16))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive frames on their way through the pipeline. Each stage fills its own field."""

    number: int
    frames: tuple[Frame, ...]  # pixels; emptied by the last stage that needs them
    detections: tuple[Detections, ...] | None = None  # one per frame; None = not there yet
    tracks: tuple[Tracks, ...] | None = None
    observations: Observations | None = None
    cut_frames: tuple[int, ...] = ()  # at which a new shot begins
    snapshots: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # stage name -> its state after the chunk


def looks_of(chunk: Chunk) -> Looks:
    """Return the looks of everybody in a chunk who has an identity and was looked at."""
    parts = []
    for frame, tracks in zip(chunk.frames, chunk.tracks or (), strict=chunk.tracks is not None):
        if tracks.appearance is not None:
            rows = np.flatnonzero(np.isfinite(tracks.appearance).any(axis=1))
            vectors = tracks.appearance[rows].astype(np.float16)
            parts.append(Looks(np.full(len(rows), frame.index, np.int64), tracks.track_ids[rows], vectors))
    return join_rows(parts) if parts else no_looks()


OF_CAMERA = ("boxes_xyxy", "keypoints", "focal_px", "principal_px", "feet", "hints")
"""What a track has of its camera: zeros where several cameras saw it, each with its own."""


@dataclass(frozen=True, slots=True)
class MotionTrack(Shaped):
    """The motion of one person in the camera frame of one video, or in the rig frame of a capture."""

    track_id: int
    frame_index: Annotated[np.ndarray, "T"]  # int64
    time_s: Annotated[np.ndarray, "T"]  # float64
    pose: Annotated[np.ndarray, "T", 24, 3]  # float32 axis-angle, root in camera axes
    betas: Annotated[np.ndarray, 10]  # float32, one shape per person
    trans: Annotated[np.ndarray, "T", 3]  # float32, SMPL translation in camera axes, metres
    joint_confidence: Annotated[np.ndarray, "T", 24]  # float32, 0 to 1
    is_observed: Annotated[np.ndarray, "T"]  # bool; False = filled in between
    is_refined: Annotated[np.ndarray, "T"]  # bool; False = as recovered: refinement is off or would not make it better
    boxes_xyxy: Annotated[np.ndarray, "T", 4] = field(default_factory=_nothing)  # float32
    keypoints: Annotated[np.ndarray, "T", 17, 3] = field(default_factory=_nothing)  # float32; confidence 0 if filled
    focal_px: Annotated[np.ndarray, "T"] = field(default_factory=_nothing)  # float32
    principal_px: Annotated[np.ndarray, "T", 2] = field(default_factory=_nothing)  # float32
    feet: Annotated[np.ndarray, "T", 6, 3] = field(default_factory=_nothing)  # float32: toes and heels
    hints: Annotated[np.ndarray, "T", 12, 4] = field(default_factory=_nothing)  # float32, as in `Tracks`
    joint_sigma_rad: Annotated[np.ndarray | None, "T", 24] = None  # float32, calibrated; None: not known
    ground_cov_m2: Annotated[np.ndarray | None, "T", 2, 2] = None  # float32, of the pelvis, world x y; None: not known
    # float32, metres: what of these errors lasts, as moves by one standard error each of the scene's camera (the first
    # four, the same for everybody in the scene) and of the person's size (the last); None: not known
    ground_systematic_m: Annotated[np.ndarray | None, "T", 2, 5] = None
    # float32 axis-angle, from the camera's axes in a frame to the scene's; None: they are the same in all frames
    scene_turn: Annotated[np.ndarray | None, "T", 3] = None
    seen_by: Annotated[np.ndarray, "T", "C"] = field(default_factory=_nothing)  # bool, which cameras saw the person

    def __post_init__(self) -> None:
        _put_zeros(self, OF_CAMERA, len(self.frame_index))
        if not len(self.seen_by):
            object.__setattr__(self, "seen_by", np.asarray(self.is_observed)[:, None])
        Shaped.__post_init__(self)

    @property
    def has_camera(self) -> bool:
        """Whether it is of one camera; else its axes are those of a rig, and what is `OF_CAMERA` is left out."""
        return bool(np.any(self.focal_px))

    @property
    def view_count(self) -> np.ndarray:
        """How many cameras saw the person (T,) int64; 0 where the motion was filled in."""
        return np.asarray(self.seen_by.sum(axis=1), np.int64)
