"""Recorded motions put on one floor."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.demo_motion import Motion, Role, keep_on_floor, lay_out, loop_gait, resample, turned


def _walk(frames: int = 120) -> Motion:
    """A walk along +z at 1.2 m/s with a cycle of 30 frames."""
    t = np.arange(frames)
    pose = np.zeros((frames, 24, 3), np.float32)
    swing = 0.5 * np.sin(2 * np.pi * t / 30)
    pose[:, 1, 0], pose[:, 2, 0] = swing, -swing
    pelvis = np.stack([np.zeros(frames), np.full(frames, 0.9), 0.04 * t], 1).astype(np.float32)
    return Motion(pose, pelvis)


def _bank() -> PoseBank:
    walks = [_walk(400), _walk(400)]
    return PoseBank(
        pose=np.concatenate([w.pose for w in walks]),
        trans=np.concatenate([w.pelvis for w in walks]),
        sequence=np.repeat(np.arange(2), 400).astype(np.int32),
        time_s=np.tile(np.arange(400) / 30, 2).astype(np.float32),
        rate_hz=30.0,
        names=np.array(["a", "b"]),
        collections=np.array(["x", "x"]),
        subjects=np.array(["1", "2"]),
        categories=np.array(["walk", "walk"]),
        splits=np.array(["test", "test"]),
    )


def test_a_looped_walk_goes_on_at_its_speed_without_a_jump() -> None:
    longer = loop_gait(_walk(), 300, 30.0)
    assert len(longer.pose) == 300
    steps = np.diff(longer.pelvis[:, 2])
    np.testing.assert_allclose(steps, 0.04, atol=1e-3)
    assert np.abs(np.diff(longer.pose, axis=0)).max() < 0.15


def test_resampling_keeps_times_and_the_first_frame() -> None:
    walk = _walk()
    other = resample(walk, 30.0, 25.0, 50, start=10)
    np.testing.assert_allclose(other.pose[0], walk.pose[10], atol=1e-5)
    np.testing.assert_allclose(other.pelvis[25], walk.pelvis[40], atol=1e-5)


def test_a_turn_moves_path_and_facing_alike() -> None:
    walk = turned(_walk(), np.pi / 2)
    facing = Rotation.from_rotvec(walk.pose[0, 0]).apply([0.0, 0.0, 1.0])
    way = walk.pelvis[-1] - walk.pelvis[0]
    np.testing.assert_allclose(facing, way / np.linalg.norm(way), atol=1e-5)
    np.testing.assert_allclose(facing, [1.0, 0.0, 0.0], atol=1e-5)


def test_a_slow_drift_of_the_floor_goes_and_a_jump_stays() -> None:
    walk = _walk(200)
    drift = np.linspace(0.0, 0.5, 200)
    jump = 0.3 * np.exp(-(((np.arange(200) - 100) / 4.0) ** 2))
    lifted = Motion(walk.pose, walk.pelvis + np.stack([0 * drift, drift + jump, 0 * drift], 1).astype(np.float32))
    level = keep_on_floor(lifted, drift + jump, 25.0).pelvis[:, 1] - 0.9
    assert np.abs(level[[20, 60, 150, 190]]).max() < 0.06
    assert level[100] > 0.2


def test_people_keep_apart_and_pass_before_each_other() -> None:
    roles = [
        Role("a", False, (-0.5, 0.5), (3.5, 4.5), np.pi / 2),
        Role("b", False, (-0.5, 0.5), (5.0, 7.0), -np.pi / 2),
    ]
    cast = lay_out(np.random.default_rng(0), _bank(), roles, 100, 25.0, 600.0, 640, tries=200)
    assert [len(m.pose) for m in cast] == [100, 100]
    gap = np.linalg.norm(cast[0].pelvis[:, [0, 2]] - cast[1].pelvis[:, [0, 2]], axis=1)
    assert gap.min() > 0.5
    column = [m.pelvis[:, 0] / -m.pelvis[:, 2] * 600 for m in cast]
    assert np.abs(column[0] - column[1]).min() < 50


def test_an_unknown_sequence_and_one_too_short_are_refused_by_name() -> None:
    near = ((0.0, 0.0), (4.0, 4.0), None)
    with pytest.raises(InputError, match="no sequence 'c'"):
        lay_out(np.random.default_rng(0), _bank(), [Role("c", False, *near)], 50, 25.0, 600.0, 640)
    with pytest.raises(InputError, match="a lasts 400 frames"):
        lay_out(np.random.default_rng(0), _bank(), [Role("a", False, *near)], 900, 25.0, 600.0, 640)
