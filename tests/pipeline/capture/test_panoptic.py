"""Annotations of Panoptic sequences: layouts, units, what is missing, damaged or named wrongly."""

import json
from pathlib import Path

import numpy as np
import pytest
from panoptic_files import annotation, standing, write_annotation, write_sequence_calibration

from configs.errors import InputError
from pipeline.bench.filmed_people import cameras_round
from pipeline.capture import read_calibration
from pipeline.capture.panoptic import (
    JOINTS,
    coco17_reference,
    find_annotations,
    find_sequence,
    frame_numbers,
    hd_names,
    needed_annotations,
    read_bodies,
)

NOSE, HEAD, CENTRE = JOINTS.index("nose"), JOINTS.index("head_top"), JOINTS.index("body_centre")


@pytest.mark.parametrize("layout", ["joints19", "joints15"])
def test_both_layouts_give_the_same_joints_in_metres_with_z_up(layout: str, tmp_path: Path) -> None:
    true = standing(0.4, -0.3)
    write_annotation(tmp_path, 168, {3: true, -1: standing(2.0)}, layout)
    found = find_annotations(tmp_path)
    assert found is not None and found.layout == layout and found.frames.tolist() == [168]
    people = found.read()
    assert people.person_id.tolist() == [3], "a negative id is an outlier"
    lacking = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"] if layout == "joints15" else ["head_top"]
    missing = [JOINTS.index(name) for name in lacking]
    known = np.setdiff1d(np.arange(20), missing)
    np.testing.assert_allclose(people.joints_m[0, known], true[known], atol=1e-12)
    assert np.isnan(people.joints_m[0, missing]).all() and not people.is_valid[0, missing].any()


def test_the_richer_layout_is_taken_unless_another_is_asked_for(tmp_path: Path) -> None:
    for layout in ("joints15", "joints19"):
        write_annotation(tmp_path, 5, {0: standing()}, layout)
    assert needed_annotations(tmp_path).layout == "joints19"
    assert needed_annotations(tmp_path, ("joints15", "joints19")).layout == "joints15"


def test_missing_joints_gaps_and_ids_that_change(tmp_path: Path) -> None:
    partly = standing()
    partly[[NOSE, CENTRE]] = np.nan
    write_annotation(tmp_path, 168, {0: partly, 4: standing(1.0)})
    write_annotation(tmp_path, 171, {})
    write_annotation(tmp_path, 175, {7: standing(1.0)})
    found = needed_annotations(tmp_path)
    assert found.summary == "hdPose3d_stage1_coco19: 3 annotated frames (joints19), 168 to 175, 2 gaps"
    people = found.read()
    assert people.frame_index.tolist() == [168, 168, 175] and people.is_valid.sum(axis=1).tolist() == [17, 19, 19]
    joints = coco17_reference(people)
    assert joints.shape == (3, 176, 17, 3) and np.isnan(joints[:, :168]).all()
    assert np.isnan(joints[0, 168, 0]).all() and np.isfinite(joints[0, 168, 1:]).all()
    np.testing.assert_allclose(joints[2, 175, 5], standing(1.0)[JOINTS.index("left_shoulder")])


def test_of_two_bodies_with_one_id_the_fuller_one_counts(tmp_path: Path) -> None:
    partly = standing(3.0)
    partly[NOSE] = np.nan
    text = json.loads(annotation({0: partly}, "joints19"))
    text["bodies"] += json.loads(annotation({0: standing()}, "joints19"))["bodies"]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(text))
    ((number, joints),) = read_bodies(path, "joints19")
    assert number == 0 and joints[NOSE, 0] == 0.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not readable as JSON"),
        ('{"bodies": [{"id": 0, "joi', "not readable as JSON"),
        ("[]", "no list 'bodies'"),
        ('{"bodies": [{"id": 0, "joints15": [1, 2]}]}', r"without 19 x 4 numbers in 'joints19' \(KeyError"),
        ('{"bodies": [{"id": 0, "joints19": [1, 2]}]}', r"without 19 x 4 numbers in 'joints19' \(ValueError"),
        ('{"bodies": [{"id": null, "joints19": []}]}', "without id"),
    ],
)
def test_damaged_files_are_named_counted_and_left_out(content: str, message: str, tmp_path: Path) -> None:
    bad = write_annotation(tmp_path, 169, {})
    bad.write_text(content)
    with pytest.raises(InputError, match=message):
        read_bodies(bad, "joints19")
    found = needed_annotations(tmp_path)
    with pytest.raises(InputError, match="none of 1 annotation files can be read"):
        found.read()
    write_annotation(tmp_path, 168, {0: standing()})
    found = needed_annotations(tmp_path)
    assert found.problem == "" and len(found.read().person_id) == 1
    assert found.problem.startswith("1 annotation files left out: ") and "body3DScene_00000169.json" in found.problem


def test_a_sequence_without_annotations_says_what_to_do(tmp_path: Path) -> None:
    assert find_annotations(tmp_path) is None
    with pytest.raises(InputError, match=r"download hdPose3d_stage1_coco19.tar of the sequence and unpack it there"):
        needed_annotations(tmp_path)
    (tmp_path / "hdPose3d_stage1.tar").touch()
    with pytest.raises(InputError, match=r"was not unpacked: tar -xf hdPose3d_stage1.tar"):
        needed_annotations(tmp_path)


def test_hd_cameras_are_named_and_others_refused_with_the_reason() -> None:
    assert hd_names("00_16,30, 3") == ["00_16", "00_30", "00_03"]
    with pytest.raises(InputError, match=r"01_10 is a VGA camera: frames of VGA and Kinect cameras have another rate"):
        hd_names("00_16,01_10")
    with pytest.raises(InputError, match="50_04 is a Kinect"):
        hd_names("50_04")
    with pytest.raises(InputError, match="'cam1' is no camera of Panoptic"):
        hd_names("cam1")


def test_a_folder_with_vga_videos_alone_is_refused_with_the_reason(tmp_path: Path) -> None:
    write_sequence_calibration(tmp_path, cameras_round(2))
    (tmp_path / "vgaVideos").mkdir()
    with pytest.raises(InputError, match=r"has vgaVideos alone: frames of VGA .* download hdVideos/"):
        find_sequence(tmp_path)
    (tmp_path / "hdVideos").mkdir()
    (tmp_path / "hdVideos/hd_00_01.mp4").touch()
    capture = find_sequence(tmp_path)
    assert capture.videos == {"00_01": tmp_path / "hdVideos/hd_00_01.mp4"} and capture.missing == ("00_00",)
    assert frame_numbers(capture, "00_01") is None, "a video counts from 0"
    (tmp_path / f"calibration_{tmp_path.name}.json").write_text(
        json.dumps({"cameras": [{"name": "00_01", "K": np.eye(3).tolist(), "R": np.eye(3).tolist(), "t": [0, 0, 1]}]})
    )
    with pytest.raises(InputError, match="a calibration of layout own"):
        find_sequence(tmp_path)


def test_people_of_a_real_sequence_lie_within_the_pictures_and_their_joints_are_what_we_take_them_for(
    test_data: Path,
) -> None:
    folder = test_data / "data/multiview/cmu_panoptic_format/160906_band1"
    found = needed_annotations(folder)
    assert found.summary == "hdPose3d_stage1_coco19: 2 annotated frames (joints19), 168 to 169, 0 gaps"
    people = found.read()
    assert people.person_id.tolist() == [0, 1, 2, 0, 1, 2]
    points = people.joints_m[people.is_valid]
    assert -0.05 < points[:, 2].min() < 0.3 and 0.9 < points[:, 2].max() < 1.5, "they sit, z up, metres"
    shares = {}
    for camera in read_calibration(folder).cameras:
        pixels = camera.project(points)
        shares[camera.name] = ((pixels >= 0) & (pixels <= np.array(camera.size_px) - 1)).all(axis=1).mean()
    assert len(shares) == 31 and min(shares.values()) > 0.65 and np.mean(list(shares.values())) > 0.85
    joints = dict(zip(JOINTS, people.joints_m[:2].transpose(1, 0, 2), strict=True))
    for centre, part, slack in (("neck", "shoulder", 0.015), ("body_centre", "hip", 1e-5)):
        middle = 0.5 * (joints[f"left_{part}"] + joints[f"right_{part}"])
        assert np.linalg.norm(joints[centre] - middle, axis=1).max() < slack
