import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from panoptic_files import standing, write_annotation
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from pipeline.capture import Camera, find_capture
from pipeline.capture.capture import check_video
from pipeline.evaluation.capture import (
    REFERENCE_FILE,
    compare_with_capture,
    find_reference,
    frames_read,
    read_reference,
)
from pipeline.evaluation.comparison import comparison_rows
from pipeline.flow.atomic import write_npz
from pipeline.flow.store import Journal, ObservationStore
from pipeline.media import VideoWriter
from pipeline.motion.posing import joint_positions
from pipeline.types import MotionTrack

TIMES = np.arange(20) / 30
TURN = Rotation.from_euler("xyz", [0.3, -0.6, 0.2]).as_matrix()
SHIFT = np.array([0.4, -0.2, 1.0])


def test_frames_without_a_picture_were_not_read(tmp_path: Path, folder: Path) -> None:
    store = ObservationStore(tmp_path / "runs" / "cam01" / "observations")
    journal = Journal("a", next_frame=6, first_time_s=0.0, last_time_s=0.2, left_out=[1, 4])
    store.write_state(journal, {})
    assert frames_read(find_capture(folder), tmp_path / "runs", "cam01").tolist() == [0, 2, 3, 5]


@pytest.fixture
def track(make_track) -> MotionTrack:
    return make_track(TIMES, track_id=1, shift_m=(0, 0, 5.0), speed_mps=(0.5, 0, 0))


@pytest.fixture
def folder(tmp_path: Path, track: MotionTrack, stick_body) -> Path:
    """A capture of two cameras, of which one has a video; the reference is what the track shows."""
    camera = {"K": [[500, 0, 320], [0, 510, 180], [0, 0, 1]], "R": TURN.tolist(), "t": SHIFT.tolist()}
    for name in ("calibration_a.json", "calibration_refined.json"):
        cameras = [{"name": number, **camera} for number in ("cam01", "cam02")]
        (tmp_path / name).write_text(json.dumps({"cameras": cameras}))
    (tmp_path / "cam01.mp4").touch()
    joints = joint_positions(stick_body, track.pose, track.betas, track.trans, "coco17")
    write_npz(tmp_path / REFERENCE_FILE, {"kp3d_smooth": ((joints - SHIFT) @ TURN)[None]})
    return tmp_path


def read(folder: Path) -> tuple[Camera, np.ndarray]:
    """Return the camera with a video, and the reference."""
    return find_capture(folder).cameras[0], read_reference(folder / REFERENCE_FILE)


def test_annotations_of_panoptic_are_a_reference_unless_there_is_a_file_of_its_own(tmp_path: Path) -> None:
    write_annotation(tmp_path, 169, {2: standing()})
    joints, problem = find_reference(tmp_path)
    assert joints.shape == (1, 170, 17, 3) and not problem and np.isfinite(joints[0, 169]).all()
    write_annotation(tmp_path, 170, {}).write_text("")
    assert "1 annotation files left out" in find_reference(tmp_path)[1]
    write_npz(tmp_path / REFERENCE_FILE, {"kp3d_raw": np.zeros((1, 3, 17, 3))})
    assert find_reference(tmp_path)[0].shape == (1, 3, 17, 3)
    empty = tmp_path / "empty"
    write_annotation(empty, 3, {})
    with pytest.raises(InputError, match="holds nothing to compare"):
        find_reference(empty)


def test_a_run_that_shows_the_reference_has_no_error(folder: Path, track: MotionTrack, stick_body) -> None:
    camera, joints_m = read(folder)
    assert camera.focal_px == 505
    result = compare_with_capture({"off": [track]}, stick_body, camera, joints_m)
    errors = result.by_mode["off"]
    assert (result.wanted, result.found, len(errors.mpjpe_mm)) == (20, 20, 20)
    assert max(errors.mpjpe_mm.max(), errors.pa_mpjpe_mm.max()) < 0.01
    rows = comparison_rows([result, result])
    assert rows[1][:4] == ("cam01", "off", "20", "100.0 %") and rows[-1][:3] == ("all", "off", "40")


def test_a_reference_turned_against_the_run_has_no_error_after_alignment_alone(
    folder: Path, track: MotionTrack, stick_body
) -> None:
    camera, joints_m = read(folder)
    middle = joints_m.mean(axis=(1, 2), keepdims=True)
    turned = (joints_m - middle) @ Rotation.from_euler("y", 0.2).as_matrix() + middle
    errors = compare_with_capture({"off": [track]}, stick_body, camera, turned).by_mode["off"]
    assert errors.pa_mpjpe_mm.max() < 0.01 and errors.mpjpe_mm.mean() > 10


def test_frames_without_a_body_joint_of_the_reference_do_not_count(
    folder: Path, track: MotionTrack, stick_body
) -> None:
    camera, reference = read(folder)
    reference[0, 3, 9], reference[0, 5, 0] = np.nan, np.nan  # a wrist, and a nose, which is not compared
    result = compare_with_capture({"off": [track]}, stick_body, camera, reference)
    assert result.wanted == 19 and len(result.by_mode["off"].mpjpe_mm) == 19
    nobody = compare_with_capture({"off": []}, stick_body, camera, reference)
    assert nobody.found == 0 and comparison_rows([nobody])[1][2:6] == ("0", "0.0 %", "-", "-")


def test_a_capture_without_a_reference_is_refused(folder: Path) -> None:
    (folder / REFERENCE_FILE).unlink()
    with pytest.raises(InputError, match="no 3D reference"):
        read_reference(folder / REFERENCE_FILE)


def change_camera(folder: Path, **changes: object) -> None:
    path = folder / "calibration_refined.json"
    cameras = json.loads(path.read_text())["cameras"]
    cameras[0] |= changes
    path.write_text(json.dumps({"cameras": cameras}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"K": [[-500, 0, 320], [0, 510, 180], [0, 0, 1]]}, "camera cam01: K is .*-500"),
        ({"K": [[float("nan"), 0, 320], [0, 510, 180], [0, 0, 1]]}, "camera cam01: K is .*nan"),
        ({"R": (-np.eye(3)).tolist()}, "camera cam01: R .* is not a rotation"),
        ({"R": (1.01 * np.eye(3)).tolist()}, "camera cam01: R .* is not a rotation"),
        ({"R": np.full((3, 3), np.nan).tolist()}, "camera cam01: R .* is not a rotation"),
        ({"t": [0, 0, float("inf")]}, "camera cam01: t is .*inf"),
        ({"size": [640]}, "no calibration of a known layout"),
    ],
)
def test_a_camera_that_cannot_be_is_named(folder: Path, changes: dict[str, object], said: str) -> None:
    change_camera(folder, **changes)
    with pytest.raises(InputError, match=said):
        find_capture(folder)


def test_a_video_of_another_size_than_calibrated_is_refused(folder: Path) -> None:
    with VideoWriter(folder / "cam01.mp4", 96, 64, Fraction(25)) as video:
        video.write(np.zeros((64, 96, 3), np.uint8), 0.0)
    check_video(read(folder)[0], folder / "cam01.mp4")  # the calibration does not tell its size
    change_camera(folder, size=[96, 64])
    check_video(read(folder)[0], folder / "cam01.mp4")
    change_camera(folder, size=[192, 128])
    with pytest.raises(InputError, match=r"camera cam01: calibrated for size \[192, 128\], but .*cam01.mp4 has 96x64"):
        check_video(read(folder)[0], folder / "cam01.mp4")


@pytest.mark.parametrize("shape", [(0, 20, 17, 3), (1, 0, 17, 3), (1, 20, 17, 3)])
def test_a_reference_that_knows_nothing_is_refused(folder: Path, shape: tuple[int, ...]) -> None:
    write_npz(folder / REFERENCE_FILE, {"kp3d_smooth": np.full(shape, np.nan)})
    with pytest.raises(InputError, match="the reference holds nothing to compare"):
        read_reference(folder / REFERENCE_FILE)
