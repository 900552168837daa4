from dataclasses import replace

import numpy as np
import pytest
from adult_skeleton import rest_joints
from scipy.spatial.transform import Rotation

from dpmesh.training.mocap.augment import (
    LIMBS,
    LOWER_JOINTS,
    UPPER_JOINTS,
    Augmentation,
    add_noise,
    augment,
    between,
    lean,
    lie,
    mirror,
    mix,
    mix_limbs,
    seat,
    tilt,
)
from dpmesh.training.mocap.limits import clamp_to_limits, count_violations, limit_table
from dpmesh.training.mocap.retarget import posed_joints
from dpmesh.training.mocap.skeleton import JOINT_INDEX, JOINT_NAMES


def random_poses(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.4, (count, 24, 3)).astype(np.float32)


def test_a_mirrored_pose_has_mirrored_joints() -> None:
    pose, rest = random_poses(4), rest_joints()
    swapped = [
        JOINT_INDEX[name.replace("left", "?").replace("right", "left").replace("?", "right")] for name in JOINT_NAMES
    ]
    expected = posed_joints(pose, rest)[:, swapped] * [-1, 1, 1]
    assert np.allclose(posed_joints(mirror(pose), rest), expected, atol=1e-6)
    assert np.array_equal(mirror(mirror(pose)), pose)


def test_a_mix_takes_legs_and_root_from_one_and_the_rest_from_the_other() -> None:
    low, high = random_poses(3, 1), random_poses(3, 2)
    out = mix(low, high)
    assert sorted((0, *LOWER_JOINTS, *UPPER_JOINTS)) == list(range(24))
    assert np.array_equal(out[:, [0, *LOWER_JOINTS]], low[:, [0, *LOWER_JOINTS]])
    assert np.array_equal(out[:, list(UPPER_JOINTS)], high[:, list(UPPER_JOINTS)])


def test_mixed_limbs_come_whole_from_one_giver_each_and_the_trunk_stays() -> None:
    pose, givers = random_poses(200, 1), random_poses(50, 2)
    out = mix_limbs(pose, givers, np.random.default_rng(0))
    trunk = [joint for joint in range(24) if not any(joint in limb for limb in LIMBS)]
    assert np.array_equal(out[:, trunk], pose[:, trunk])
    for limb in LIMBS:
        rows = list(limb)
        changed = (out[:, rows] != pose[:, rows]).any(axis=(1, 2))
        assert 0.4 < changed.mean() < 0.8
        from_one = (out[:, None, rows] == givers[None, :, rows]).all(axis=(2, 3)).any(axis=1)
        assert np.array_equal(from_one, changed)


def test_a_lean_turns_the_root_about_level_axes_and_nothing_else() -> None:
    pose = random_poses(300)
    out = lean(pose, np.random.default_rng(0))
    assert np.array_equal(out[:, 1:], pose[:, 1:])
    turn = (Rotation.from_rotvec(out[:, 0]) * Rotation.from_rotvec(pose[:, 0]).inv()).as_rotvec()
    assert np.allclose(turn[:, 1], 0, atol=1e-5)
    assert 18 < np.degrees(turn[:, [0, 2]].std()) < 26


def test_interpolation_ends_at_both_poses_and_leaves_the_root() -> None:
    a, b = random_poses(2, 3), random_poses(2, 4)
    assert np.allclose(between(a, b, np.zeros(2)), a, atol=1e-6)
    end = between(a, b, np.ones(2))
    assert np.allclose(end[:, 1:], b[:, 1:], atol=1e-5)
    assert np.allclose(end[:, 0], a[:, 0], atol=1e-6)


def test_someone_on_a_seat_is_upright_with_bent_knees_below_and_before_the_hips() -> None:
    rng = np.random.default_rng(0)
    joints = posed_joints(seat(random_poses(200) * 0.1, rng), rest_joints())
    knee, hip, neck = (
        joints[:, JOINT_INDEX["left_knee"]],
        joints[:, JOINT_INDEX["left_hip"]],
        joints[:, JOINT_INDEX["neck"]],
    )
    assert (knee[:, 2] - hip[:, 2] > 0.15).all()
    assert (neck[:, 1] - hip[:, 1] > 0.3).all()


def test_lying_bodies_are_level_and_tilted_ones_point_everywhere() -> None:
    rng = np.random.default_rng(1)
    standing = np.zeros((400, 24, 3), dtype=np.float32)
    up = Rotation.from_rotvec(lie(standing, rng)[:, 0]).apply([0, 1, 0])
    assert np.abs(up[:, 1]).mean() < 0.25
    everywhere = Rotation.from_rotvec(tilt(standing, rng)[:, 0]).apply([0, 1, 0])
    assert np.abs(everywhere.mean(axis=0)).max() < 0.15
    assert (everywhere[:, 1] < -0.5).mean() > 0.15


def test_noise_stays_within_joint_limits_and_grows_with_strength() -> None:
    rng = np.random.default_rng(2)
    low, high = limit_table()
    still = np.zeros((300, 24, 3), dtype=np.float32)
    noisy = add_noise(still, np.full(300, 3.0), rng)
    assert (noisy >= low - 1e-6).all() and (noisy <= high + 1e-6).all()
    assert count_violations(noisy).knee_backwards == 0.0
    weak = add_noise(still, np.full(300, 0.3), rng)
    assert 0 < np.abs(weak).mean() < 0.3 * np.abs(noisy).mean()


def test_limits_of_both_sides_mirror_each_other() -> None:
    pose = random_poses(50, 7) * 4
    assert np.allclose(clamp_to_limits(mirror(pose)), mirror(clamp_to_limits(pose)))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_same_generator_state_gives_the_same_poses(count: int) -> None:
    pose, partner, kin = random_poses(count, 1), random_poses(count, 2), random_poses(count, 3)
    first, second = (augment(pose, partner, kin, np.random.default_rng(9), Augmentation()) for _ in range(2))
    assert first.shape == (count, 24, 3) and first.dtype == np.float32
    assert np.array_equal(first, second)


def test_no_chances_leave_the_poses_and_full_yaw_turns_only_about_the_vertical() -> None:
    pose = random_poses(6)
    none = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))
    assert np.array_equal(augment(pose, pose, pose, np.random.default_rng(0), none), pose)
    turned = augment(pose, pose, pose, np.random.default_rng(0), replace(none, yaw=1.0))
    assert np.array_equal(turned[:, 1:], pose[:, 1:])
    old, new = posed_joints(pose, rest_joints()), posed_joints(turned, rest_joints())
    assert np.allclose(old[..., 1], new[..., 1], atol=1e-5)
    assert not np.allclose(old, new, atol=1e-2)
