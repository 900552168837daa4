"""Runs on the cameras of a calibrated capture against its 3D reference.

A capture (`pipeline.capture`) is a folder with a calibration and one video per camera, named after it. Its reference is
the annotations of a Panoptic sequence, or `reference_3d_coco17.npz`, which holds `kp3d_smooth` (or `kp3d_raw`)
(people, frames, 17, 3) in world metres, COCO order, NaN where unknown; its frame t is frame t of every video.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from configs.checks import check_shape
from configs.errors import InputError
from configs.npz_files import read_npz
from pipeline.capture import Camera, Capture
from pipeline.capture.panoptic import coco17_reference, find_annotations, frame_numbers
from pipeline.evaluation.comparison import Comparison, Reference, compare_runs
from pipeline.evaluation.motion_errors import JointChoice
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.flow.outputs import RunFolder
from pipeline.flow.store import ObservationStore
from pipeline.motion.posing import Body
from pipeline.types import MotionTrack

BODY_JOINTS = tuple(range(5, 17))  # of COCO-17: shoulders to ankles; a face is not where a body model has it
REFERENCE_FILE = "reference_3d_coco17.npz"
COCO_CHOICE = JointChoice("coco17", BODY_JOINTS, root=(11, 12), feet=(15, 16))


def read_reference(path: Path) -> np.ndarray:
    """Return the joints (P, T, 17, 3) of a capture in world metres, NaN where unknown.

    Raises:
        InputError: there is no such file, or it is not as described above.
    """
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


def find_reference(folder: Path) -> tuple[np.ndarray, str]:
    """Return a capture's reference joints (P, T, 17, 3), of its own file or of Panoptic's, and what was left out.

    Raises:
        InputError: there is neither, or it is damaged.
    """
    annotations = find_annotations(folder)
    if annotations is None or (folder / REFERENCE_FILE).exists():
        return read_reference(folder / REFERENCE_FILE), ""
    joints = coco17_reference(annotations.read())
    if not known_frames(joints).any():
        raise InputError(f"{annotations.folder}: holds nothing to compare: no frame has all joints from shoulders on")
    return joints, annotations.problem


def frames_read(capture: Capture, place: Path, camera: str) -> np.ndarray:
    """Return the frames (F,) of a view that were read, as the reference counts them; none without a picture.

    Args:
        place: where the runs of the views lie, each in a folder of its camera's name.
    """
    state = ObservationStore(RunFolder(place / camera).observations).read_state()
    if state is None:
        return np.zeros(0, np.int64)
    journal, numbers = state[0], frame_numbers(capture, camera)
    count = journal.next_frame or 0
    first = round(journal.first_time_s / journal.last_time_s * (count - 1)) if journal.last_time_s > 0 else 0
    read = np.setdiff1d(np.arange(first, count), journal.left_out)
    return read if numbers is None else numbers[read]


def known_frames(joints_m: np.ndarray) -> np.ndarray:
    """Return in which frames (P, T) all joints of `BODY_JOINTS` are known."""
    return np.isfinite(joints_m[:, :, BODY_JOINTS]).all(axis=(2, 3))


def compare_with_capture(
    runs: Mapping[str, Sequence[MotionTrack]], body: Body, camera: Camera, joints_m: np.ndarray
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
