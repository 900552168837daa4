"""Which rows stand for whom, and their errors."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.comparison import Comparison, Reference, change_rows, compare_runs, comparison_rows
from pipeline.evaluation.motion_errors import JointChoice, MotionErrors, measure_motion
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.evaluation.sightings import Sightings, find_sightings
from pipeline.motion.posing import joint_positions
from pipeline.types import MotionTrack

TIMES = np.arange(30) / 30
CHOICE = JointChoice("smpl24", tuple(range(24)), root=(0,), feet=(7, 8))


@pytest.fixture
def track(make_track) -> MotionTrack:
    """One person who is not seen in rows 10 to 14."""
    seen = make_track(TIMES)
    return replace(seen, is_observed=~np.isin(np.arange(30), range(10, 15)))


def joints_of(track: MotionTrack, body) -> np.ndarray:
    return joint_positions(body, track.pose, track.betas, track.trans)


def boxes_of(track: MotionTrack, joints: np.ndarray) -> np.ndarray:
    return joint_boxes(project_rows(joints, track.focal_px, track.principal_px))


def test_a_filled_row_stands_for_its_person_however_far_off_it_lies(track: MotionTrack, stick_body) -> None:
    joints = joints_of(track, stick_body)
    boxes = boxes_of(track, joints)[None]
    away = joints.copy()
    away[10:15] += [3.0, 0, 0]
    found = find_sightings([track], [away], boxes)
    assert found.frame.tolist() == list(range(30))
    assert np.flatnonzero(found.is_filled).tolist() == [10, 11, 12, 13, 14]
    boxes[0, 15:] = np.nan  # nobody to stand for after the gap
    assert find_sightings([track], [away], boxes).frame.tolist() == list(range(10))


def test_a_row_that_was_seen_goes_before_one_that_was_filled_in(track: MotionTrack, stick_body, make_track) -> None:
    joints = joints_of(track, stick_body)
    part = slice(11, 13)
    short = replace(track.take(part), is_observed=np.ones(2, bool))
    found = find_sightings([track, short], [joints, joints[part]], boxes_of(track, joints)[None])
    assert found.frame.tolist() == list(range(30)) and found.track[11:13].tolist() == [1, 1]
    assert found.follows().tolist() == [frame not in (10, 12) for frame in range(29)]


def sightings_of(frames: int) -> Sightings:
    rows = np.arange(frames)
    return Sightings(np.zeros(frames, int), rows, np.zeros(frames, int), rows, np.zeros(frames, bool))


def test_shaking_by_a_millimetre_is_the_acceleration_that_it_is() -> None:
    truth = np.zeros((1, 9, 3, 3))
    ours = truth[0].copy()
    ours[::2, 1, 0] = 0.001  # of two compared joints, one shakes
    choice = JointChoice("smpl24", (1, 2), root=(0,), feet=(1,))
    errors = measure_motion([ours], truth, sightings_of(9), choice, rate_hz=25.0)
    assert errors.acceleration == pytest.approx(np.full(7, 0.5 * 0.002 * 625))
    assert errors.sliding_m_s == pytest.approx(np.full(8, 0.025))


def test_feet_that_truly_move_do_not_slide_and_moved_roots_count_for_places_alone() -> None:
    truth = np.zeros((1, 9, 3, 3))
    truth[0, :, 1, 0] = 0.04 * np.arange(9)  # one foot at 1 m/s, the other stands
    ours = truth[0] + 0.002 * np.arange(9)[:, None, None]
    choice = JointChoice("smpl24", (1, 2), root=(0,), feet=(1, 2))
    errors = measure_motion([ours], truth, sightings_of(9), choice, rate_hz=25.0)
    assert errors.sliding_m_s == pytest.approx(np.full(8, 0.05 * np.sqrt(3)))
    assert errors.mpjpe_mm.max() < 1e-9 and errors.acceleration.max() < 1e-9
    assert errors.translation_error_m == pytest.approx(0.002 * np.arange(9) * np.sqrt(3))


def test_all_ways_are_measured_at_the_rows_of_the_first(track: MotionTrack, stick_body) -> None:
    joints = joints_of(track, stick_body)
    reference = Reference(joints[None].copy(), boxes_of(track, joints)[None], np.ones((1, 30), bool), CHOICE)
    lost = replace(track, trans=track.trans + np.float32([50, 0, 0]))  # would be found nowhere by itself
    result = compare_runs("clip", {"off": [track], "fit": [lost]}, stick_body, reference)
    assert result.found == result.wanted == 30
    assert {len(errors.mpjpe_mm) for errors in result.by_mode.values()} == {30}
    reference.joints_m[0, 4, 0] = np.nan
    assert len(compare_runs("clip", {"off": [track]}, stick_body, reference).by_mode["off"].mpjpe_mm) == 29
    later = replace(track, frame_index=track.frame_index + 1)
    with pytest.raises(ValueError, match="'fit' has other rows than 'off'"):
        compare_runs("clip", {"off": [track], "fit": [later]}, stick_body, reference)


def errors_of(pa_mm: float, rows: int, filled: int = 0) -> MotionErrors:
    same = np.full(rows, pa_mm)
    return MotionErrors(same, same, 0.01 * same, np.arange(rows) < filled, same, np.zeros(0))


def test_clips_count_by_their_rows_and_the_worst_clip_is_named() -> None:
    results = [
        Comparison("a", 40, 30, {"off": errors_of(100.0, 30, 3), "fit": errors_of(80.0, 30, 3)}),
        Comparison("b", 10, 10, {"off": errors_of(100.0, 10), "fit": errors_of(104.0, 10)}),
    ]
    rows = comparison_rows(results)
    assert [row[:4] for row in rows[-2:]] == [("all", "off", "40", "80.0 %"), ("all", "fit", "40", "80.0 %")]
    assert rows[-1][4:] == ("86.0", "86.0", "86.0", "-", "0.86", "3", "80.0", "80.0")
    changes = ["-14.0 %"] * 3 + ["-"] + ["-14.0 %"] + ["-20.0 %"] * 2
    assert change_rows(results)[1] == ("fit", *changes, "+4.0 %", "1 of 2")
    assert comparison_rows(results[:1])[-1][0] == "a"


@pytest.mark.parametrize("before_mm", [0.0, 1e-9])
def test_a_change_from_about_nothing_has_no_percentage(before_mm: float) -> None:
    result = Comparison("a", 40, 30, {"off": errors_of(before_mm, 30), "fit": errors_of(80.0, 30)})
    assert change_rows([result])[1] == ("fit", *["-"] * 8, "0 of 0")
