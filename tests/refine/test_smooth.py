"""Smoothing without weights."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from refine.smooth import smooth_rotations, smooth_track, smooth_values


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
