import numpy as np
import pytest

from pipeline.evaluation.reprojection import COCO_NAMES, measure_reprojection, percent


def test_a_body_on_its_keypoints_explains_all_of_them(make_track, stick_body) -> None:
    report = measure_reprojection([make_track(np.arange(5) / 10)], stick_body)
    assert report.fraction == 1.0
    assert report.confident.sum() == 5 * 17 and report.frame_counts.tolist() == [5]


@pytest.mark.parametrize(("offset", "fraction"), [(0.099, 1.0), (0.101, 0.0)])
def test_the_limit_is_a_tenth_of_the_height_of_the_box(make_track, stick_body, offset: float, fraction: float) -> None:
    track = make_track(np.arange(3) / 10)
    keypoints = track.keypoints.copy()
    keypoints[..., 0] += offset * 200.0
    boxes = np.tile(np.float32([0, 50, 900, 250]), (3, 1))
    report = measure_reprojection([make_track(np.arange(3) / 10, keypoints=keypoints, boxes_xyxy=boxes)], stick_body)
    assert report.fraction == fraction


def test_only_confident_keypoints_of_observed_frames_count(make_track, stick_body) -> None:
    times = np.arange(4) / 10
    keypoints = make_track(times).keypoints.copy()
    keypoints[:, 3, 2] = 0.49
    keypoints[:, 4, 2] = 0.5
    seen = np.array([True, True, False, True])
    report = measure_reprojection([make_track(times, keypoints=keypoints, is_observed=seen)], stick_body)
    assert report.confident[0, 3] == 0 and report.confident[0, 4] == 3 and report.confident.sum() == 3 * 16
    assert report.frame_counts.tolist() == [3]


def test_people_and_joints_are_counted_apart(make_track, stick_body) -> None:
    times = np.arange(4) / 10
    wrong = make_track(times, track_id=9).keypoints.copy()
    wrong[:, 15, :2] += 1000.0  # one ankle of one person, always
    tracks = [make_track(times, track_id=2), make_track(times, track_id=9, keypoints=wrong)]
    report = measure_reprojection(iter(tracks), stick_body)
    np.testing.assert_allclose(report.fraction_per_person(), [1.0, 16 / 17])
    assert report.fraction_per_joint()[15] == 0.5 and report.fraction_per_joint()[14] == 1.0
    assert report.fraction == pytest.approx(33 / 34)
    assert report.person_rows()[1] == ("9", "4", "68", "94.1 %")
    assert report.joint_rows()[15] == ("left ankle", "8", "50.0 %")
    assert report.joint_rows()[-1] == ("all", "136", "97.1 %")


def test_a_body_behind_the_camera_explains_nothing(make_track, stick_body) -> None:
    times = np.arange(2) / 10
    keypoints = make_track(times).keypoints
    # Through the camera's centre the same points would fall on the same pixels.
    behind = make_track(times, shift_m=(0.0, 0.0, -5.0), keypoints=keypoints)
    assert measure_reprojection([behind], stick_body).fraction == 0.0


def test_nobody_gives_nothing_to_measure(stick_body) -> None:
    report = measure_reprojection([], stick_body)
    assert np.isnan(report.fraction) and report.person_rows() == []
    assert report.joint_rows()[0] == (COCO_NAMES[0], "0", "-")
    assert percent(float("nan")) == "-"
