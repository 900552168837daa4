"""From the source's rig to SMPL's joints: joints, weights, regressor."""

import numpy as np

from configs.skeletons import SMPL24
from dpmesh.training.open_body.skeleton import CENTRE_JOINTS, SIDE_JOINTS, fit_regressor, gather_weights, place_joints

CENTRE_BONES = sorted({bone for shares in CENTRE_JOINTS.values() for bone in shares})
SIDE_BONES = sorted({b for shares in SIDE_JOINTS.values() for b in shares if b not in CENTRE_BONES})
BONES = (*CENTRE_BONES, *(f"{bone}.L" for bone in SIDE_BONES), *(f"{bone}.R" for bone in SIDE_BONES))


def test_shares_of_every_joint_sum_to_one() -> None:
    for shares in (*CENTRE_JOINTS.values(), *SIDE_JOINTS.values()):
        assert abs(sum(shares.values()) - 1) < 1e-12


def test_joints_move_with_the_rig_and_sides_use_their_own_bones() -> None:
    heads = np.random.default_rng(0).normal(size=(2, len(BONES), 3))
    joints = place_joints(heads, BONES)
    assert joints.shape == (2, 24, 3)
    up = np.array([0.0, 5.0, 0.0])
    np.testing.assert_allclose(place_joints(heads + up, BONES), joints + up)
    left = [BONES.index(f"{bone}.L") for bone in SIDE_BONES]
    heads[:, left] += up
    moved = np.abs(place_joints(heads, BONES) - joints).max((0, 2)) > 0.1
    assert [name for name, is_moved in zip(SMPL24, moved, strict=True) if is_moved] == [
        name for name in SMPL24 if name.startswith("left_")
    ]


def test_weights_sum_to_one_and_the_back_passes_up_the_spine_in_order() -> None:
    joints = np.zeros((24, 3))
    for height, name in enumerate(("pelvis", "spine1", "spine2", "spine3", "neck")):
        joints[SMPL24.index(name), 1] = 0.2 * height
    vertices = np.stack([np.zeros(60), np.linspace(-0.3, 0.9, 60), np.zeros(60)], axis=1)
    names = ("root", "spine05", "spine01", "upperarm01.L")
    weights = gather_weights(np.tile([0.1, 0.3, 0.4, 0.2], (60, 1)), names, vertices, joints)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    np.testing.assert_allclose(weights[:, SMPL24.index("left_shoulder")], 0.2)
    chain = weights[:, [SMPL24.index(name) for name in ("pelvis", "spine1", "spine2", "spine3")]]
    assert (np.diff(chain @ np.arange(4)) >= -1e-12).all()
    np.testing.assert_allclose(chain[[0, -1]], [[0.8, 0, 0, 0], [0, 0, 0, 0.8]])


def test_a_joint_that_is_a_mean_of_vertices_is_found_in_every_shape() -> None:
    rng = np.random.default_rng(1)
    half = rng.uniform([0.05, -1, -0.2], [1, 1, 0.2], (120, 3))
    mean = np.concatenate([half, half * [-1, 1, 1]])
    mirror = np.roll(np.arange(240), 120)
    offsets = rng.normal(size=(30, 120, 3)) * 0.05
    vertices = mean + np.concatenate([offsets, offsets * [-1, 1, 1]], axis=1)
    shares = np.zeros((24, 240))
    for joint, name in enumerate(SMPL24):
        if name.startswith("right_"):
            shares[joint] = shares[joint - 1][mirror]
        else:
            shares[joint, rng.choice(120, 4, replace=False)] = 0.25
            if not name.startswith("left_"):
                shares[joint] = (shares[joint] + shares[joint][mirror]) / 2
    joints = np.einsum("jv,svc->sjc", shares, vertices)
    found = fit_regressor(vertices, joints, mirror)
    np.testing.assert_allclose(found.sum(1), 1.0)
    assert found.min() >= 0
    np.testing.assert_allclose(np.einsum("jv,svc->sjc", found, vertices), joints, atol=2e-3)
