from fractions import Fraction

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from configs.errors import InputError
from pipeline.motion.posing import joint_positions, pelvis_of
from pipeline.motion.resample import resample

RATE = Fraction(30)


def test_no_drift_between_ntsc_and_30_hz_over_ten_minutes(make_track, stick_body) -> None:
    track = make_track(np.arange(17982) * 1001 / 30000)
    motion = resample(track, pelvis_of(stick_body, track.betas), RATE, 0.5)
    assert 0 <= track.time_s[-1] - motion.time_s[-1] < 1 / 30
    np.testing.assert_allclose(motion.time_s, np.arange(len(motion.time_s)) / 30, atol=1e-9)
    # The pelvis of the track moves at a constant speed, so where it is says what time it is.
    there = motion.trans[:, 0] - track.trans[0, 0]
    np.testing.assert_allclose(there, 0.3 * motion.time_s, atol=2e-5)


def test_last_frame_stays_when_its_timestamp_was_rounded_down(make_track) -> None:
    track = make_track(np.round(np.arange(31) / 30, 6))
    assert len(resample(track, np.zeros(3), RATE, 0.5).time_s) == 31


def test_rotations_follow_the_shortest_arc_at_constant_speed(make_track) -> None:
    times = np.array([0.0, 0.1, 0.35, 0.4])
    generator = np.random.default_rng(3)
    track = make_track(times, pose=Rotation.random(96, rng=generator).as_rotvec().reshape(4, 24, 3).astype(np.float32))
    motion = resample(track, np.zeros(3), Fraction(60), 0.5)
    for joint in (0, 5, 23):
        wanted = Slerp(times, Rotation.from_rotvec(track.pose[:, joint]))(motion.time_s)
        left = (wanted.inv() * Rotation.from_rotvec(motion.pose[:, joint])).magnitude()
        assert left.max() < 1e-6


def test_pelvis_moves_on_a_line_though_the_root_turns(make_track, stick_body) -> None:
    track = make_track(np.array([0.0, 0.5]))
    pelvis = pelvis_of(stick_body, track.betas)
    motion = resample(track, pelvis, RATE, 0.5)
    roots = joint_positions(stick_body, motion.pose, track.betas, motion.trans)[:, 0]
    line = roots[:1] + np.linspace(0, 1, 16)[:, None] * (roots[-1:] - roots[:1])
    np.testing.assert_allclose(roots, line, atol=1e-5)


def test_samples_on_frames_keep_the_frames(make_track) -> None:
    track = make_track(np.arange(5) / 30)
    motion = resample(track, np.zeros(3), RATE, 0.5)
    turn = Rotation.from_rotvec(motion.pose.reshape(-1, 3)).inv() * Rotation.from_rotvec(track.pose.reshape(-1, 3))
    assert turn.magnitude().max() < 1e-6
    np.testing.assert_allclose(motion.trans, track.trans, atol=1e-7)
    np.testing.assert_array_equal(motion.nearest_row, np.arange(5))


def test_samples_in_a_long_gap_are_not_observed(make_track) -> None:
    times = np.concatenate([np.arange(4) / 10, 1.3 + np.arange(4) / 10])
    frames = np.array([0, 1, 2, 3, 13, 14, 15, 16])
    motion = resample(make_track(times, frame_index=frames), np.zeros(3), Fraction(10), 0.5)
    np.testing.assert_allclose(motion.time_s[~motion.is_observed], np.arange(4, 13) / 10)


def test_samples_in_a_short_gap_are_observed(make_track) -> None:
    times = np.array([0.0, 0.1, 0.5, 0.6])
    assert resample(make_track(times), np.zeros(3), Fraction(10), 0.5).is_observed.all()


def test_the_distance_of_neighbouring_frames_is_no_gap(make_track) -> None:
    assert resample(make_track(np.arange(5.0)), np.zeros(3), RATE, 0.5).is_observed.all()


def test_samples_beside_a_filled_frame_are_not_observed(make_track) -> None:
    seen = np.array([True, True, False, True, True])
    motion = resample(make_track(np.arange(5) / 10, is_observed=seen), np.zeros(3), Fraction(20), 0.5)
    np.testing.assert_array_equal(motion.is_observed, np.array([1, 1, 1, 0, 0, 0, 1, 1, 1], bool))


@pytest.mark.parametrize("rate", [RATE, None])
def test_one_frame_is_one_sample(make_track, rate: Fraction | None) -> None:
    track = make_track(np.array([2.5]))
    motion = resample(track, np.zeros(3), rate, 0.5)
    assert motion.time_s.tolist() == [2.5] and motion.is_observed.tolist() == [True]


def test_without_a_rate_the_frames_stay(make_track) -> None:
    times = np.array([0.0, 0.03, 0.1, 0.2])
    motion = resample(make_track(times), np.zeros(3), None, 0.5)
    np.testing.assert_array_equal(motion.time_s, times)
    assert motion.rate_hz == pytest.approx(15.0)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(0), Fraction(-30)])
def test_rates_that_readers_would_cut_off_are_refused(make_track, rate: Fraction) -> None:
    with pytest.raises(ValueError, match="whole number"):
        resample(make_track(np.arange(3) / 30), np.zeros(3), rate, 0.5)


def test_times_that_do_not_rise_are_refused(make_track) -> None:
    with pytest.raises(ValueError, match="track 7: timestamps must increase"):
        resample(make_track(np.array([0.0, 0.1, 0.1]), track_id=7), np.zeros(3), RATE, 0.5)


def test_an_empty_track_is_refused(make_track) -> None:
    with pytest.raises(ValueError, match="track 7 has no frames"):
        resample(make_track(np.zeros(0), track_id=7), np.zeros(3), RATE, 0.5)


def test_a_motion_over_a_jump_of_a_day_is_refused_before_memory_is_taken(make_track) -> None:
    track = make_track(np.array([0.0, 0.04, 86_400.0, 86_400.04]))
    with pytest.raises(InputError, match=r"4 frames lies over 24.0 h.*decode.rate_hz"):
        resample(track, np.zeros(3), Fraction(30), 0.5)
    assert len(resample(track, np.zeros(3), None, 0.5).time_s) == 4
