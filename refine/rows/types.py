"""Inputs and outputs of refinement; imports no torch."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped, check_shape

KEYPOINT_COUNTS = (17, 25)


@dataclass(frozen=True, slots=True)
class ViewRows(Shaped):
    """Observations of a person in one camera, one row per row of the track.

    `camera_from_track` is a rotation and a shift: a point of the track lies at `rotation @ point + shift_m` in the
    camera. A track in camera axes has the identity and zero.
    """

    keypoints: Annotated[np.ndarray, "T", "K", 3]  # COCO's 17, OpenPose's 25: x, y in pixels, confidence (0: missed)
    focal_px: Annotated[np.ndarray, "T"]
    principal_px: Annotated[np.ndarray, "T", 2]
    rotation: Annotated[np.ndarray | None, 3, 3] = None  # None: the identity
    shift_m: Annotated[np.ndarray | None, 3] = None  # None: zero
    hints: Annotated[np.ndarray | None, "T", 12, 4] = None  # 3D joints as in `trackers.types.Tracks`; None: not given

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        if self.keypoints.shape[1] not in KEYPOINT_COUNTS:
            raise ValueError(f"keypoints: {self.keypoints.shape[1]} per row; COCO has 17, OpenPose 25")


@dataclass(frozen=True, slots=True)
class TrackRows(Shaped):
    """One person as recovered frame by frame, with interpolated gaps."""

    time_s: Annotated[np.ndarray, "T"]  # float64, increasing
    pose: Annotated[np.ndarray, "T", 24, 3]  # axis-angle, SMPL joint order
    betas: Annotated[np.ndarray, 10]  # initial shape
    trans: Annotated[np.ndarray, "T", 3]  # SMPL translation, metres
    joint_confidence: Annotated[np.ndarray, "T", 24]  # 0 to 1
    is_observed: Annotated[np.ndarray, "T"]  # bool; False: interpolated
    views: tuple[ViewRows, ...]  # at least one camera
    pose_sigma_rad: Annotated[np.ndarray | None, "T", 24] = None  # standard deviation; None: as in the settings
    joints_m: Annotated[np.ndarray | None, "T", 17, 3] = None  # COCO, triangulated, NaN: not known; None: one camera
    number: int = 0  # of the person: samples of different people get different noise

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        rows = len(self.time_s)
        if not self.views:
            raise ValueError("views: a track needs at least one camera")
        for view in self.views:
            check_shape("views' focal_px", view.focal_px, (rows,))
        if rows > 1 and not (np.diff(self.time_s) > 0).all():
            raise ValueError("time_s: must increase from row to row")


@dataclass(frozen=True, slots=True)
class Rows(Shaped):
    """The motion of some rows of one track."""

    pose: Annotated[np.ndarray, "T", 24, 3]  # axis-angle
    trans: Annotated[np.ndarray, "T", 3]  # metres
    betas: Annotated[np.ndarray, 10]


@dataclass(frozen=True, slots=True)
class TrackFit(Shaped):
    """One person after refinement."""

    pose: Annotated[np.ndarray, "T", 24, 3]  # float32 axis-angle
    betas: Annotated[np.ndarray, 10]  # float32
    trans: Annotated[np.ndarray, "T", 3]  # float32, metres
    is_filled: Annotated[np.ndarray, "T"]  # bool: not observed; the row comes from prior and smoothness
    is_refined: Annotated[np.ndarray, "T"]  # bool; False: refinement was rejected, the row is unchanged
    joint_sigma_rad: Annotated[np.ndarray | None, "T", 24] = None  # float32, not calibrated; None: not known
