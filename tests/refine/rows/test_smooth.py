"""Smoothing without weights."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from refine.rows.gaps import interpolate_rotations
from refine.rows.smooth import bridge_gaps, smooth_rotations, smooth_track, smooth_values


@pytest.mark.parametrize("rate_hz", [25.0, 60.0])
def test_the_cutoff_halves_whatever_the_frame_rate(rate_hz: float) -> None:
    time = np.arange(int(20 * rate_hz)) / rate_hz
    for frequency, left in ((0.3, 1.0), (3.0, 0.5), (9.0, 1 / 82)):
        wave = np.sin(2 * np.pi * frequency * time)
        middle = slice(len(time) // 4, -len(time) // 4)
        found = smooth_values(time, wave, 3.0)[middle]
        assert np.abs(found).max() == pytest.approx(left, abs=0.03)


def test_rotations_pass_the_half_turn_and_turn_with_the_axes() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(60) / 30.0
    angles = 2.5 + 1.5 * time  # through pi
    pose = Rotation.from_rotvec(angles[:, None] * [0, 1, 0]) * Rotation.from_rotvec(rng.normal(0, 0.05, (60, 3)))
    fixed = Rotation.from_rotvec([0.3, -1.2, 0.5])
    plain = smooth_rotations(time, pose.as_rotvec()[:, None], 4.0)[:, 0]
    turned = smooth_rotations(time, (fixed * pose).as_rotvec()[:, None], 4.0)[:, 0]
    wanted = Rotation.from_rotvec(angles[:, None] * [0, 1, 0])
    error = (wanted.inv() * Rotation.from_rotvec(plain)).magnitude()
    assert error.mean() < 0.6 * (wanted.inv() * pose).magnitude().mean()
    assert ((fixed * Rotation.from_rotvec(plain)).inv() * Rotation.from_rotvec(turned)).magnitude().max() < 1e-5


@pytest.mark.parametrize("rows", [1, 4])
def test_too_few_rows_stay_as_they_are(rows: int) -> None:
    pose = np.random.default_rng(0).normal(0, 0.3, (rows, 24, 3)).astype(np.float32)
    assert np.array_equal(smooth_rotations(np.arange(rows) / 30.0, pose, 4.0), pose)


def test_a_noisy_track_shakes_less_and_lies_nearer(make_scene: Callable) -> None:
    scene = make_scene(60, gap=slice(20, 26))
    found = smooth_track(scene.track, np.zeros(3), 4.0)
    assert (
        scene.error_m(found.pose, found.trans).mean() < 0.8 * scene.error_m(scene.track.pose, scene.track.trans).mean()
    )
    shake = [np.abs(np.diff(scene.joints(m.pose, m.trans), 2, axis=0)).mean() for m in (found, scene.track)]
    assert shake[0] < 0.3 * shake[1]
    assert found.is_filled.tolist() == (~scene.track.is_observed).tolist()


def swinging(rows: int, frequency_hz: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return times and poses (rows, 2, 3) that swing."""
    time = np.arange(rows) / 25.0
    pose = np.zeros((rows, 2, 3), np.float32)
    pose[:, 0, 0], pose[:, 1, 1] = (0.8 * wave(2 * np.pi * frequency_hz * time) for wave in (np.sin, np.cos))
    return time, pose


@pytest.mark.parametrize(("frequency_hz", "noise", "left"), [(1.0, 0.0, 0.3), (0.1, 0.3, 0.7)])
def test_a_gap_is_bridged_nearer_than_by_interpolation(frequency_hz: float, noise: float, left: float) -> None:
    time, true = swinging(150, frequency_hz)
    seen = true + np.random.default_rng(2).normal(0, noise, true.shape)
    is_observed = np.ones(150, bool)
    is_observed[70:80] = False
    given = seen.astype(np.float32)
    given[70:80] = interpolate_rotations(time[is_observed], given[is_observed], time[70:80])
    found = bridge_gaps(time, given, np.ones(150), is_observed)
    assert np.array_equal(found[is_observed], given[is_observed])
    miss = [np.abs(poses[70:80] - true[70:80]).mean() for poses in (found, given)]
    assert miss[0] < left * miss[1]


def test_a_gap_without_enough_around_it_stays_as_it_is() -> None:
    time, pose = swinging(30)
    for hidden in (slice(10, 15), slice(0, 30), slice(2, 28)):
        is_observed = np.ones(30, bool)
        is_observed[hidden] = False
        assert bridge_gaps(time, pose, np.ones(30), is_observed) is pose


def test_a_long_track_is_smoothed_in_parts_without_a_seam(make_scene: Callable, monkeypatch) -> None:
    track = make_scene(400).track
    whole = smooth_track(track, np.zeros(3), 5.0)
    monkeypatch.setattr("refine.rows.smooth.PART_ROWS", 64)
    parts = smooth_track(track, np.zeros(3), 5.0)
    assert np.abs(parts.pose - whole.pose).max() < 1e-4 and np.abs(parts.trans - whole.trans).max() < 1e-4
