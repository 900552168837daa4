"""Numbers of a motion that are known from how it was made."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.motion.quality import (
    foot_sliding_m_s,
    jitter_m_s3,
    longest_gap_s,
    measure_quality,
    read_quality,
    write_quality,
)
from pipeline.motion.write import write_motion

RATE = 30.0


def walker(stance_m_s: float) -> np.ndarray:
    """Return joints (N, 24, 3) of somebody whose feet stand in turn, sliding at a speed, and swing at 3 m/s."""
    time_s = np.arange(120) / RATE
    joints = np.zeros((len(time_s), 24, 3))
    for joint, phase in ((10, 0.0), (11, 0.5)):
        stands = ((time_s + phase) % 1.0) < 0.5
        joints[:, joint, 0] = np.cumsum(np.where(stands, stance_m_s, 3.0)) / RATE
        joints[:, joint, 2] = np.where(stands, 0.0, 0.2)
    return joints


@pytest.mark.parametrize("speed", [0.0, 0.4])
def test_sliding_is_the_speed_of_the_feet_that_stand(speed: float) -> None:
    assert foot_sliding_m_s(walker(speed), RATE) == pytest.approx(speed, abs=1e-9)


def test_nobody_who_hangs_in_the_air_alone_slides() -> None:
    joints = walker(0.0)
    joints[:, [10, 11], 0] = np.arange(len(joints))[:, None] * 0.1  # 3 m/s: no contact
    assert foot_sliding_m_s(joints, RATE) is None


def test_jitter_is_the_third_derivative() -> None:
    time_s = np.arange(50) / RATE
    joints = np.zeros((50, 24, 3))
    joints[..., 1] = (time_s**3)[:, None]
    assert jitter_m_s3(joints, RATE) == pytest.approx(6.0)
    assert jitter_m_s3(joints[:3], RATE) is None


def test_the_longest_gap_may_lie_at_the_end() -> None:
    assert longest_gap_s(np.array([True, False, True, False, False]), 10.0) == pytest.approx(0.2)
    assert longest_gap_s(np.array([True]), 10.0) == 0.0


def test_keypoints_on_the_joints_reproject_on_them(tmp_path: Path, make_track, stick_body) -> None:
    seen = np.array([True] * 20 + [False] * 10)
    track = make_track(np.arange(30) / 30, is_observed=seen)
    off = track.keypoints.copy()
    off[:20, :, 0] += 4.0
    for keypoints, wanted in ((track.keypoints, 0.0), (off, 4.0)):
        moved = make_track(np.arange(30) / 30, is_observed=seen, keypoints=keypoints)
        path = tmp_path / "person_001.npz"
        write_motion(path, moved, stick_body, rate=Fraction(30), gap_max_s=0.5)
        found = measure_quality(path, moved, stick_body)
        assert found.reprojection_px == pytest.approx(wanted, abs=0.01)
        assert (found.observed_fraction, found.longest_gap_s) == (pytest.approx(2 / 3, abs=1e-4), 0.3333)
    write_quality(tmp_path / "quality.json", [found])
    read = read_quality(tmp_path / "quality.json")
    assert read[1]["length_s"] == 1.0 and read[1]["reprojection_px"] == found.reprojection_px


def test_a_capture_has_no_pixels(tmp_path: Path, make_track, stick_body, of_rig) -> None:
    track = of_rig(make_track(np.arange(30) / 30), np.ones((30, 2), bool))
    write_motion(tmp_path / "person_002.npz", track, stick_body, rate=Fraction(30), gap_max_s=0.5)
    assert measure_quality(tmp_path / "person_002.npz", track, stick_body).reprojection_px is None


def test_damage_is_told(tmp_path: Path) -> None:
    (tmp_path / "quality.json").write_text('{"people": 3}')
    with pytest.raises(InputError, match="not the quality of a run"):
        read_quality(tmp_path / "quality.json")
    assert read_quality(tmp_path / "none.json") == {}


def test_joins_and_splits_are_those_of_this_person(tmp_path: Path, make_track, stick_body) -> None:
    track, path, links = make_track(np.arange(30) / 30), tmp_path / "person_002.npz", tmp_path / "links.json"
    write_motion(path, track, stick_body, rate=Fraction(30), gap_max_s=0.5)
    assert measure_quality(path, track, stick_body, links).joins is None
    links.write_text(
        '{"decisions": [{"kind": "join", "people": [2, 2]}, {"kind": "join", "people": [1, 1]},'
        ' {"kind": "split", "people": [1, 2]}]}'
    )
    found = measure_quality(path, track, stick_body, links)
    assert (found.joins, found.splits) == (1, 1)
    links.write_text("[]")
    with pytest.raises(InputError, match="not the links of a run"):
        measure_quality(path, track, stick_body, links)
