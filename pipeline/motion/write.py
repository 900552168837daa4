"""Writes one motion file per person, in the layouts of AMASS."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from configs.errors import RunError, SettingsError
from configs.npz_files import read_npz
from configs.skeletons import SMPL24
from pipeline.flow.atomic import write_npz
from pipeline.motion.layouts import LAYOUTS, Layout, LayoutName, full_poses
from pipeline.motion.posing import Body, joint_positions, pelvis_of
from pipeline.motion.read import MOTION_BYTES_MAX
from pipeline.motion.resample import SampledMotion, resample
from pipeline.motion.world import WORLD_FROM_CAM, camera_matrices, in_scene_axes, move_root
from pipeline.types import MotionTrack

FORMAT_VERSION = 1
BETAS = 16  # what readers of AMASS expect; the shape space here has 10


def write_motion(
    path: Path,
    track: MotionTrack,
    body: Body,
    *,
    layout: LayoutName = "smplh",
    rate: Fraction | None,
    gap_max_s: float,
    world_from_cam: np.ndarray = WORLD_FROM_CAM,
    source: str = "",
    version: str = "",
) -> None:
    """Write the motion of one person; the same content gives the same bytes.

    Args:
        rate: whole samples per second; None keeps the frames of the track, and the file then carries their mean rate.
        gap_max_s: samples inside a longer gap between two frames count as filled, not as observed.
        world_from_cam: (4, 4) to the world of the file, of the axes of the track.
        source: what the motion was made from, for the reader of the file.
        version: version of the program.

    Raises:
        SettingsError: the layout is unknown.
        RunError: what was read back is not what was written.
        ValueError: as of `resample`.
    """
    if layout not in LAYOUTS:
        raise SettingsError(f"layout {layout!r} is unknown; choose one of {', '.join(LAYOUTS)}")
    pelvis = pelvis_of(body, track.betas)
    track = in_scene_axes(track, pelvis)
    motion = resample(track, pelvis, rate, gap_max_s)
    arrays = amass_arrays(motion, track.betas, pelvis, LAYOUTS[layout], world_from_cam)
    arrays |= extra_arrays(motion, track, pelvis, world_from_cam)
    arrays |= joint_arrays(motion, track.betas, body, world_from_cam)
    arrays |= {
        "gender": np.array(body.structure.gender),
        "body_model": np.array(body.structure.name),
        "source": np.array(source),
        "version": np.array(version),
        "format_version": np.array(FORMAT_VERSION, np.int64),
    }
    write_npz(path, arrays)
    _check_written(path, arrays)


def _check_written(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Read a motion file back; a file that differs from what was to be written does not count as a result."""
    found = read_npz(path, bytes_max=MOTION_BYTES_MAX)
    wrong = [name for name, array in arrays.items() if name not in found or found[name].tobytes() != array.tobytes()]
    if wrong:
        raise RunError(f"{path}: {', '.join(wrong)} read back otherwise than written; check the disk and run again")


def amass_arrays(
    motion: SampledMotion, betas: np.ndarray, pelvis: np.ndarray, layout: Layout, world_from_cam: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the arrays that readers of AMASS look for, in the upright world frame.

    Source: the files of amass.is.tue.mpg.de; in the SMPL-X layout jaw and eyes come before the hands, as in github.com/
    vchoutas/smplx (smplx/joint_names.py).
    """
    root, trans = move_root(motion.pose[:, 0], motion.trans, pelvis, world_from_cam)
    samples = len(root)
    pose = np.concatenate([root[:, None], motion.pose[:, 1:]], axis=1)
    poses = full_poses(pose, layout)
    shape = np.zeros(BETAS, np.float32)
    shape[: len(betas)] = betas
    rate = np.array(motion.rate_hz, np.float64)
    return {
        "poses": poses,
        "trans": trans.astype(np.float32),
        "betas": shape,
        "num_betas": np.array(BETAS, np.int64),
        "surface_model_type": np.array(layout.name),
        # SMPL-H files of AMASS spell the rate one way, SMPL-X files the other; readers know one or the other.
        "mocap_framerate": rate,
        "mocap_frame_rate": rate,
        "mocap_time_length": np.array(samples / motion.rate_hz, np.float64),
        "dmpls": np.zeros((samples, 8), np.float32),
        "root_orient": poses[:, :3],
        "pose_body": poses[:, 3:66],
        "pose_hand": poses[:, layout.hands],
        "pose_jaw": np.zeros((samples, 3), np.float32),
        "pose_eye": np.zeros((samples, 6), np.float32),
    }


def extra_arrays(
    motion: SampledMotion, track: MotionTrack, pelvis: np.ndarray, world_from_cam: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what only this project writes: times, where they come from, confidence, the camera or how many saw it."""
    known = _camera_arrays(motion, track) if track.has_camera else _rig_arrays(motion, track)
    if motion.joint_sigma_rad is not None:
        known["joint_sigma_rad"] = motion.joint_sigma_rad
    if motion.ground_cov_m2 is not None:
        known["ground_cov_m2"] = motion.ground_cov_m2
    if motion.ground_systematic_m is not None:
        known["ground_systematic_m"] = motion.ground_systematic_m
    return known | {
        "track_id": np.array(track.track_id, np.int64),
        "timestamps": motion.time_s,
        "frame_index": track.frame_index[motion.nearest_row].astype(np.int64),
        "is_observed": motion.is_observed,
        "is_refined": track.is_refined[motion.nearest_row],
        "joint_confidence": motion.joint_confidence,
        "world_from_cam": world_from_cam,
        "pelvis_offset": pelvis,
        "original_timestamps": track.time_s.astype(np.float64),
        "original_frame_index": track.frame_index.astype(np.int64),
        "original_is_observed": track.is_observed,
        "original_is_refined": track.is_refined,
    }


def _camera_arrays(motion: SampledMotion, track: MotionTrack) -> dict[str, np.ndarray]:
    return {
        "camera_k": camera_matrices(motion.focal_px, motion.principal_px),
        "original_boxes_xyxy": track.boxes_xyxy,
        "original_keypoints": track.keypoints,
        "original_camera_k": camera_matrices(track.focal_px, track.principal_px),
    }


def _rig_arrays(motion: SampledMotion, track: MotionTrack) -> dict[str, np.ndarray]:
    return {"view_count": track.view_count[motion.nearest_row], "original_view_count": track.view_count}


def joint_arrays(
    motion: SampledMotion, betas: np.ndarray, body: Body, world_from_cam: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the joints in metres, in the upright world frame: readers without the body model cannot work them out."""
    joints = joint_positions(body, motion.pose, betas, motion.trans).astype(np.float64)
    world = joints @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]
    return {"joints_world": world.astype(np.float32), "joint_names": np.array(SMPL24)}
