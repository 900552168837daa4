"""What travels between the stages: frames, chunks, rows of observations, one motion per person."""

from dataclasses import dataclass, field, fields

import numpy as np

from configs.checks import check_shape
from trackers.types import FOOT_POINTS, Detections, Tracks


def _no_feet() -> np.ndarray:
    """Return foot points of nobody; rows get points that were not seen in their place."""
    return np.zeros((0, FOOT_POINTS, 3), np.float32)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a video."""

    index: int  # place in the video, from 0, in presentation order
    time_s: float  # the frame's own timestamp, relative to the first frame of the stream
    image: np.ndarray  # (H, W, 3) uint8 RGB, upright, square pixels
    focal_scale: float = 1.0  # of the video's focal length; below 1 in a picture of another size between black bars

    def __post_init__(self) -> None:
        check_shape("image", self.image, ("H", "W", 3))


@dataclass(frozen=True, slots=True)
class Observations:
    """People that were seen, one row per person and frame, in order of (frame, track)."""

    frame_index: np.ndarray  # (R,) int64
    time_s: np.ndarray  # (R,) float64
    track_id: np.ndarray  # (R,) int64
    boxes_xyxy: np.ndarray  # (R, 4) float32, pixels of the full image
    scores: np.ndarray  # (R,) float32
    keypoints: np.ndarray  # (R, 17, 3) float32: x, y in pixels of the full image, confidence
    pose: np.ndarray  # (R, 24, 3) float32 axis-angle, root in camera axes
    betas: np.ndarray  # (R, 10) float32
    trans: np.ndarray  # (R, 3) float32, SMPL translation in camera axes, metres
    joint_confidence: np.ndarray  # (R, 24) float32, 0 to 1
    focal_px: np.ndarray  # (R,) float32
    principal_px: np.ndarray  # (R, 2) float32
    feet: np.ndarray = field(default_factory=_no_feet)  # (R, 6, 3) float32 as keypoints: toes and heels of a file

    def __post_init__(self) -> None:
        rows = len(self.frame_index)
        if not len(self.feet):
            object.__setattr__(self, "feet", np.zeros((rows, FOOT_POINTS, 3), np.float32))
        for name, shape in OBSERVATION_SHAPES.items():
            check_shape(name, getattr(self, name), (rows, *shape))


OBSERVATION_SHAPES: dict[str, tuple[int, ...]] = {
    "frame_index": (),
    "time_s": (),
    "track_id": (),
    "boxes_xyxy": (4,),
    "scores": (),
    "keypoints": (17, 3),
    "pose": (24, 3),
    "betas": (10,),
    "trans": (3,),
    "joint_confidence": (24,),
    "focal_px": (),
    "principal_px": (2,),
    "feet": (FOOT_POINTS, 3),
}

OBSERVATION_DTYPES: dict[str, type] = {
    "frame_index": np.int64,
    "time_s": np.float64,
    "track_id": np.int64,
}


def no_observations() -> Observations:
    """Return observations of nobody."""
    return Observations(
        **{
            name: np.zeros((0, *shape), OBSERVATION_DTYPES.get(name, np.float32))
            for name, shape in OBSERVATION_SHAPES.items()
        }
    )


def concatenate_observations(parts: list[Observations]) -> Observations:
    """Return the rows of all parts, in order."""
    parts = parts or [no_observations()]
    return Observations(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Observations)})


def select_rows(observations: Observations, rows: np.ndarray) -> Observations:
    """Return the chosen rows; `rows` is an index array or a mask."""
    return Observations(**{f.name: getattr(observations, f.name)[rows] for f in fields(Observations)})


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of frames on its way through the line. Each stage fills the field it owns."""

    number: int
    frames: tuple[Frame, ...]  # pixels; emptied by the last stage that needs them
    detections: tuple[Detections, ...] | None = None  # one per frame; None = not there yet
    tracks: tuple[Tracks, ...] | None = None
    observations: Observations | None = None
    snapshots: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # stage name -> its state after the chunk


@dataclass(frozen=True, slots=True)
class MotionTrack:
    """The motion of one person in the camera frame of one video."""

    track_id: int
    frame_index: np.ndarray  # (T,) int64
    time_s: np.ndarray  # (T,) float64
    pose: np.ndarray  # (T, 24, 3) float32 axis-angle, root in camera axes
    betas: np.ndarray  # (10,) float32, one shape per person
    trans: np.ndarray  # (T, 3) float32, SMPL translation in camera axes, metres
    joint_confidence: np.ndarray  # (T, 24) float32, 0 to 1
    is_observed: np.ndarray  # (T,) bool; False = filled in between
    is_refined: np.ndarray  # (T,) bool; False = as recovered: refinement is off, or would not have made it better
    boxes_xyxy: np.ndarray  # (T, 4) float32
    keypoints: np.ndarray  # (T, 17, 3) float32; confidence 0 in filled frames
    focal_px: np.ndarray  # (T,) float32
    principal_px: np.ndarray  # (T, 2) float32
    feet: np.ndarray = field(default_factory=_no_feet)  # (T, 6, 3) float32 toes and heels, where a file has them

    def __post_init__(self) -> None:
        frames = len(self.frame_index)
        if not len(self.feet):
            object.__setattr__(self, "feet", np.zeros((frames, FOOT_POINTS, 3), np.float32))
        check_shape("betas", self.betas, (10,))
        for name, shape in MOTION_SHAPES.items():
            check_shape(name, getattr(self, name), (frames, *shape))


MOTION_SHAPES: dict[str, tuple[int, ...]] = {
    "frame_index": (),
    "time_s": (),
    "pose": (24, 3),
    "trans": (3,),
    "joint_confidence": (24,),
    "is_observed": (),
    "is_refined": (),
    "boxes_xyxy": (4,),
    "keypoints": (17, 3),
    "focal_px": (),
    "principal_px": (2,),
    "feet": (FOOT_POINTS, 3),
}
