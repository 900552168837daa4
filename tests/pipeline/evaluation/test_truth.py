from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.checks import shapes_of
from configs.errors import InputError
from pipeline.evaluation.truth import Truth, measure_against_truth, read_truth
from pipeline.flow.atomic import write_npz
from pipeline.motion.posing import joint_positions
from pipeline.types import MotionTrack

TIMES = np.arange(30) / 30


def truth_of(tracks: list[MotionTrack], body) -> Truth:
    joints = [joint_positions(body, track.pose, track.betas, track.trans) for track in tracks]
    return Truth(
        joints_m=np.stack(joints),
        visible_share=np.ones((len(tracks), len(TIMES)), np.float32),
        focal_px=np.full(len(TIMES), 500.0),
        principal_px=np.tile([320.0, 180.0], (len(TIMES), 1)),
    )


@pytest.fixture
def people(make_track) -> list[MotionTrack]:
    """Two people who walk past each other, one 1.5 m behind the other."""
    return [
        make_track(TIMES, track_id=1, shift_m=(-1.5, 0, 5.0), speed_mps=(3.0, 0, 0)),
        make_track(TIMES, track_id=2, shift_m=(1.5, 0, 6.5), speed_mps=(-3.0, 0, 0), seed=4),
    ]


def rows_of(track: MotionTrack, rows: slice, **changes) -> MotionTrack:
    """Return some rows of a track."""
    return replace(track.take(rows), **changes)


def test_the_truth_itself_is_found_throughout_without_error(people, stick_body) -> None:
    report = measure_against_truth(people, stick_body, truth_of(people, stick_body))
    assert report.found.tolist() == report.visible.tolist() == [30, 30]
    assert report.switches.tolist() == [0, 0] and report.extra == 0
    assert max(report.mpjpe_mm.max(), report.pa_mpjpe_mm.max(), report.position_mm.max()) < 0.01


def test_the_order_of_the_tracks_does_not_matter(people, stick_body) -> None:
    truth = truth_of(people, stick_body)
    report = measure_against_truth(people[::-1], stick_body, truth)
    assert report.switches.tolist() == [0, 0] and report.mpjpe_mm.max() < 0.01


def test_tracks_that_swap_people_are_two_switches(people, stick_body) -> None:
    swapped = []
    for first, second, number in [(0, 1, 1), (1, 0, 2)]:
        early, late = rows_of(people[first], slice(0, 10)), rows_of(people[second], slice(20, 30))
        names = [name for name, shape in shapes_of(MotionTrack).items() if shape[0] == "T"]
        of_both = {name: (getattr(early, name), getattr(late, name)) for name in names}
        joined = {name: np.concatenate(parts) for name, parts in of_both.items() if parts[0] is not None}
        swapped.append(replace(early, track_id=number, **joined))
    report = measure_against_truth(swapped, stick_body, truth_of(people, stick_body))
    assert report.switches.tolist() == [1, 1] and report.found.tolist() == [20, 20]


def test_a_person_found_for_a_third_of_the_time_is_a_third(people, stick_body) -> None:
    tracks = [people[0], rows_of(people[1], slice(5, 15))]
    report = measure_against_truth(tracks, stick_body, truth_of(people, stick_body))
    np.testing.assert_allclose(report.found_fraction, [1.0, 1 / 3])


def test_two_tracks_one_after_the_other_are_one_switch(people, stick_body) -> None:
    tracks = [people[0], rows_of(people[1], slice(0, 12)), rows_of(people[1], slice(15, 30), track_id=3)]
    report = measure_against_truth(tracks, stick_body, truth_of(people, stick_body))
    assert report.switches.tolist() == [0, 1] and report.found.tolist() == [30, 27]


def test_hidden_frames_neither_count_nor_hurt(people, stick_body) -> None:
    truth = truth_of(people, stick_body)
    share = truth.visible_share.copy()
    share[1, 10:20] = 0.1
    tracks = [people[0], rows_of(people[1], slice(0, 10)), rows_of(people[1], slice(20, 30))]
    report = measure_against_truth(tracks, stick_body, replace(truth, visible_share=share))
    assert report.visible.tolist() == [30, 20] and report.found.tolist() == [30, 20]


def test_someone_hidden_takes_a_body_away_from_nobody(make_track, stick_body) -> None:
    person, behind, track = (make_track(TIMES, shift_m=(0, 0, 5.0 + depth)) for depth in (0.0, 0.1, 0.06))
    truth = truth_of([person, behind], stick_body)
    share = np.stack([np.ones(30), np.zeros(30)])
    report = measure_against_truth([track], stick_body, replace(truth, visible_share=share))
    assert report.found.tolist() == [30, 0] and report.extra == 0
    report = measure_against_truth([track, behind], stick_body, replace(truth, visible_share=share))
    assert report.found.tolist() == [30, 0] and report.extra == 0


def test_one_body_cannot_stand_for_two_people(people, stick_body) -> None:
    report = measure_against_truth(people[:1], stick_body, truth_of([people[0], people[0]], stick_body))
    assert report.found.sum() == 30


def test_bodies_of_nobody_are_counted(people, make_track, stick_body) -> None:
    ghost = make_track(TIMES, track_id=8, shift_m=(4.0, 0, 6.0))
    report = measure_against_truth([*people, ghost], stick_body, truth_of(people, stick_body))
    assert report.extra == 30 and report.found.tolist() == [30, 30]


def test_depth_is_a_position_error_and_no_pose_error(people, stick_body) -> None:
    moved = replace(people[0], trans=people[0].trans + np.float32([0, 0, 0.5]))
    report = measure_against_truth([moved, people[1]], stick_body, truth_of(people, stick_body))
    assert report.position_mm[0] == pytest.approx(500, rel=1e-3)
    assert report.mpjpe_mm[0] < 0.01


def test_a_wrong_turn_is_an_error_that_alignment_removes(people, stick_body) -> None:
    pose = people[0].pose.copy()
    pose[:, 0] = (np.pi, 0, 0)
    report = measure_against_truth([replace(people[0], pose=pose)], stick_body, truth_of(people[:1], stick_body))
    assert report.mpjpe_mm[0] > 20 and report.pa_mpjpe_mm[0] < 0.01


def test_nobody_found_is_told_without_numbers(people, stick_body) -> None:
    report = measure_against_truth([], stick_body, truth_of(people, stick_body))
    assert report.found.tolist() == [0, 0] and np.isnan(report.mean_pa_mpjpe_mm)
    assert report.rows()[1] == ("person 1", "30", "0.0 %", "0", "-", "-", "-")
    assert report.rows()[-1] == ("mean", "60", "0.0 %", "0", "-", "-", "-")


def test_people_weigh_the_same_in_the_mean(people, stick_body) -> None:
    pose = people[0].pose.copy()
    pose[:, 0] = (np.pi, 0, 0)
    tracks = [replace(people[0], pose=pose), rows_of(people[1], slice(0, 3))]
    report = measure_against_truth(tracks, stick_body, truth_of(people, stick_body))
    assert report.mean_mpjpe_mm == pytest.approx(report.mpjpe_mm.sum() / 2)


def test_a_truth_file_is_read_back_and_a_wrong_one_refused(tmp_path: Path, people, stick_body) -> None:
    truth = truth_of(people, stick_body)
    arrays = {
        "joints_smpl24": truth.joints_m,
        "visible_share": truth.visible_share,
        "focal_px": truth.focal_px[0],
        "principal_px": truth.principal_px[0],
    }
    write_npz(tmp_path / "truth.npz", arrays)
    np.testing.assert_array_equal(read_truth(tmp_path / "truth.npz").joints_m, truth.joints_m)
    write_npz(tmp_path / "half.npz", {"joints_smpl24": truth.joints_m})
    for name in ("half.npz", "none.npz"):
        with pytest.raises(InputError, match="not the truth of a clip"):
            read_truth(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"focal_px": 0.0}, r"focal_px: is 0.0; give finite pixels above 0"),
        ({"focal_px": np.nan}, r"focal_px: is nan"),
        ({"joints_smpl24": np.zeros((2, 0, 24, 3)), "visible_share": np.zeros((2, 0))}, "holds no frame"),
        ({"joints_smpl24": np.zeros((0, 30, 24, 3)), "visible_share": np.zeros((0, 30))}, "nothing to compare"),
        ({"joints_smpl24": np.full((2, 30, 24, 3), np.nan)}, "nothing to compare"),
    ],
)
def test_a_truth_that_cannot_be_measured_against_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    arrays = {"joints_smpl24": np.zeros((2, 30, 24, 3)), "visible_share": np.ones((2, 30)), "focal_px": 500.0}
    write_npz(tmp_path / "truth.npz", arrays | {"principal_px": np.array([320.0, 180.0])} | changes)
    with pytest.raises(InputError, match=said):
        read_truth(tmp_path / "truth.npz")
