"""The lift from 2D joints to a first body."""

from dataclasses import replace

import pytest
import torch

from configs.skeletons import DPMESH15, MIRRORED_30
from dpmesh.network.config import COMPACT, JOINT_COUNT, RegressorConfig
from dpmesh.network.heads import rot6d_to_matrix, standing_rot6d
from dpmesh.network.lift import JointLift
from dpmesh.recovery.recover import mirrored_joints, mirrored_rotations


def lift_of(**options: int) -> JointLift:
    torch.manual_seed(0)
    config = replace(COMPACT.regressor, width=16, joint_lift=32, lift_layers=2, **options)
    return JointLift(5, 144, tap_channels=(8, 4), config=config)


def test_the_lift_starts_from_the_joints_alone_and_learns_to_read_the_image() -> None:
    lift = lift_of(image_lift=4)
    joints, mask = 32 * torch.rand(2, JOINT_COUNT, 2), torch.ones(2, JOINT_COUNT, 1)
    dark = [torch.zeros(2, 8, 4, 4), torch.zeros(2, 4, 32, 32)]
    bright = [torch.randn_like(tap) for tap in dark]
    tokens = lift(joints, mask, dark).tokens
    assert tokens.shape == (2, 5, 16)
    assert torch.equal(tokens, lift(joints, mask, bright).tokens)
    assert not torch.allclose(tokens[0], tokens[1])
    lift(joints, mask, bright).tokens.square().sum().backward()
    assert bool(lift.image.mix.weight.grad.abs().max() > 0)
    with torch.no_grad():
        lift.image.mix.weight.normal_()
    changed = lift(joints, mask, bright)
    assert not torch.allclose(tokens, changed.tokens)
    assert torch.equal(changed.pose_raw, lift(joints, mask, bright).pose_raw)


def test_the_image_counts_where_a_joint_is_and_nowhere_else() -> None:
    lift = lift_of(image_lift=4)
    torch.nn.init.normal_(lift.image.mix.weight)
    joints, mask = torch.full((1, JOINT_COUNT, 2), 9.0), torch.ones(1, JOINT_COUNT, 1)
    taps = [torch.zeros(1, 8, 4, 4), torch.zeros(1, 4, 32, 32)]
    at_joint, elsewhere = taps[1].clone(), taps[1].clone()
    at_joint[..., 8:10, 8:10], elsewhere[..., 20:, 20:] = 1.0, 1.0
    nothing, seen, other = (lift(joints, mask, [taps[0], tap]).pose_raw for tap in (taps[1], at_joint, elsewhere))
    assert torch.equal(nothing, other) and not torch.allclose(nothing, seen)
    assert torch.equal(lift(joints, 0 * mask, taps).pose_raw, lift(joints, 0 * mask, [taps[0], at_joint]).pose_raw)


def test_the_lift_ignores_where_a_masked_joint_is() -> None:
    lift = lift_of(image_lift=0)
    joints, mask = torch.rand(1, JOINT_COUNT, 2), torch.ones(1, JOINT_COUNT, 1)
    mask[:, 3] = 0
    moved = joints.clone()
    moved[:, 3] += 9.0
    assert torch.equal(lift(joints, mask, None).pose_raw, lift(moved, mask, None).pose_raw)


def test_an_untrained_lift_returns_about_its_start() -> None:
    lift = lift_of()
    lift.start_at(standing_rot6d())
    first = lift(32 * torch.rand(3, JOINT_COUNT, 2), torch.ones(3, JOINT_COUNT, 1), None)
    assert torch.allclose(first.pose_raw, standing_rot6d().expand(3, -1), atol=0.1)
    assert first.betas.shape == (3, 10) and first.betas.abs().max() < 0.1
    assert first.joint_logit.shape == (3, 15, 3) and first.tokens.shape == (3, 5, 16)


def test_a_lift_that_is_kept_still_learns_from_the_image() -> None:
    lift = lift_of(image_lift=4)
    lift.keep_joints()
    learning = {name.split(".")[0] for name, parameter in lift.named_parameters() if parameter.requires_grad}
    assert learning == {"image", "tokens"}


def test_a_mirrored_lift_makes_of_mirrored_joints_the_mirror_image() -> None:
    lift = lift_of(lift_mirrored=True)
    joints, mask = 32 * torch.rand(4, JOINT_COUNT, 2), torch.rand(4, JOINT_COUNT, 1).round()
    first = lift(joints, mask, None)
    other = lift(mirrored_joints(joints), mask[:, list(MIRRORED_30)], None)
    expected = mirrored_rotations(rot6d_to_matrix(first.pose_raw.unflatten(-1, (24, 6))))
    torch.testing.assert_close(rot6d_to_matrix(other.pose_raw.unflatten(-1, (24, 6))), expected)
    torch.testing.assert_close(other.betas, first.betas)
    torch.testing.assert_close(other.camera_raw, first.camera_raw * torch.tensor([1.0, -1.0, 1.0]))
    named = [name.replace("left", "?").replace("right", "left").replace("?", "right") for name in DPMESH15]
    swapped = first.joint_logit[:, [DPMESH15.index(name) for name in named]]
    torch.testing.assert_close(other.joint_logit, swapped * torch.tensor([-1.0, 1.0, 1.0]))
    plain = lift_of(lift_mirrored=False)(joints, mask, None)
    assert not torch.allclose(plain.pose_raw, first.pose_raw)


def test_a_lift_is_refused_for_heads_that_do_not_regress_rotations() -> None:
    with pytest.raises(ValueError, match="joint_lift gives 24 rotations, pose_head is 'vposer'"):
        RegressorConfig(joint_lift=64, pose_head="vposer")
