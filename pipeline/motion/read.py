"""Reads motion files: those of this project and those of AMASS."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from configs.checks import Shaped, check_numbers, check_shape
from configs.errors import InputError
from configs.npz_files import read_npz
from pipeline.motion.layouts import Layout, find_layout, smpl_pose


@dataclass(frozen=True, slots=True)
class MotionFile(Shaped):
    """What a motion file says, in an upright world (Z up, metres).

    The fields from `timestamps` on are None in files that another program wrote.
    """

    layout: Layout
    poses: Annotated[np.ndarray, "N", "W"]  # axis-angle, 156 or 165 wide
    trans: Annotated[np.ndarray, "N", 3]  # SMPL translation, metres
    betas: Annotated[np.ndarray, "B"]  # 16 in AMASS
    gender: str
    rate_hz: float
    timestamps: Annotated[np.ndarray | None, "N"]  # float64 seconds
    frame_index: Annotated[np.ndarray | None, "N"]  # int64, nearest frame of the video
    is_observed: Annotated[np.ndarray | None, "N"]  # bool
    is_refined: Annotated[np.ndarray | None, "N"]  # bool
    joint_confidence: Annotated[np.ndarray | None, "N", 24]
    joint_sigma_rad: Annotated[np.ndarray | None, "N", 24]  # radians; None where refinement did not know it, too
    ground_cov_m2: Annotated[np.ndarray | None, "N", 2, 2]  # of the pelvis in world x and y; None where not measured
    ground_systematic_m: Annotated[np.ndarray | None, "N", 2, 5]  # what of these errors lasts; None likewise
    camera_k: Annotated[np.ndarray | None, "N", 3, 3]  # None in a capture, too, which has several
    view_count: Annotated[np.ndarray | None, "N"]  # int64, cameras that saw the person; None outside captures, too
    world_from_cam: np.ndarray | None  # (4, 4)
    original_timestamps: np.ndarray | None  # (T,) float64 seconds
    original_frame_index: np.ndarray | None  # (T,) int64
    track_id: int | None
    body_model: str | None
    source: str | None
    version: str | None

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        check_shape("poses", self.poses, ("N", self.layout.width))

    @property
    def duration_s(self) -> float:
        """How long the motion lasts, each sample counted with its own length."""
        return len(self.poses) / self.rate_hz

    @property
    def observed_fraction(self) -> float | None:
        """Which share of the samples was seen, not filled in; None where the file does not say."""
        return _fraction(self.is_observed)

    @property
    def refined_fraction(self) -> float | None:
        """Which share of the samples refinement changed; None where the file does not say."""
        return _fraction(self.is_refined)

    def smpl_pose(self) -> np.ndarray:
        """Return the pose of a SMPL body (N, 24, 3), its hands at rest."""
        return smpl_pose(self.poses)


SAMPLE_KEYS = (
    "timestamps",
    "frame_index",
    "is_observed",
    "is_refined",
    "joint_confidence",
    "joint_sigma_rad",
    "ground_cov_m2",
    "ground_systematic_m",
    "camera_k",
    "view_count",
)
RATE_KEYS = ("mocap_framerate", "mocap_frame_rate")
NEEDED_KEYS = ("poses", "trans", "betas", "gender")
TEXT_KEYS = ("gender", "body_model", "source", "version")
READ_KEYS = {
    *(*NEEDED_KEYS, *RATE_KEYS, *SAMPLE_KEYS, *TEXT_KEYS),
    *("world_from_cam", "original_timestamps", "original_frame_index", "track_id"),
}
TEXT_CHARS_MAX = 1000
MOTION_BYTES_MAX = 2**31  # a million samples take 0.9 GB


def read_motion(path: Path) -> MotionFile:
    """Read a motion file.

    Raises:
        InputError: the file is not an npz, lacks something, holds what is needed as pickled objects or as no finite
            numbers, or has an unknown layout.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a motion file (.npz)")
    try:
        arrays = read_npz(path, READ_KEYS, bytes_max=MOTION_BYTES_MAX)  # not more: AMASS stores marker names as pickles
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a motion file (.npz): {error}") from error
    missing = [key for key in NEEDED_KEYS if key not in arrays]
    rate_key = next((key for key in RATE_KEYS if key in arrays), None)
    if rate_key is None:
        missing.append(" or ".join(RATE_KEYS))
    if missing or rate_key is None:
        raise InputError(f"{path}: not a motion file: {', '.join(missing)} missing; AMASS files have them")
    poses = arrays["poses"]
    layout = find_layout(poses.shape[1]) if poses.ndim == 2 else None
    if layout is None:
        raise InputError(f"{path}: poses has shape {poses.shape}; SMPL-H files have 156 numbers a row, SMPL-X 165")
    try:
        for name, array in arrays.items():
            if name not in TEXT_KEYS:
                check_numbers(name, array)
        rate_hz = _number(rate_key, arrays[rate_key])
        if not rate_hz > 0:
            raise ValueError(f"{rate_key} is {rate_hz}; a motion needs a rate above 0")
        return MotionFile(
            layout=layout,
            poses=poses,
            trans=arrays["trans"],
            betas=arrays["betas"],
            gender=_text(arrays["gender"]),
            rate_hz=rate_hz,
            timestamps=arrays.get("timestamps"),
            frame_index=arrays.get("frame_index"),
            is_observed=arrays.get("is_observed"),
            is_refined=arrays.get("is_refined"),
            joint_confidence=arrays.get("joint_confidence"),
            joint_sigma_rad=arrays.get("joint_sigma_rad"),
            ground_cov_m2=arrays.get("ground_cov_m2"),
            ground_systematic_m=arrays.get("ground_systematic_m"),
            camera_k=arrays.get("camera_k"),
            view_count=arrays.get("view_count"),
            world_from_cam=arrays.get("world_from_cam"),
            original_timestamps=arrays.get("original_timestamps"),
            original_frame_index=arrays.get("original_frame_index"),
            track_id=int(_number("track_id", arrays["track_id"])) if "track_id" in arrays else None,
            body_model=_text(arrays["body_model"]) if "body_model" in arrays else None,
            source=_text(arrays["source"]) if "source" in arrays else None,
            version=_text(arrays["version"]) if "version" in arrays else None,
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}; write the file again") from error


def _fraction(flags: np.ndarray | None) -> float | None:
    return float(np.mean(flags)) if flags is not None and len(flags) else None


def _number(name: str, array: np.ndarray) -> float:
    if array.size != 1:
        raise ValueError(f"{name}: got shape {array.shape}, expected one number")
    return float(array.reshape(-1)[0])


def _text(array: np.ndarray) -> str:
    value = array.item() if array.size == 1 else str(array)
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))[:TEXT_CHARS_MAX]
