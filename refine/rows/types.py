"""What goes into refinement and comes out of it; imports no torch."""

from dataclasses import dataclass

import numpy as np

from configs.checks import check_shape

KEYPOINT_COUNTS = (17, 25)


@dataclass(frozen=True, slots=True)
class ViewRows:
    """What one camera saw of a person, a row per row of the track.

    `camera_from_track` is a rotation and a shift: a point of the track lies at `rotation @ point + shift_m` in the
    camera. A track that lives in the camera's own axes has the identity and zero.
    """

    keypoints: np.ndarray  # (T, K, 3) COCO's 17 or OpenPose's 25: x, y in pixels, confidence (0: not seen)
    focal_px: np.ndarray  # (T,)
    principal_px: np.ndarray  # (T, 2)
    rotation: np.ndarray | None = None  # (3, 3); None: the identity
    shift_m: np.ndarray | None = None  # (3,); None: zero
    pose: np.ndarray | None = None  # (T, 24, 3) what was regressed from this view, in the track's axes; None: nothing

    def __post_init__(self) -> None:
        sizes = check_shape("keypoints", self.keypoints, ("T", "K", 3))
        if sizes["K"] not in KEYPOINT_COUNTS:
            raise ValueError(f"keypoints: {sizes['K']} per row; COCO has 17, OpenPose 25")
        check_shape("focal_px", self.focal_px, (sizes["T"],))
        check_shape("principal_px", self.principal_px, (sizes["T"], 2))
        if self.rotation is not None:
            check_shape("rotation", self.rotation, (3, 3))
        if self.shift_m is not None:
            check_shape("shift_m", self.shift_m, (3,))
        if self.pose is not None:
            check_shape("pose", self.pose, (sizes["T"], 24, 3))


@dataclass(frozen=True, slots=True)
class TrackRows:
    """One person as recovered frame by frame, gaps filled in between."""

    time_s: np.ndarray  # (T,) float64, increasing
    pose: np.ndarray  # (T, 24, 3) axis-angle, SMPL joint order
    betas: np.ndarray  # (10,) the shape to begin from
    trans: np.ndarray  # (T, 3) SMPL translation, metres
    joint_confidence: np.ndarray  # (T, 24) 0 to 1
    is_observed: np.ndarray  # (T,) bool; False: filled in between
    views: tuple[ViewRows, ...]  # at least one camera
    pose_sigma_rad: np.ndarray | None = None  # (T, 24) about how far the poses are off; None: as the settings say

    def __post_init__(self) -> None:
        rows = check_shape("time_s", self.time_s, ("T",))["T"]
        check_shape("pose", self.pose, (rows, 24, 3))
        check_shape("betas", self.betas, (10,))
        check_shape("trans", self.trans, (rows, 3))
        check_shape("joint_confidence", self.joint_confidence, (rows, 24))
        check_shape("is_observed", self.is_observed, (rows,))
        if not self.views:
            raise ValueError("views: a track needs at least one camera")
        for view in self.views:
            check_shape("views' focal_px", view.focal_px, (rows,))
        if self.pose_sigma_rad is not None:
            check_shape("pose_sigma_rad", self.pose_sigma_rad, (rows, 24))
        if rows > 1 and not (np.diff(self.time_s) > 0).all():
            raise ValueError("time_s: must increase from row to row")


@dataclass(frozen=True, slots=True)
class Rows:
    """The motion of some rows of one track."""

    pose: np.ndarray  # (T, 24, 3) axis-angle
    trans: np.ndarray  # (T, 3) metres
    betas: np.ndarray  # (10,)

    def __post_init__(self) -> None:
        rows = check_shape("pose", self.pose, ("T", 24, 3))["T"]
        check_shape("trans", self.trans, (rows, 3))
        check_shape("betas", self.betas, (10,))


@dataclass(frozen=True, slots=True)
class TrackFit:
    """One person after refinement."""

    pose: np.ndarray  # (T, 24, 3) float32 axis-angle
    betas: np.ndarray  # (10,) float32
    trans: np.ndarray  # (T, 3) float32, metres
    is_filled: np.ndarray  # (T,) bool: no camera saw the person; prior and smoothness alone made the row
    is_refined: np.ndarray  # (T,) bool; False: the row is as it was, for refinement would not have made it better

    def __post_init__(self) -> None:
        rows = check_shape("pose", self.pose, ("T", 24, 3))["T"]
        check_shape("betas", self.betas, (10,))
        check_shape("trans", self.trans, (rows, 3))
        check_shape("is_filled", self.is_filled, (rows,))
        check_shape("is_refined", self.is_refined, (rows,))
